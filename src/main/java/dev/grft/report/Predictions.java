package dev.grft.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Json;
import dev.grft.data.Labels;
import dev.grft.measures.Judgment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.Collectors;

/**
 * What a model says of the test images. {@code predictions.jsonl} has a line for each, by id; of more than 10,000 images it has
 * every second, third and so on. {@code mistakes.json} lists the worst mistakes of all, with pictures: of one class those that
 * the model is most confident of, of several classes those of the largest loss, of values those of the
 * largest error in deviations of the training values.
 */
public final class Predictions {
    /** Most lines of {@code predictions.jsonl}. */
    static final int MOST = 10_000;

    /** Most mistakes that get a picture. */
    static final int MISTAKES = 24;

    /** Worst first, of equals the lower id. */
    private static final Comparator<Judgment> WORST =
            Comparator.comparingDouble(Judgment::mistake).reversed().thenComparingLong(judgment -> judgment.id);

    private final Labels names;
    private final long every;
    private final List<Judgment> some = new ArrayList<>();
    private final PriorityQueue<Judgment> mistakes = new PriorityQueue<>(WORST.reversed());

    /**
     * Returns none yet.
     *
     * @param names of the head's outputs
     * @param total how many ids there are, of which some may never come
     */
    public Predictions(Labels names, long total) {
        this.names = names;
        this.every = Math.max(1, (total + MOST - 1) / MOST);
    }

    /** Adds what the model says of an image, in any order. */
    public void add(Judgment judgment) {
        if (judgment.id % every == 0) {
            some.add(judgment);
        }
        if (!(judgment.mistake() < 0)) { // no number is the worst mistake
            mistakes.add(judgment);
            if (mistakes.size() > MISTAKES) {
                mistakes.remove();
            }
        }
    }

    /** Returns the worst mistakes, at most 24. */
    public List<Judgment> mistakes() {
        return mistakes.stream().sorted(WORST).toList();
    }

    /** Returns {@code predictions.jsonl}. */
    public String jsonl() {
        return some.stream()
                .sorted(Comparator.comparingLong(judgment -> judgment.id))
                .map(judgment -> Json.line(line(judgment)) + "\n")
                .collect(Collectors.joining());
    }

    /** Returns {@code mistakes.json}, with pictures, data URIs, by id. */
    public String mistakesJson(Map<Long, String> pictures) {
        return mistakes().stream()
                .map(mistake -> {
                    ObjectNode line = line(mistake);
                    String picture = pictures.get(mistake.id);
                    return Json.line(picture == null ? line : line.put("picture", picture));
                })
                .collect(Collectors.joining(",\n", "[", "]\n"));
    }

    private ObjectNode line(Judgment judgment) {
        ObjectNode line = Json.MAPPER.createObjectNode().put("id", judgment.id).put("name", judgment.name);
        judgment.put(names, line);
        return line;
    }
}
