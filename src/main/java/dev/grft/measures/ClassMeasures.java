package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * The measures of a model that tells one class of several, calibration as torchmetrics defines it. Memory
 * grows with the classes and with the pairs of classes that were taken for one another, not with the square of the classes.
 *
 * <p>The mean over classes is that over those that occur, as the class of an image or as a prediction.
 */
final class ClassMeasures extends Measures<ClassJudgment> {
    private static final int TOP = 5;

    private final long[] right; // of each class, images that are recognized
    private final long[] actual; // images of the class
    private final long[] predicted; // images that are taken for it
    private final Map<Long, Long> mistakes = new HashMap<>(); // actual * K + predicted, images
    private final Reliability reliability = new Reliability(1); // of the predicted classes
    private final @Nullable OddsHistogram odds; // null with too many classes
    private long inTop;
    private double loss;

    ClassMeasures(Labels classes) {
        super(classes);
        this.right = new long[classes.size()];
        this.actual = new long[classes.size()];
        this.predicted = new long[classes.size()];
        this.odds = classes.size() > OddsHistogram.MOST ? null : new OddsHistogram(classes.size());
    }

    @Override
    public Judging.Begin<ClassJudgment> judging() {
        return ClassJudgment.Piece::new;
    }

    @Override
    public void add(Judgments<ClassJudgment> some) {
        some.all.forEach(this::add);
        if (odds != null) {
            odds.addOthers(some);
        }
    }

    private void add(ClassJudgment judgment) {
        loss -= Math.log(Math.max(judgment.ofLabel, Float.MIN_NORMAL));
        examples++;
        if (odds != null) {
            odds.add(judgment.label, judgment.ofLabel);
        }
        actual[judgment.label]++;
        predicted[judgment.predicted]++;
        inTop += judgment.above < TOP ? 1 : 0;
        reliability.add(0, judgment.probability, judgment.label == judgment.predicted);
        if (judgment.label == judgment.predicted) {
            right[judgment.label]++;
        } else {
            mistakes.merge((long) judgment.label * names.size() + judgment.predicted, 1L, Long::sum);
        }
    }

    @Override
    public Map<Measure, Double> values() {
        Map<Measure, Double> values = new EnumMap<>(Measure.class);
        values.put(Measure.ACCURACY, (double) LongStream.of(right).sum() / examples);
        values.put(Measure.BALANCED_ACCURACY, mean(classes().filter(k -> actual[k] > 0), this::recall));
        values.put(Measure.MACRO_PRECISION, mean(occurring(), this::precision));
        values.put(Measure.MACRO_RECALL, mean(occurring(), this::recall));
        values.put(Measure.MACRO_F1, mean(occurring(), this::f1));
        values.put(Measure.WEIGHTED_PRECISION, weighted(this::precision));
        values.put(Measure.WEIGHTED_F1, weighted(this::f1));
        if (names.size() > TOP) {
            values.put(Measure.TOP5_ACCURACY, (double) inTop / examples);
        }
        if (odds != null) {
            values.put(Measure.AUROC, area(odds::auroc));
        }
        values.put(Measure.ECE, reliability.error());
        values.put(Measure.LOSS, loss / examples);
        return values;
    }

    @Override
    public String line() {
        return super.line()
                + (odds == null
                        ? String.format(Locale.ROOT, ", no AUROC of more than %,d classes", OddsHistogram.MOST)
                        : "");
    }

    /** Returns what there is of the area of the second of two classes, of more the mean over those that have one. */
    private double area(IntToDoubleFunction of) {
        return names.size() == 2 ? of.applyAsDouble(1) : odds == null ? Double.NaN : odds.mean(of);
    }

    private IntStream classes() {
        return IntStream.range(0, names.size());
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
        return of == takenFor ? right[of] : mistakes.getOrDefault((long) of * names.size() + takenFor, 0L);
    }

    @Override
    void put(ObjectNode root) {
        if (odds != null) {
            Measure.put(root, "auroc_error", area(odds::aurocError));
        }
        reliability.put(root.putArray("calibration"));
        ObjectNode classes = root.putObject("classes");
        for (int k = 0; k < names.size(); k++) {
            ObjectNode one = classes.putObject(names.name(k));
            one.put("precision", precision(k));
            one.put("recall", recall(k));
            one.put("f1", f1(k));
            if (odds != null) {
                Measure.put(one, "auroc", odds.auroc(k));
            }
        }
        if (names.many()) {
            putCells(root.putArray("confusion_cells"));
        } else {
            putMatrix(root.putArray("confusion"));
        }
    }

    /** Puts a row for each class, with the images that are taken for each. */
    private void putMatrix(ArrayNode matrix) {
        for (int of = 0; of < names.size(); of++) {
            ArrayNode row = matrix.addArray();
            for (int takenFor = 0; takenFor < names.size(); takenFor++) {
                row.add(images(of, takenFor));
            }
        }
    }

    /** Puts [actual, predicted, images] for each pair that occurs, in the order of the classes. */
    private void putCells(ArrayNode cells) {
        long size = names.size();
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
