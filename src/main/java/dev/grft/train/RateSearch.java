package dev.grft.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/**
 * Finds a learning rate from the losses of steps whose rate grows exponentially (Smith, arXiv 1506.01186): the one at which the loss
 * falls fastest, and at most a tenth of the one at which it rises again.
 */
public final class RateSearch {
    /** Steps of a search. */
    public static final int STEPS = 120;

    /** Learning rate of the first step; that of the last is 1. */
    public static final double LOW = 1e-6;

    private static final int AROUND = 4; // steps before and after one whose losses are averaged
    private static final double LOST = 2; // times the lowest mean loss: no need to go on

    private final List<Double> rates = new ArrayList<>();
    private final List<Double> losses = new ArrayList<>();

    /** Takes a step; a loss that is no number ends the search and is not kept. */
    public void add(double rate, double loss) {
        if (Double.isFinite(loss)) {
            rates.add(rate);
            losses.add(loss);
        }
    }

    /** Returns the learning rates of the steps. */
    public List<Double> rates() {
        return List.copyOf(rates);
    }

    /** Returns the losses of the steps. */
    public List<Double> losses() {
        return List.copyOf(losses);
    }

    /** Returns for each step the mean loss of the steps around it, which lags behind nothing. */
    public double[] smoothed() {
        int n = losses.size();
        return IntStream.range(0, n)
                .mapToDouble(i -> losses.subList(Math.max(0, i - AROUND), Math.min(n, i + AROUND + 1)).stream()
                        .mapToDouble(Double::doubleValue)
                        .average()
                        .orElseThrow())
                .toArray();
    }

    /** Returns whether the loss is so large that further steps tell nothing. */
    public boolean isOver() {
        double[] smooth = smoothed();
        int lowest = lowest(smooth);
        return smooth.length > lowest + 2 * AROUND
                && smooth[smooth.length - 1] > LOST * Math.max(smooth[lowest], smooth[0]);
    }

    private static int lowest(double[] smooth) {
        return IntStream.range(0, smooth.length)
                .reduce((a, b) -> smooth[b] < smooth[a] ? b : a)
                .orElse(0);
    }

    /**
     * What a search has found.
     *
     * @param steepest learning rate at which the loss falls fastest
     * @param blowsUp learning rate from which on the loss is as large as at the start; infinite if it has not come so far
     * @param suggested learning rate, two digits
     */
    public record Found(double steepest, double blowsUp, double suggested) {}

    /** Returns what has been found; null if the loss has not fallen at any rate. */
    public @Nullable Found found() {
        double[] smooth = smoothed();
        int lowest = lowest(smooth);
        if (lowest <= 2 * AROUND) {
            return null;
        }
        int steepest = IntStream.range(AROUND, lowest - AROUND + 1)
                .reduce((a, b) -> fall(smooth, b) > fall(smooth, a) ? b : a)
                .orElse(lowest);
        double blowsUp = IntStream.range(lowest, smooth.length)
                .filter(i -> smooth[i] >= smooth[0])
                .mapToDouble(rates::get)
                .findFirst()
                .orElse(Double.POSITIVE_INFINITY);
        double rate = Math.min(rates.get(steepest), blowsUp / 10);
        return new Found(rates.get(steepest), blowsUp, Double.parseDouble(String.format(Locale.ROOT, "%.1e", rate)));
    }

    private static double fall(double[] smooth, int i) {
        return smooth[Math.max(0, i - AROUND)] - smooth[Math.min(smooth.length - 1, i + AROUND)];
    }

    /** A learning rate that grows exponentially from the first step to the last, for a {@link RateSearch}. */
    public static final class Rising implements ISchedule {
        private static final long serialVersionUID = 1L;

        private final double low;
        private final double high;
        private final int steps;

        /**
         * Returns the schedule.
         *
         * @param low learning rate of the first step, > 0
         * @param high that of the last
         * @param steps number of steps, 2 or more
         */
        @JsonCreator
        public Rising(
                @JsonProperty("low") double low, @JsonProperty("high") double high, @JsonProperty("steps") int steps) {
            this.low = low;
            this.high = high;
            this.steps = steps;
        }

        @Override
        public double valueAt(int step, int epoch) {
            return low * StrictMath.pow(high / low, (double) step / (steps - 1));
        }

        @Override
        public ISchedule clone() {
            return new Rising(low, high, steps);
        }

        // DL4J writes its configurations through getters.

        public double getLow() {
            return low;
        }

        public double getHigh() {
            return high;
        }

        public int getSteps() {
            return steps;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Rising rate && low == rate.low && high == rate.high && steps == rate.steps;
        }

        @Override
        public int hashCode() {
            return Objects.hash(low, high, steps);
        }
    }
}
