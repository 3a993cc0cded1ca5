package dev.grft.spark.verbs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.spark.work.Judgment;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * The measures of a model on images, added up image by image, as DL4J's evaluation defines them, and the mean cross-entropy. Memory
 * grows with the classes and with the pairs of classes that were taken for one another, not with the square of the classes.
 */
final class Measures {
    private static final int TOP = 5;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Labels labels;
    private final long[] right; // of each class, images that are recognized
    private final long[] actual; // images of the class
    private final long[] predicted; // images that are taken for it
    private final Map<Long, Long> mistakes = new HashMap<>(); // actual * K + predicted, images
    private long inTop;
    private double loss;
    private long examples;

    Measures(Labels labels) {
        this.labels = labels;
        this.right = new long[labels.size()];
        this.actual = new long[labels.size()];
        this.predicted = new long[labels.size()];
    }

    void add(Judgment judgment) {
        loss -= Math.log(Math.max(judgment.ofLabel, Float.MIN_NORMAL));
        examples++;
        actual[judgment.label]++;
        predicted[judgment.predicted]++;
        inTop += judgment.above < TOP ? 1 : 0;
        if (judgment.label == judgment.predicted) {
            right[judgment.label]++;
        } else {
            mistakes.merge((long) judgment.label * labels.size() + judgment.predicted, 1L, Long::sum);
        }
    }

    double accuracy() {
        return (double) LongStream.of(right).sum() / examples;
    }

    /** Returns the mean of the classes' F1, each class counting the same. */
    double macroF1() {
        double sum = 0;
        for (int k = 0; k < labels.size(); k++) {
            sum += f1(k);
        }
        return sum / labels.size();
    }

    double loss() {
        return loss / examples;
    }

    /** Returns the share of images whose class has one of the five largest probabilities. */
    double topAccuracy() {
        return (double) inTop / examples;
    }

    /** Returns the share of a class among the images that are taken for it; 0 if none is. */
    double precision(int k) {
        return predicted[k] == 0 ? 0 : (double) right[k] / predicted[k];
    }

    /** Returns the share of a class's images that are recognized; 0 if it has none. */
    double recall(int k) {
        return actual[k] == 0 ? 0 : (double) right[k] / actual[k];
    }

    /** Returns the harmonic mean of precision and recall; 0 if one of them is. */
    double f1(int k) {
        double precision = precision(k);
        double recall = recall(k);
        return right[k] == 0 ? 0 : 2 * precision * recall / (precision + recall);
    }

    /** Returns how many images of one class are taken for another, or for itself. */
    private long images(int of, int takenFor) {
        return of == takenFor ? right[of] : mistakes.getOrDefault((long) of * labels.size() + takenFor, 0L);
    }

    String json(String method, String digest) {
        return json(method, digest, false);
    }

    String json(String method, String digest, boolean chosenOnTest) {
        ObjectNode root = MAPPER.createObjectNode();
        root.put("method", method);
        if (chosenOnTest) {
            root.put(Metrics.NOTE, EpochChoice.NOT_COMPARABLE);
        }
        root.put("examples", examples);
        root.put("data_digest", digest);
        root.put("accuracy", accuracy());
        root.put("macro_f1", macroF1());
        if (labels.size() > TOP) {
            root.put("top5_accuracy", topAccuracy());
        }
        root.put("loss", loss());
        ObjectNode classes = root.putObject("classes");
        for (int k = 0; k < labels.size(); k++) {
            ObjectNode one = classes.putObject(labels.name(k));
            one.put("precision", precision(k));
            one.put("recall", recall(k));
            one.put("f1", f1(k));
        }
        if (labels.many()) {
            putCells(root.putArray("confusion_cells"));
        } else {
            putMatrix(root.putArray("confusion"));
        }
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Puts a row for each class, with the images that are taken for each. */
    private void putMatrix(ArrayNode matrix) {
        for (int of = 0; of < labels.size(); of++) {
            ArrayNode row = matrix.addArray();
            for (int takenFor = 0; takenFor < labels.size(); takenFor++) {
                row.add(images(of, takenFor));
            }
        }
    }

    /** Puts [actual, predicted, images] for each pair that occurs, in the order of the classes. */
    private void putCells(ArrayNode cells) {
        long size = labels.size();
        LongStream.concat(
                        mistakes.keySet().stream().mapToLong(pair -> pair),
                        LongStream.range(0, size)
                                .filter(k -> right[(int) k] > 0)
                                .map(k -> k * size + k))
                .sorted()
                .forEach(pair -> {
                    int of = (int) (pair / size);
                    int takenFor = (int) (pair % size);
                    cells.addArray().add(of).add(takenFor).add(images(of, takenFor));
                });
    }
}
