package dev.grft.data;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Some examples as the network reads them: the images {@code [B, 3, S, S]} one after the other, and what they show. In place of its images a
 * batch may have what frozen stages make of them.
 */
public final class Batch {
    private final float[] images; // [B, 3, S, S]
    private final Target[] targets; // [B]
    private final int imageSize;
    private final float[] weights; // [B]
    private final long[] seeds; // [B]
    private Treatment treatment = Treatment.NONE;
    private double share = 1;
    private @Nullable FrozenOutputs frozen;

    private Batch(float[] images, Target[] targets, int imageSize) {
        this.images = images;
        this.targets = targets;
        this.imageSize = imageSize;
        this.weights = new float[targets.length];
        this.seeds = new long[targets.length];
        Arrays.fill(weights, 1);
    }

    /** Returns examples as they are, for evaluation and scoring; each is read once. */
    public static Batch of(List<Example> examples, Preprocess preprocess) {
        Batch batch = empty(examples.size(), preprocess);
        for (int b = 0; b < examples.size(); b++) {
            Example example = examples.get(b);
            preprocess.toInput(example.pixels(), batch.images, b * preprocess.inputLength());
            batch.targets[b] = example.target();
        }
        return batch;
    }

    /**
     * Returns examples changed at random.
     *
     * @param examples each is read once
     * @param epochs the epoch of each example, {@code [B]}
     * @param views how many changed copies of each: first one of all, then another of all
     */
    public static Batch augmented(
            List<Example> examples, Preprocess preprocess, Augment augment, long[] epochs, int views) {
        int n = examples.size();
        Batch batch = empty(n * views, preprocess);
        for (int i = 0; i < n; i++) {
            Example example = examples.get(i); // read once, and let go: what crops are cut from may be large
            Pixels pixels = augment.crop() ? example.source() : example.pixels();
            if (pixels == null) {
                throw new IllegalArgumentException(example + ": was read without what random crops are cut from");
            }
            for (int b = i; b < n * views; b += n) {
                augment.toInput(
                        pixels, preprocess, epochs[i], example.id(), b / n, batch.images, b * preprocess.inputLength());
                batch.targets[b] = example.target();
                batch.weights[b] = example.weight();
                batch.seeds[b] = augment.seed(epochs[i], example.id(), b / n);
            }
        }
        return batch;
    }

    /**
     * Returns examples of which the network reads what its frozen stages make of them, in place of {@link #images}.
     *
     * @param targets {@code [B]}
     * @param weights {@code [B]}
     * @param seeds {@code [B]}, see {@link #seeds}
     * @param imageSize S
     */
    public static Batch frozen(Target[] targets, float[] weights, long[] seeds, int imageSize, FrozenOutputs outputs) {
        Batch batch = new Batch(new float[0], targets, imageSize);
        System.arraycopy(weights, 0, batch.weights, 0, targets.length);
        System.arraycopy(seeds, 0, batch.seeds, 0, targets.length);
        batch.frozen = outputs;
        return batch;
    }

    /** Returns this batch, which a training step now treats so. */
    public Batch treated(Treatment how) {
        treatment = how;
        return this;
    }

    /**
     * Returns this batch, whose images are now mixed in pairs of neighbors if these changes mix. Parts of a batch, of even size,
     * are mixed as the whole is.
     *
     * @param shard that the batch is of
     * @param step of the training
     */
    public Batch mixed(Augment augment, int shard, long step) {
        share = augment.mix(this, shard, step);
        return this;
    }

    private static Batch empty(int size, Preprocess preprocess) {
        int length = Math.multiplyExact(size, preprocess.inputLength());
        return new Batch(new float[length], new Target[size], preprocess.imageSize());
    }

    /** Returns the same images, each mirrored left to right. */
    public Batch mirrored() {
        float[] mirrored = new float[images.length];
        for (int row = 0; row < images.length; row += imageSize) {
            for (int column = 0; column < imageSize; column++) {
                mirrored[row + column] = images[row + imageSize - 1 - column];
            }
        }
        return new Batch(mirrored, targets, imageSize);
    }

    /** Returns what the network reads in place of the images, null if it reads those. */
    public @Nullable FrozenOutputs frozen() {
        return frozen;
    }

    /** Returns the images themselves, {@code [B, 3, S, S]}; none if the batch has {@link #frozen} outputs. For reading only. */
    public float[] images() {
        return images;
    }

    /** Returns what the images show, {@code [B]}; for reading only. */
    public Target[] targets() {
        return targets;
    }

    /** Returns the classes, {@code [B]}, each in [0, K), or {@link Example#UNLABELED} without a single one. */
    public int[] labels() {
        return Arrays.stream(targets).mapToInt(Target::label).toArray();
    }

    /**
     * Returns how much of each image is its own, in [0, 1]; 1 where nothing was mixed. The rest is of its neighbor: the first and the
     * second are neighbors, the third and the fourth, and so on. The last of an odd number has none and is its own.
     */
    public double share() {
        return share;
    }

    /** Returns the weight of each example, {@code [B]}; 1 for examples as they are. For reading only. */
    public float[] weights() {
        return weights;
    }

    /** Returns a number for each example that a training draws at random by, {@code [B]}: of the run's seed, its epoch and its id. */
    public long[] seeds() {
        return seeds;
    }

    /** Returns how a training step treats the examples. */
    public Treatment treatment() {
        return treatment;
    }

    /** Returns S, the side of an image in pixels. */
    public int imageSize() {
        return imageSize;
    }

    /** Returns B, the number of images. */
    public int size() {
        return targets.length;
    }
}
