package dev.grft.spark.verbs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.report.Measure;
import dev.grft.report.Metrics;
import dev.grft.spark.work.Auroc;
import dev.grft.spark.work.Judgment;
import dev.grft.spark.work.Judgments;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * The measures of a classifier on images, added up image by image, as scikit-learn defines them; calibration as torchmetrics does. Memory
 * grows with the classes and with the pairs of classes that were taken for one another, not with the square of the classes.
 *
 * <p>The mean over classes is that over those that occur, as the class of an image or as a prediction.
 */
final class Measures {
    private static final int TOP = 5;
    private static final int BINS = 15; // of the probability of the predicted class
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Labels labels;
    private final long[] right; // of each class, images that are recognized
    private final long[] actual; // images of the class
    private final long[] predicted; // images that are taken for it
    private final Map<Long, Long> mistakes = new HashMap<>(); // actual * K + predicted, images
    private final long[] sure = new long[BINS]; // of each bin, images
    private final long[] rightlySure = new long[BINS]; // of these, images that are recognized
    private final double[] confidence = new double[BINS]; // the sum of their probabilities
    private final @Nullable Auroc auroc; // null with too many classes
    private long inTop;
    private double loss;
    private long examples;

    Measures(Labels labels) {
        this.labels = labels;
        this.right = new long[labels.size()];
        this.actual = new long[labels.size()];
        this.predicted = new long[labels.size()];
        this.auroc = labels.size() > Auroc.MOST ? null : new Auroc(labels.size());
    }

    /**
     * Requires that a measure is computed of so many classes.
     *
     * @throws UserError if it is not
     */
    static void require(Measure measure, Labels labels) {
        if (measure == Measure.AUROC && labels.size() > Auroc.MOST) {
            throw UserError.of(
                    "training.watch is auroc, which is computed for up to %,d classes, but there are %,d; choose another measure",
                    Auroc.MOST, labels.size());
        }
    }

    void add(Judgments some) {
        some.all.forEach(this::add);
        if (auroc != null) {
            auroc.add(some);
        }
    }

    private void add(Judgment judgment) {
        loss -= Math.log(Math.max(judgment.ofLabel, Float.MIN_NORMAL));
        examples++;
        actual[judgment.label]++;
        predicted[judgment.predicted]++;
        inTop += judgment.above < TOP ? 1 : 0;
        int bin = Math.min(BINS - 1, (int) (judgment.probability * BINS));
        sure[bin]++;
        confidence[bin] += judgment.probability;
        if (judgment.label == judgment.predicted) {
            right[judgment.label]++;
            rightlySure[bin]++;
        } else {
            mistakes.merge((long) judgment.label * labels.size() + judgment.predicted, 1L, Long::sum);
        }
    }

    /** Returns the value of each measure that there is of so many classes; NaN if it is not defined for these images. */
    Map<Measure, Double> values() {
        Map<Measure, Double> values = new EnumMap<>(Measure.class);
        values.put(Measure.ACCURACY, (double) LongStream.of(right).sum() / examples);
        values.put(Measure.BALANCED_ACCURACY, mean(classes().filter(k -> actual[k] > 0), this::recall));
        values.put(Measure.MACRO_PRECISION, mean(occurring(), this::precision));
        values.put(Measure.MACRO_RECALL, mean(occurring(), this::recall));
        values.put(Measure.MACRO_F1, mean(occurring(), this::f1));
        values.put(Measure.WEIGHTED_PRECISION, weighted(this::precision));
        values.put(Measure.WEIGHTED_F1, weighted(this::f1));
        if (labels.size() > TOP) {
            values.put(Measure.TOP5_ACCURACY, (double) inTop / examples);
        }
        if (auroc != null) {
            values.put(Measure.AUROC, auroc.mean());
        }
        values.put(Measure.ECE, calibrationError());
        values.put(Measure.LOSS, loss / examples);
        return values;
    }

    /** Returns the measures for a person, on one line. */
    String line() {
        return Measure.line(values())
                + (auroc == null ? String.format(Locale.ROOT, ", no AUROC of more than %,d classes", Auroc.MOST) : "");
    }

    private IntStream classes() {
        return IntStream.range(0, labels.size());
    }

    private IntStream occurring() {
        return classes().filter(k -> actual[k] > 0 || predicted[k] > 0);
    }

    private static double mean(IntStream classes, IntToDoubleFunction of) {
        return classes.mapToDouble(of).average().orElse(Double.NaN);
    }

    /** Returns the mean over the classes, each as often as it has images. */
    private double weighted(IntToDoubleFunction of) {
        return classes().mapToDouble(k -> actual[k] * of.applyAsDouble(k)).sum() / examples;
    }

    /** Returns how far the predictions' probabilities are from the share of right ones, mean over the images, in [0, 1]. */
    private double calibrationError() {
        double sum = 0;
        for (int bin = 0; bin < BINS; bin++) {
            sum += Math.abs(rightlySure[bin] - confidence[bin]);
        }
        return sum / examples;
    }

    /** Returns the share of a class among the images that are taken for it; 0 if none is. */
    private double precision(int k) {
        return predicted[k] == 0 ? 0 : (double) right[k] / predicted[k];
    }

    /** Returns the share of a class's images that are recognized; 0 if it has none. */
    private double recall(int k) {
        return actual[k] == 0 ? 0 : (double) right[k] / actual[k];
    }

    /** Returns the harmonic mean of precision and recall; 0 if one of them is. */
    private double f1(int k) {
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
        Measure.put(values(), root);
        if (auroc != null) {
            Measure.put(root, "auroc_error", auroc.error());
        }
        putCalibration(root.putArray("calibration"));
        ObjectNode classes = root.putObject("classes");
        for (int k = 0; k < labels.size(); k++) {
            ObjectNode one = classes.putObject(labels.name(k));
            one.put("precision", precision(k));
            one.put("recall", recall(k));
            one.put("f1", f1(k));
            if (auroc != null) {
                Measure.put(one, "auroc", auroc.of(k));
            }
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

    /** Puts [images, mean probability, share of right ones] for each bin, the least sure first; of none 0. */
    private void putCalibration(ArrayNode bins) {
        for (int bin = 0; bin < BINS; bin++) {
            long images = Math.max(1, sure[bin]);
            bins.addArray().add(sure[bin]).add(confidence[bin] / images).add((double) rightlySure[bin] / images);
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
