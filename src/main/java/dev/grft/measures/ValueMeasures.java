package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.data.Labels;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The measures of a model that predicts values, of each target and their means over the targets. Memory grows with the targets. */
final class ValueMeasures extends Measures<ValueJudgment> {
    private static final int PLOTTED = 1 << 16; // images
    private static final int BINS = 40;

    private final float @Nullable [] deviations;
    private final Of[] targets;
    private final Sample sample;

    ValueMeasures(Labels targets, float @Nullable [] deviations) {
        super(targets);
        this.deviations = deviations == null ? null : deviations.clone();
        this.targets =
                IntStream.range(0, targets.size()).mapToObj(t -> new Of()).toArray(Of[]::new);
        this.sample = new Sample(targets.size());
    }

    @Override
    public Judging.Begin<ValueJudgment> judging() {
        float @Nullable [] sent = deviations; // and not this object
        return () -> new ValueJudgment.Piece(sent);
    }

    @Override
    public void add(Judgments<ValueJudgment> some) {
        for (ValueJudgment judgment : some.all) {
            examples++;
            for (int t = 0; t < targets.length; t++) {
                targets[t].add(judgment.actual[t], judgment.predicted[t]);
            }
            sample.add(judgment);
        }
    }

    /** The sums of a target; those of squares are around a running mean, which loses no digits where the values are far from 0. */
    private static final class Of {
        private long images;
        private double absolute; // sum of |error|
        private double squares; // sum of error^2
        private double error; // sum
        private double mean; // of the true values
        private double around; // sum of (value - mean)^2

        void add(double actual, double predicted) {
            double difference = predicted - actual;
            images++;
            absolute += Math.abs(difference);
            squares += difference * difference;
            error += difference;
            double from = actual - mean;
            mean += from / images;
            around += from * (actual - mean);
        }

        double mae() {
            return absolute / images;
        }

        double mse() {
            return squares / images;
        }

        /** Returns the share of the variance that is explained, at most 1; NaN if all true values are equal. */
        double r2() {
            return around == 0 ? Double.NaN : 1 - squares / around;
        }

        void put(ObjectNode node) {
            Measure.put(node, "rmse", Math.sqrt(mse()));
            Measure.put(node, "mae", mae());
            Measure.put(node, "r2", r2());
            Measure.put(node, "bias", error / images);
            Measure.put(node, "mean", mean);
            Measure.put(node, "deviation", Math.sqrt(around / images));
        }
    }

    /** The values of some images for plots: of more than 65,536 those with every second id, then every fourth and so on. */
    private static final class Sample {
        private final TreeMap<Long, ValueJudgment> some = new TreeMap<>();
        private final int targets;
        private long every = 1;

        Sample(int targets) {
            this.targets = targets;
        }

        void add(ValueJudgment judgment) {
            if (judgment.id % every != 0) {
                return;
            }
            some.put(judgment.id, judgment);
            while ((long) some.size() * targets > PLOTTED && some.size() > 1) {
                every *= 2;
                some.keySet().removeIf(id -> id % every != 0);
            }
        }

        /** Puts counts of images by true and predicted value, and by error. */
        void put(ObjectNode node, int t) {
            double[] actual = values(judgment -> judgment.actual[t]);
            double[] predicted = values(judgment -> judgment.predicted[t]);
            double[] errors = new double[actual.length];
            Arrays.setAll(errors, i -> predicted[i] - actual[i]);
            Axis values = Axis.of(actual, predicted);
            Axis residuals = Axis.of(errors);
            if (values == null || residuals == null) {
                return;
            }
            int[][] cells = new int[BINS][BINS];
            int[] counts = new int[BINS];
            for (int i = 0; i < actual.length; i++) {
                cells[values.bin(actual[i])][values.bin(predicted[i])]++;
                counts[residuals.bin(errors[i])]++;
            }
            ObjectNode scatter =
                    node.putObject("scatter").put("from", values.from).put("width", values.width);
            ArrayNode list = scatter.putArray("cells"); // [bin of the true value, of the predicted one, images]
            for (int i = 0; i < BINS; i++) {
                for (int j = 0; j < BINS; j++) {
                    if (cells[i][j] > 0) {
                        list.addArray().add(i).add(j).add(cells[i][j]);
                    }
                }
            }
            ObjectNode histogram =
                    node.putObject("residuals").put("from", residuals.from).put("width", residuals.width);
            Arrays.stream(counts).forEach(histogram.putArray("counts")::add);
        }

        private double[] values(ToDoubleFunction<ValueJudgment> of) {
            return some.values().stream().mapToDouble(of).toArray();
        }
    }

    /** Equal bins from the least of some values to the largest. */
    private static final class Axis {
        final double from;
        final double width;

        private Axis(double from, double width) {
            this.from = from;
            this.width = width;
        }

        /** Returns the axis of some values; null if there are none, or one is no number. */
        static @Nullable Axis of(double[]... values) {
            double least =
                    Arrays.stream(values).flatMapToDouble(Arrays::stream).min().orElse(Double.NaN);
            double most =
                    Arrays.stream(values).flatMapToDouble(Arrays::stream).max().orElse(Double.NaN);
            if (!Double.isFinite(least) || !Double.isFinite(most)) {
                return null;
            }
            double span = most > least ? most - least : 1;
            return new Axis(least, span / BINS);
        }

        int bin(double value) {
            return Math.max(0, Math.min(BINS - 1, (int) ((value - from) / width)));
        }
    }

    private double mean(ToDoubleFunction<Of> of) {
        return Arrays.stream(targets).mapToDouble(of).average().orElse(Double.NaN);
    }

    /** Returns the mean over the targets that have an R², as those of one value do not; NaN if none has. */
    private double r2() {
        return Arrays.stream(targets)
                .filter(target -> target.around != 0)
                .mapToDouble(Of::r2)
                .average()
                .orElse(Double.NaN);
    }

    @Override
    public Map<Measure, Double> values() {
        Map<Measure, Double> values = new EnumMap<>(Measure.class);
        values.put(Measure.RMSE, mean(of -> Math.sqrt(of.mse())));
        values.put(Measure.MAE, mean(Of::mae));
        values.put(Measure.R2, r2());
        values.put(Measure.LOSS, mean(Of::mse));
        return values;
    }

    @Override
    void put(ObjectNode root) {
        root.put("task", Task.REGRESSION.word());
        ObjectNode all = root.putObject("targets");
        for (int t = 0; t < targets.length; t++) {
            ObjectNode one = all.putObject(names.name(t));
            targets[t].put(one);
            sample.put(one, t);
        }
    }
}
