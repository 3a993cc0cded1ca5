package dev.grft.spark.work;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.data.Seeds;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.images.Shard;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.jspecify.annotations.Nullable;

/**
 * What makes up for classes of unequal size, {@code data.balance}, and the weights of single images.
 *
 * <p>With {@code sampler}, each position of the training's endless sequence of draws belongs to a shard: to as many as the shard has of all
 * images, each counted 1 / (K n_class) times. The shards come in turn as evenly as that allows (multiples of the golden ratio, modulo 1),
 * so a step takes about the same from each.
 */
public final class Balance implements Serializable {
    /** Every image counts as any other. */
    public static final Balance NONE = new Balance(null, null, null);

    private static final long serialVersionUID = 1L;
    private static final long GOLDEN = 0x9e3779b97f4a7c15L; // of 2^64
    private static final long PHASE = -2; // streams of random numbers beside those of shards, which are 0 and more
    private static final long DRAW = -1;

    private final float @Nullable [] weights; // [K]
    private final int @Nullable [] counts; // [K], if images are drawn
    private final double @Nullable [] until; // [shards], the last 1

    private Balance(float @Nullable [] weights, int @Nullable [] counts, double @Nullable [] until) {
        this.weights = weights;
        this.counts = counts;
        this.until = until;
    }

    /** What a shard has. */
    private static final class Content implements Serializable {
        private static final long serialVersionUID = 1L;

        final int[] counts; // [K], images that show the class
        int images;
        final double weight; // of all examples

        Content(Shard shard, int classes) {
            counts = new int[classes];
            for (Target target : shard.targets()) {
                for (int k : target.classes()) {
                    counts[k]++;
                }
                images++;
            }
            weight = shard.weight();
        }
    }

    /**
     * Returns the balance of a training; looks at all shards, but reads no pixels.
     *
     * @param how none, weights or sampler
     * @throws UserError if all images have weight 0
     */
    public static Balance of(JavaRDD<Shard> shards, int classes, String how) {
        List<Content> contents = Causes.unwrapped(shards.map(shard -> new Content(shard, classes))::collect);
        int[] counts = new int[classes];
        double weight = 0;
        long images = 0;
        for (Content content : contents) {
            Arrays.setAll(counts, k -> counts[k] + content.counts[k]);
            images += content.images;
            weight += content.weight;
        }
        if (weight == 0) {
            throw new UserError("all images have weight 0, expected at least one above 0");
        }
        float[] weights = weights(counts, how.equals("weights"), weight / images);
        return how.equals("sampler")
                ? new Balance(weights, counts, until(contents, counts))
                : new Balance(weights, null, null);
    }

    /**
     * Returns the loss of a model that says the same of every image, of several classes how often the images show each; looks at all
     * shards, but reads no pixels.
     */
    public static double lossOfChance(JavaRDD<Shard> shards, Labels labels) {
        int classes = labels.size();
        if (labels.task() != Task.MULTI_LABEL) {
            return labels.task().lossOfChance(classes);
        }
        List<Content> contents = Causes.unwrapped(shards.map(shard -> new Content(shard, classes))::collect);
        int[] counts = new int[classes];
        contents.forEach(content -> Arrays.setAll(counts, k -> counts[k] + content.counts[k]));
        return entropy(
                counts, contents.stream().mapToLong(content -> content.images).sum());
    }

    /** Returns the mean of the entropies of the classes, each of which an image shows or does not. */
    static double entropy(int[] counts, long images) {
        double sum = 0;
        for (int count : counts) {
            double p = (double) count / images;
            sum -= p > 0 && p < 1 ? p * Math.log(p) + (1 - p) * Math.log1p(-p) : 0;
        }
        return sum / counts.length;
    }

    /**
     * Returns the weight of each class in the loss, {@code [K]}.
     *
     * @param counts how many images each class has, {@code [K]}
     * @param balanced whether each class shall count as any other that has images
     * @param mean weight of an image by itself, by which the result is divided
     */
    public static float[] weights(int[] counts, boolean balanced, double mean) {
        long images = Arrays.stream(counts).asLongStream().sum();
        float[] weights = new float[counts.length];
        for (int k = 0; k < counts.length; k++) {
            double ofClass = balanced && counts[k] > 0 ? images / ((double) shown(counts) * counts[k]) : 1;
            weights[k] = (float) (ofClass / mean);
        }
        return weights;
    }

    private static long shown(int[] counts) {
        return Arrays.stream(counts).filter(count -> count > 0).count();
    }

    /** Returns the probability of each shard together with those before it. */
    private static double[] until(List<Content> contents, int[] counts) {
        double shown = shown(counts);
        double[] until = new double[contents.size()];
        double total = 0;
        for (int s = 0; s < until.length; s++) {
            for (int k = 0; k < counts.length; k++) {
                total += counts[k] == 0 ? 0 : contents.get(s).counts[k] / (counts[k] * shown);
            }
            until[s] = total;
        }
        until[until.length - 1] = 1;
        return until;
    }

    /** Returns the weight of each class in the loss, {@code [K]}, which multiplies that of an image; null: neither counts. */
    float @Nullable [] weights() {
        return weights;
    }

    /** Returns how many images each class has, {@code [K]}, if images are drawn; null: a shard is gone through in epochs. */
    int @Nullable [] counts() {
        return counts;
    }

    /** Returns whether a shard has the image that is drawn at a position. */
    boolean draws(int shard, long seed, long position) {
        double[] ends = until;
        if (ends == null) {
            throw new IllegalStateException("nothing is drawn");
        }
        long phase = Seeds.random(seed, PHASE).nextLong();
        double at = ((phase + position * GOLDEN) >>> 11) * 0x1p-53; // in [0, 1)
        return at < ends[shard] && (shard == 0 || at >= ends[shard - 1]);
    }

    /** Returns the example of a shard that is drawn at a position. */
    static int drawn(Shard shard, int[] counts, long seed, long position) {
        return shard.draws(counts).index(Seeds.random(seed, DRAW, position));
    }
}
