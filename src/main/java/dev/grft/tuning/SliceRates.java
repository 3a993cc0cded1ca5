package dev.grft.tuning;

import dev.grft.Scores;
import dev.grft.Selection;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The factor of each slice's steps with {@code training.sliceRates: score}: fixed before the training, and applied to what the updater makes of the
 * gradient, since Adam cancels any factor of the gradient itself. Ours, not the paper's.
 */
public final class SliceRates {
    /** The smallest factor. */
    static final double LEAST = 0.1;

    /** The largest factor. */
    static final double MOST = 10;

    private SliceRates() {}

    /**
     * Returns {@code sqrt(median score of all slices of the matrix along the axis / the slice's own score)} for each slice by matrix, in the order
     * of their indices, each in [0.1, 10]. The root of a sum of squared gradients is proportional to a slice's gradient: a slice of large
     * gradients takes smaller steps, and a typical one takes those of the learning rate.
     */
    public static Map<String, List<Double>> byScore(Selection selection, Scores scores) {
        Map<String, List<Double>> factors = new LinkedHashMap<>();
        selection.slices().forEach((matrix, slices) -> {
            double[] all = scores.of(matrix, slices.axis());
            double median = median(all);
            factors.put(
                    matrix,
                    Arrays.stream(slices.indices())
                            .mapToObj(i -> bounded(Math.sqrt(median / all[i])))
                            .toList());
        });
        return factors;
    }

    /** Returns a factor within its bounds; 1 for 0 / 0, where no slice differs from the others. */
    private static double bounded(double factor) {
        return Double.isNaN(factor) ? 1 : Math.min(MOST, Math.max(LEAST, factor));
    }

    private static double median(double[] numbers) {
        double[] sorted = numbers.clone();
        Arrays.sort(sorted);
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
