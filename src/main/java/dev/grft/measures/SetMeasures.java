package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.data.Labels;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * The measures of a model that tells which of several classes an image shows: at a threshold of 0.5, and at thresholds of the classes if there
 * are any. Memory grows with the classes.
 *
 * <p>The mean of precision, recall and F1 over classes is that over those that occur, in an image or as a prediction; of average
 * precision and AUROC that over those that have one.
 */
final class SetMeasures extends Measures<SetJudgment> {
    private static final int POINTS = 100; // of the curve

    private final float @Nullable [] thresholds;
    private final long[] actual; // of each class, images that show it
    private final Said half;
    private final Said tuned; // at the thresholds
    private final @Nullable OddsHistogram odds; // null with too many classes
    private final Reliability reliability;
    private double loss;

    SetMeasures(Labels classes, float @Nullable [] thresholds) {
        super(classes);
        this.thresholds = thresholds == null ? null : thresholds.clone();
        this.actual = new long[classes.size()];
        this.half = new Said();
        this.tuned = new Said();
        this.odds = classes.size() > OddsHistogram.MOST ? null : new OddsHistogram(classes.size());
        this.reliability = Reliability.ofLabels(classes.size());
    }

    @Override
    public Judging.Begin<SetJudgment> judging() {
        float @Nullable [] sent = thresholds; // and not this object
        int classes = names.size();
        return () -> new SetJudgment.Piece(classes, sent);
    }

    @Override
    public void add(Judgments<SetJudgment> some) {
        for (SetJudgment judgment : some.all) {
            examples++;
            loss += judgment.loss;
            for (int i = 0; i < judgment.shown.length; i++) {
                actual[judgment.shown[i]]++;
                if (odds != null) {
                    odds.add(judgment.shown[i], judgment.ofShown[i]);
                }
            }
            if (odds != null && Double.isNaN(judgment.loss)) {
                odds.spoil();
            }
            half.add(judgment.shown, judgment.half);
            tuned.add(judgment.shown, judgment.predicted);
        }
        if (odds != null) {
            odds.addOthers(some);
        }
        reliability.add(some.reliability);
    }

    /** What the model has said at some thresholds. */
    private final class Said {
        private final long[] right = new long[names.size()]; // of each class, images that show it and are said to
        private final long[] predicted = new long[names.size()]; // images that are said to
        private long exact; // images of which all classes are right

        void add(int[] shown, int[] said) {
            exact += Arrays.equals(shown, said) ? 1 : 0;
            for (int k : said) {
                predicted[k]++;
                right[k] += Arrays.binarySearch(shown, k) >= 0 ? 1 : 0;
            }
        }

        /** Returns the share of a class's images among those that are said to show it; 0 if none is. */
        double precision(int k) {
            return share(right[k], predicted[k]);
        }

        /** Returns the share of a class's images that are said to show it; 0 if it has none. */
        double recall(int k) {
            return share(right[k], actual[k]);
        }

        /** Returns the harmonic mean of precision and recall; 0 if one of them is. */
        double f1(int k) {
            return share(2 * right[k], actual[k] + predicted[k]);
        }

        double mean(IntToDoubleFunction of) {
            return IntStream.range(0, names.size())
                    .filter(k -> actual[k] > 0 || predicted[k] > 0)
                    .mapToDouble(of)
                    .average()
                    .orElse(Double.NaN);
        }

        long sum(long[] counts) {
            return LongStream.of(counts).sum();
        }

        double subsetAccuracy() {
            return (double) exact / examples;
        }

        /** Returns the share of wrong ones among all pairs of an image and a class. */
        double hammingLoss() {
            return (sum(actual) + sum(predicted) - 2 * sum(right)) / ((double) examples * names.size());
        }

        void put(ObjectNode one, String prefix, int k) {
            one.put(prefix + "precision", precision(k));
            one.put(prefix + "recall", recall(k));
            one.put(prefix + "f1", f1(k));
        }
    }

    private static double share(long of, long all) {
        return all == 0 ? 0 : (double) of / all;
    }

    @Override
    public Map<Measure, Double> values() {
        Map<Measure, Double> values = new EnumMap<>(Measure.class);
        if (odds != null) {
            values.put(Measure.MAP, odds.mean(odds::averagePrecision));
            values.put(Measure.AUROC, odds.mean(odds::auroc));
        }
        values.put(Measure.ECE, reliability.error());
        values.put(Measure.LOSS, loss / examples);
        values.put(Measure.MACRO_F1, half.mean(half::f1));
        values.put(Measure.MACRO_PRECISION, half.mean(half::precision));
        values.put(Measure.MACRO_RECALL, half.mean(half::recall));
        values.put(Measure.MICRO_F1, share(2 * half.sum(half.right), half.sum(actual) + half.sum(half.predicted)));
        values.put(Measure.MICRO_PRECISION, share(half.sum(half.right), half.sum(half.predicted)));
        values.put(Measure.MICRO_RECALL, share(half.sum(half.right), half.sum(actual)));
        values.put(Measure.SUBSET_ACCURACY, half.subsetAccuracy());
        values.put(Measure.HAMMING_LOSS, half.hammingLoss());
        if (thresholds != null) {
            values.put(Measure.TUNED_MACRO_F1, tuned.mean(tuned::f1));
            values.put(Measure.TUNED_MACRO_PRECISION, tuned.mean(tuned::precision));
            values.put(Measure.TUNED_MACRO_RECALL, tuned.mean(tuned::recall));
            values.put(
                    Measure.TUNED_MICRO_F1,
                    share(2 * tuned.sum(tuned.right), tuned.sum(actual) + tuned.sum(tuned.predicted)));
            values.put(Measure.TUNED_MICRO_PRECISION, share(tuned.sum(tuned.right), tuned.sum(tuned.predicted)));
            values.put(Measure.TUNED_MICRO_RECALL, share(tuned.sum(tuned.right), tuned.sum(actual)));
            values.put(Measure.TUNED_SUBSET_ACCURACY, tuned.subsetAccuracy());
            values.put(Measure.TUNED_HAMMING_LOSS, tuned.hammingLoss());
        }
        return values;
    }

    @Override
    public List<Float> bestThresholds() {
        OddsHistogram of = odds;
        return of == null
                ? List.of()
                : IntStream.range(0, names.size()).mapToObj(of::threshold).toList();
    }

    @Override
    public String line() {
        return super.line()
                + (odds == null
                        ? String.format(Locale.ROOT, ", no mAP of more than %,d classes", OddsHistogram.MOST)
                        : "");
    }

    @Override
    void put(ObjectNode root) {
        root.put("task", Task.MULTI_LABEL.word());
        if (odds != null) {
            Measure.put(root, "map_error", odds.mean(odds::averagePrecisionError));
            Measure.put(root, "auroc_error", odds.mean(odds::aurocError));
        }
        root.put("classes_per_image", (double) half.sum(actual) / examples);
        reliability.put(root.putArray("calibration"));
        ObjectNode classes = root.putObject("classes");
        for (int k = 0; k < names.size(); k++) {
            ObjectNode one = classes.putObject(names.name(k));
            one.put("images", actual[k]);
            if (odds != null) {
                Measure.put(one, "average_precision", odds.averagePrecision(k));
                Measure.put(one, "auroc", odds.auroc(k));
                Measure.put(one, "ece", reliability.error(k));
            }
            half.put(one, "", k);
            one.put("threshold", thresholds == null ? SetJudgment.HALF : thresholds[k]);
            if (thresholds != null) {
                tuned.put(one, "tuned_", k);
            }
        }
        if (odds != null) {
            ArrayNode curve = root.putArray("precision_recall"); // of all classes together
            odds.curve(
                    POINTS,
                    (threshold, precision, recall) ->
                            curve.addArray().add(threshold).add(precision).add(recall));
        }
    }
}
