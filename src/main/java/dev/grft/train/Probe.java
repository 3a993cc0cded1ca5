package dev.grft.train;

import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.config.Settings;
import dev.grft.data.Seeds;
import dev.grft.data.Target;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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

    /** The features of more images than these are not computed: every second, third… image is used instead. */
    private static final long MOST_IMAGES = 100_000;

    /** Nor are more bytes of them, which stay in the driver's heap. */
    private static final long MOST_BYTES = 512L << 20;

    /** Returns the step by which images are used, 1 for each of them, so that their features {@code [width]} fit in the driver. */
    public static int every(long images, int width) {
        long most = Math.min(MOST_IMAGES, MOST_BYTES / (Float.BYTES * (long) width));
        return Math.toIntExact(Math.max(1, (images + most - 1) / most));
    }

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

    /** Returns the head of a delta. */
    public static Probe of(Delta delta) {
        return new Probe(delta.headWeight(), delta.headBias());
    }

    /**
     * What a head is trained on.
     *
     * @param features {@code [n][D]}
     * @param targets {@code [n]}, of the task
     * @param outputs K of the head
     * @param weights of the examples in the loss, {@code [n]}; null: 1 each
     */
    @SuppressWarnings("ArrayRecordComponent") // arrays handed over together, compared by nobody
    public record Examples(float[][] features, Target[] targets, Task task, int outputs, float @Nullable [] weights) {
        /** Returns examples of one class each, {@code labels [n]}, each in [0, classes). */
        public Examples(float[][] features, int[] labels, int classes, float @Nullable [] weights) {
            this(
                    features,
                    Arrays.stream(labels).mapToObj(Target::ofClass).toArray(Target[]::new),
                    Task.SINGLE_LABEL,
                    classes,
                    weights);
        }

        /** Returns those at some indices; the arrays of features are the same. */
        private Examples at(int[] indices) {
            float[] some = weights == null ? null : new float[indices.length];
            for (int i = 0; some != null && i < indices.length; i++) {
                some[i] = weight(indices[i]);
            }
            return new Examples(
                    Arrays.stream(indices).mapToObj(i -> features[i]).toArray(float[][]::new),
                    Arrays.stream(indices).mapToObj(i -> targets[i]).toArray(Target[]::new),
                    task,
                    outputs,
                    some);
        }

        private float weight(int index) {
            return weights == null ? 1 : weights[index];
        }
    }

    /**
     * Returns the head after its training on features: Adam on the mean loss, examples shuffled each epoch, from a head of zeros. The loss of an
     * example is the cross-entropy of one class; of several classes the sum of a logistic regression's for each, of values half the sum of their
     * squared errors, so that no output depends on how many others there are. The result does not depend on the number of threads. Without a weight decay in the settings, there is none.
     *
     * @param seed gives the order of the examples
     * @param threads at most, for many classes
     * @param seen receives the number of examples of each step, after it
     */
    public static Probe train(Examples examples, Settings.Probe settings, long seed, int threads, LongConsumer seen) {
        try (ProbeTraining training = new ProbeTraining(examples, settings, threads)) {
            return training.train(seed, seen);
        }
    }

    /**
     * The weight decay of a {@link Probe} that fits held-out images best. Without weight decay a head overfits a few
     * thousand images: their loss is near 0, and its gradients say little.
     *
     * @param chosen the weight decay with the lowest loss
     * @param trials what was tried, from the strongest on
     * @param heldOut number of examples that the losses are measured on; 0 if there are too few, then nothing was tried
     */
    public record DecayChoice(double chosen, List<Trial> trials, int heldOut) {
        /** Weight decays, the strongest first, so that the last that is tried is the first that fits less well. */
        private static final double[] DECAYS = {1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5};

        private static final int FOLD = 5; // a fifth of the examples is held out

        /** Examples that are looked at, at most: all trials together then take about as long as a probe of 100,000 examples. */
        public static final int MOST = 20_000;

        /** The mean loss of the held-out examples after a training with a weight decay. */
        public record Trial(double decay, double loss) {}

        /**
         * Chooses the weight decay by trainings on four of each five examples in a row and the loss of the fifth, which is drawn. Weaker ones are tried until
         * the loss rises. The result does not depend on the number of threads.
         *
         * @param examples in an order that does not change from run to run
         * @param seed draws which are held out, and gives the order of the examples
         * @param seen receives the number of examples of each step, after it
         */
        public static DecayChoice of(
                Examples examples, Settings.Probe settings, long seed, int threads, LongConsumer seen) {
            int all = examples.features.length;
            int step = (all + MOST - 1) / MOST;
            int[] used = IntStream.range(0, all / step)
                    .map(i -> i * step + Seeds.drawn(step, seed, i))
                    .toArray();
            int[] held = part(used, seed, true);
            if (held.length == 0) {
                return new DecayChoice(DECAYS[0], List.of(), 0);
            }
            Examples fold = examples.at(held);
            Examples rest = examples.at(part(used, seed, false));
            Trial best = null;
            List<Trial> trials = new ArrayList<>();
            for (double decay : DECAYS) {
                Probe probe = Probe.train(rest, settings.decaying(decay), seed, threads, seen);
                Trial trial = new Trial(decay, loss(probe, fold));
                trials.add(trial);
                if (best != null && trial.loss >= best.loss) {
                    break;
                }
                best = trial;
            }
            return new DecayChoice(best == null ? DECAYS[0] : best.decay, trials, held.length);
        }

        /** Returns what is held out, or the rest. One of each whole fold is held out, drawn: examples may alternate between classes. */
        private static int[] part(int[] used, long seed, boolean held) {
            int folds = used.length / FOLD;
            return IntStream.range(0, used.length)
                    .filter(i -> (i / FOLD < folds && i % FOLD == Seeds.drawn(FOLD, seed, i / FOLD)) == held)
                    .map(i -> used[i])
                    .toArray();
        }

        /** Returns the mean loss of examples; the order of the sum is theirs. */
        private static double loss(Probe probe, Examples examples) {
            double[] losses = IntStream.range(0, examples.targets.length)
                    .parallel()
                    .mapToDouble(i -> loss(probe, examples.features[i], examples.targets[i], examples.task))
                    .toArray();
            double sum = 0;
            double all = 0;
            for (int i = 0; i < losses.length; i++) {
                double weight = examples.weight(i);
                sum += weight * losses[i];
                all += weight;
            }
            return sum / all;
        }

        private static double loss(Probe probe, float[] x, Target target, Task task) {
            double[] logits = new double[probe.bias().length];
            double largest = Double.NEGATIVE_INFINITY;
            for (int k = 0; k < logits.length; k++) {
                double logit = probe.bias()[k];
                for (int d = 0; d < x.length; d++) {
                    logit += (double) probe.weight()[k * x.length + d] * x[d];
                }
                logits[k] = logit;
                largest = Math.max(largest, logit);
            }
            double sum = 0;
            if (task == Task.SINGLE_LABEL) {
                for (double logit : logits) {
                    sum += StrictMath.exp(logit - largest);
                }
                return largest + StrictMath.log(sum) - logits[target.label()];
            }
            float[] targets = new float[logits.length];
            target.fill(targets, 0, targets.length);
            for (int k = 0; k < logits.length; k++) {
                double z = logits[k];
                sum += task == Task.MULTI_LABEL
                        ? Math.max(z, 0) + StrictMath.log1p(StrictMath.exp(-Math.abs(z))) - z * targets[k]
                        : (z - targets[k]) * (z - targets[k]) / 2;
            }
            return sum;
        }

        @Override
        public String toString() {
            if (heldOut == 0) {
                return String.format(Locale.ROOT, "weight decay %s, for too few images to hold some out", chosen);
            }
            return trials.stream()
                    .map(trial -> String.format(Locale.ROOT, "%s: %.4f", trial.decay, trial.loss))
                    .collect(Collectors.joining(
                            ", ",
                            String.format(
                                    Locale.ROOT,
                                    "weight decay %s, chosen by the loss of %d held-out images (",
                                    chosen,
                                    heldOut),
                            ")"));
        }
    }
}
