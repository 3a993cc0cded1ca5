package dev.grft.data;

import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.ColorJitter;
import java.io.Serializable;
import java.util.SplittableRandom;
import java.util.function.IntFunction;

/**
 * Random changes to training images: a crop of random size and proportions, resized to the network's input, a
 * mirror image half of the time, and then the {@link Changes}. Follows torchvision's {@code RandomResizedCrop} and {@code
 * RandomHorizontalFlip}, not their random numbers.
 *
 * <p>What happens to an image depends only on the seed, the epoch, the example and the view: the same on any executor,
 * in any order.
 *
 * @param crop whether to crop at random; otherwise the middle is used
 * @param minScale smallest crop as a share of the image's area, in (0, maxScale]
 * @param maxScale largest crop as a share of the area, at most 1
 * @param minRatio smallest width of a crop over its height, in (0, maxRatio]
 * @param maxRatio largest width over height
 * @param flip whether to mirror left and right half of the time
 * @param seed gives the random numbers
 * @param changes what follows
 */
public record Augment(
        boolean crop,
        double minScale,
        double maxScale,
        double minRatio,
        double maxRatio,
        boolean flip,
        long seed,
        Changes changes)
        implements Serializable {
    /** Changes nothing. */
    static final Augment NONE = new Augment(false, 1, 1, 1, 1, false, 0);

    private static final int ATTEMPTS = 10;
    private static final long MIXING = 7; // the kind of random numbers of a batch; those of an image are Changes'

    /** A part of an image, in pixels. */
    record Box(int top, int left, int height, int width) {
        /** Returns this part of an image, resized to a square. */
        Pixels cut(Pixels image, int side, Interpolation interpolation) {
            return Resize.of(
                    image, Resize.Side.whole(top, height, side), Resize.Side.whole(left, width, side), interpolation);
        }
    }

    public Augment {
        if (!(minScale > 0 && minScale <= maxScale && maxScale <= 1)) {
            throw new IllegalArgumentException(
                    "needs 0 < minScale <= maxScale <= 1, got " + minScale + " and " + maxScale);
        }
        if (!(minRatio > 0 && minRatio <= maxRatio && maxRatio < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("needs 0 < minRatio <= maxRatio, got " + minRatio + " and " + maxRatio);
        }
    }

    /** Returns a crop and a flip alone. */
    public Augment(
            boolean crop, double minScale, double maxScale, double minRatio, double maxRatio, boolean flip, long seed) {
        this(crop, minScale, maxScale, minRatio, maxRatio, flip, seed, Changes.NONE);
    }

    /**
     * Returns the changes that make views of an image for the contrastive loss, those of GPS: FightingFighting/GPS at 72e0c31, {@code
     * transforms_contrastaug_train} with the defaults that its scripts keep.
     */
    public static Augment views(long seed) {
        return new Augment(
                true, 0.08, 1, 3.0 / 4, 4.0 / 3, true, seed, Changes.of(new ColorJitter(0.4, 0.4, 0.4, 0.1, 0.8, 0.2)));
    }

    /** Writes the first view of a prepared image; see the other method. */
    void toInput(Pixels prepared, Preprocess preprocess, long epoch, long exampleId, float[] out, int offset) {
        toInput(prepared, preprocess, epoch, exampleId, 0, out, offset);
    }

    /**
     * Writes the network's input for a prepared image, changed at random.
     *
     * @param prepared what {@link Preprocess#prepare} returned; if this crops, what {@link Preprocess#source} returned
     * @param epoch from 0
     * @param exampleId {@link Example#id}
     * @param view from 0; several views of an example in one epoch differ
     * @param out gets [3, imageSize, imageSize] from {@code offset} on, see {@link Preprocess#toInput}
     */
    void toInput(
            Pixels prepared, Preprocess preprocess, long epoch, long exampleId, int view, float[] out, int offset) {
        SplittableRandom random = Seeds.random(seed, epoch, exampleId, view);
        // Drawn either way, so that the crop does not depend on whether flipping is on.
        boolean heads = random.nextBoolean();
        boolean mirrored = flip && heads;
        Pixels used = prepared;
        if (crop) {
            used = box(prepared.height(), prepared.width(), random)
                    .cut(prepared, preprocess.imageSize(), preprocess.recipe().interpolation());
        }
        IntFunction<SplittableRandom> streams = kind -> Seeds.random(seed, epoch, exampleId, view, kind);
        if (changes.ofPixels()) {
            int side = preprocess.imageSize();
            byte[] changed = changes.pixels(preprocess.input(used, mirrored), side, fill(preprocess), streams);
            preprocess.toInput(new Pixels(side, side, changed), false, out, offset);
        } else {
            preprocess.toInput(used, mirrored, out, offset);
        }
        changes.input(out, offset, preprocess.imageSize(), streams);
    }

    /** Returns whether an image is the same in each epoch, in whatever batch. */
    public boolean changesNothing() {
        return !crop && !flip && changes.none();
    }

    /** The seed of what a training draws at random for an example besides: of its epoch, its id and the view. */
    public long seed(long epoch, long exampleId, int view) {
        return Seeds.hash(seed, epoch, exampleId, view);
    }

    /** Returns whether pairs of images may be mixed. */
    public boolean mixes() {
        return changes.mixing().mixes();
    }

    /** Mixes the inputs of a shard's batch in a step; see {@link dev.grft.data.augmentation.Mixing#apply}. */
    double mix(Batch batch, int shard, long step) {
        return changes.mixing()
                .apply(batch.images(), batch.size(), batch.imageSize(), Seeds.random(seed, shard, step, MIXING));
    }

    /** Returns the mean color, as timm fills with it. */
    private static int[] fill(Preprocess preprocess) {
        return preprocess.recipe().mean().stream()
                .mapToInt(mean -> (int) Math.min(255, Math.rint(255 * (double) mean)))
                .toArray();
    }

    /** Returns a random part of an image; the largest in the middle if ten attempts do not fit. */
    Box box(int height, int width, SplittableRandom random) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            double area = (double) height * width * between(minScale, maxScale, random);
            // StrictMath: the same box on every machine. Of proportions, twice as wide is as far off as twice as high.
            double ratio = StrictMath.exp(between(StrictMath.log(minRatio), StrictMath.log(maxRatio), random));
            long boxWidth = (long) Math.rint(Math.sqrt(area * ratio)); // ties to even, as Python rounds
            long boxHeight = (long) Math.rint(Math.sqrt(area / ratio));
            if (boxWidth >= 1 && boxWidth <= width && boxHeight >= 1 && boxHeight <= height) {
                int top = random.nextInt((int) (height - boxHeight) + 1);
                int left = random.nextInt((int) (width - boxWidth) + 1);
                return new Box(top, left, (int) boxHeight, (int) boxWidth);
            }
        }
        double ratio = Math.min(Math.max((double) width / height, minRatio), maxRatio);
        int boxWidth = Math.max(1, (int) Math.min(width, Math.rint(height * ratio)));
        int boxHeight = Math.max(1, (int) Math.min(height, Math.rint(width / ratio)));
        return new Box((height - boxHeight) / 2, (width - boxWidth) / 2, boxHeight, boxWidth);
    }

    private static double between(double low, double high, SplittableRandom random) {
        return low + random.nextDouble() * (high - low);
    }
}
