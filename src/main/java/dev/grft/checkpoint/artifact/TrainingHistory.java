package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;

/**
 * What {@code history.jsonl} tells of the epochs of a training.
 *
 * @param epochs in their order; none of a linear probe, which makes no steps
 * @param steps how many were made
 */
public record TrainingHistory(List<Epoch> epochs, long steps) {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Set<String> NO_MEASURES = Set.of("step", "epoch", "split", "watched", "best");

    /**
     * An epoch, or as much of one as was made.
     *
     * @param number from 1; where a step shows all images several times, not each has an entry
     * @param loss mean of its examples while they trained, NaN if it was not finite
     * @param measures by their keys, such as {@code accuracy}, on the images that chose the epoch; NaN if undefined, empty without such
     *     images
     * @param best whether the model was better then than after all epochs before
     */
    public record Epoch(int number, double loss, Map<String, Double> measures, boolean best) {
        public Epoch {
            measures = Map.copyOf(measures);
        }
    }

    public TrainingHistory {
        epochs = List.copyOf(epochs);
    }

    /** Returns the history in a folder; without any epochs if there is none. A long one takes the memory of one file. */
    public static TrainingHistory in(Storage storage, Path folder) {
        HistoryParts parts = new HistoryParts(storage, new Path(folder, "history.jsonl"));
        Reading reading = new Reading();
        for (Path part : parts.existing()) {
            for (String line : parts.lines(part)) {
                try {
                    reading.add(MAPPER.readTree(line));
                } catch (JsonProcessingException e) {
                    throw new UserError(
                            part + ": has a line that is not JSON (" + e.getOriginalMessage()
                                    + "); delete it and train again",
                            e);
                }
            }
        }
        return reading.end();
    }

    /** Adds up lines. */
    private static final class Reading {
        private final List<Epoch> epochs = new ArrayList<>();
        private long steps;
        // How often each image was shown before the next line. It is not rounded, so its floor is that of the fraction.
        private double shown;

        private int number;
        private double sum; // of the losses of its examples
        private long examples;
        private Map<String, Double> measures = Map.of();
        private boolean best;

        void add(JsonNode line) {
            if (line.has("split")) {
                measures = new TreeMap<>();
                line.properties().forEach(field -> {
                    if (!NO_MEASURES.contains(field.getKey())) {
                        measures.put(field.getKey(), number(field.getValue()));
                    }
                });
                best = line.path("best").asBoolean();
            } else if (line.has("loss")) {
                int now = (int) Math.floor(shown) + 1;
                if (now != number) {
                    endEpoch();
                    number = now;
                }
                long more = line.path("examples").asLong();
                sum += more * number(line.path("loss"));
                examples += more;
                steps = line.path("step").asLong();
                shown = line.path("epoch").asDouble();
            } // else a return after a divergence: what it has undone is no longer there
        }

        private static double number(JsonNode value) {
            return value.isNumber() ? value.asDouble() : Double.NaN;
        }

        private void endEpoch() {
            if (number > 0) {
                epochs.add(new Epoch(number, sum / examples, measures, best));
            }
            sum = 0;
            examples = 0;
            measures = Map.of();
            best = false;
        }

        TrainingHistory end() {
            endEpoch();
            return new TrainingHistory(epochs, steps);
        }
    }
}
