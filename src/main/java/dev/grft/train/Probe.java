package dev.grft.train;

import dev.grft.config.Settings;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The linear probe: a head trained alone, on features computed once, on the driver. {@link ProbeTraining} has the steps.
 *
 * @param weight the head's weight, {@code [K, D]} row-major
 * @param bias the head's bias, {@code [K]}
 */
@SuppressWarnings("ArrayRecordComponent") // two arrays handed over together, compared by nobody
public record Probe(float[] weight, float[] bias) {
    private static final double FRESH_STD = 0.02; // timm's default for linear layers

    /**
     * Returns a head that has seen nothing: weights from a normal distribution of standard deviation 0.02, cut off at 0.04; biases 0.
     *
     * @param seed gives the weights
     */
    public static Probe fresh(int classes, int width, long seed) {
        float[] weight = new float[Math.multiplyExact(classes, width)];
        Initial.normal(weight, FRESH_STD, new SplittableRandom(seed));
        return new Probe(weight, new float[classes]);
    }

    /**
     * Returns the head after its training on features: Adam on the mean cross-entropy, examples shuffled each epoch, from a
     * head of zeros. The result does not depend on the number of threads. Without a weight decay in the settings, there is none.
     *
     * @param features {@code [n][D]}
     * @param labels {@code [n]}, each in [0, classes)
     * @param weights of the examples in the loss, {@code [n]}; null: 1 each
     * @param seed gives the order of the examples
     * @param threads at most, for many classes
     * @param seen receives the number of examples of each step, after it
     */
    public static Probe train(
            float[][] features,
            int[] labels,
            int classes,
            float @Nullable [] weights,
            Settings.Probe settings,
            long seed,
            int threads,
            LongConsumer seen) {
        try (ProbeTraining training = new ProbeTraining(features, labels, classes, weights, settings, threads)) {
            return training.train(seed, seen);
        }
    }
}
