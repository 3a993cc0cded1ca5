package dev.grft.data;

import java.io.Serializable;
import java.util.Objects;

/**
 * What is done to each image, the same for training, evaluation and prediction. Half of it once, when the image is read
 * ({@link #prepare}); the other half each time it is needed ({@link #toInput}). Immutable.
 */
public final class Preprocess implements Serializable {
    /** How an image that is not square becomes square. */
    public enum Crop {
        /** The shorter side is resized to {@code resize}; what {@code imageSize} leaves of the middle is used. */
        CENTER,
        /** The image is resized to {@code imageSize} on both sides; nothing is lost but the proportions. */
        SQUASH
    }

    private static final long serialVersionUID = 1L;

    /** How many times as long as the shorter side a prepared image may be; beyond it only the middle is kept. */
    private static final int LONGEST = 4;

    private final int imageSize;
    private final int resize;
    private final Crop crop;
    private final ImageRecipe recipe; // its cropFraction is that of resize
    private final boolean middleOnly;

    /**
     * Returns the preprocessing of these settings.
     *
     * @param imageSize height and width of the network's input in pixels
     * @param resize length of the shorter side of what is kept of an image, {@code imageSize} or more; for
     *     {@link Crop#SQUASH} it is not used, and taken for {@code imageSize}
     * @param recipe of which {@code mean} and {@code std} are used; {@code resize} takes the place of {@code cropFraction}
     */
    public Preprocess(int imageSize, int resize, Crop crop, ImageRecipe recipe) {
        this(imageSize, resize, crop, recipe, false);
    }

    private Preprocess(int imageSize, int resize, Crop crop, ImageRecipe recipe, boolean middleOnly) {
        this.imageSize = imageSize;
        this.resize = crop == Crop.SQUASH ? imageSize : resize;
        this.crop = crop;
        this.middleOnly = middleOnly;
        if (imageSize < 1 || this.resize < imageSize) {
            throw new IllegalArgumentException("needs 1 <= imageSize <= resize, got " + imageSize + " and " + resize);
        }
        this.recipe = new ImageRecipe(recipe.mean(), recipe.std(), (double) imageSize / this.resize);
    }

    /**
     * Returns the same for images that are never cropped at random: of each only the middle is resized and kept, which is all that
     * {@link #toInput} reads. The network's input is the same, to the last bit.
     */
    public Preprocess middle() {
        return crop == Crop.SQUASH ? this : new Preprocess(imageSize, resize, crop, recipe, true);
    }

    /** Returns whether there is nothing left of a prepared image that could be cropped at random. */
    boolean middleOnly() {
        return middleOnly;
    }

    /** Returns height and width of the network's input in pixels. */
    public int imageSize() {
        return imageSize;
    }

    /** Returns the length of the shorter side of a prepared image in pixels. */
    public int resize() {
        return resize;
    }

    /** Returns how an image becomes square. */
    Crop crop() {
        return crop;
    }

    /** Returns the recipe that prepares images like this, for the checkpoint of a model. */
    public ImageRecipe recipe() {
        return recipe;
    }

    /** Returns how many numbers the network reads of an image: 3 imageSize². */
    int inputLength() {
        return 3 * imageSize * imageSize;
    }

    /**
     * Returns the image resized, antialiased; this is what is worth keeping in memory. The image itself if it has the
     * right size. Equal to torchvision's {@code Resize} of a Pillow image with bilinear interpolation, except that of
     * an image more than four times as long as wide only the middle is kept, so that a hair's breadth does not fill the
     * memory; of {@link #middle} nothing else of any.
     */
    public Pixels prepare(Pixels image) {
        if (crop == Crop.SQUASH) {
            return Resize.of(
                    image,
                    Resize.Side.whole(0, image.height(), imageSize),
                    Resize.Side.whole(0, image.width(), imageSize));
        }
        int shorter = Math.min(image.height(), image.width());
        return Resize.of(image, side(image.height(), shorter), side(image.width(), shorter));
    }

    private Resize.Side side(int length, int shorter) {
        long resized = (long) resize * length / shorter;
        int kept = middleOnly ? imageSize : (int) Math.min(resized, (long) LONGEST * resize);
        return new Resize.Side(0, length, resized, margin(resized) - margin(kept), kept);
    }

    /** The pixels before the middle; ties to even, as Python rounds. */
    private long margin(long length) {
        return (long) Math.rint((length - imageSize) / 2.0);
    }

    /**
     * Writes the network's input for a prepared image: of its middle, (x / 255 - mean) / std.
     *
     * @param prepared what {@link #prepare} returned
     * @param out gets [3, imageSize, imageSize] from {@code offset} on: all reds, row by row, then greens, then blues
     * @throws IllegalArgumentException if the image is smaller than the input
     */
    void toInput(Pixels prepared, float[] out, int offset) {
        toInput(prepared, false, out, offset);
    }

    /** Writes the network's input, mirrored left to right or not. */
    void toInput(Pixels prepared, boolean mirrored, float[] out, int offset) {
        if (prepared.height() < imageSize || prepared.width() < imageSize) {
            throw new IllegalArgumentException(prepared + " are fewer than " + imageSize + " x " + imageSize
                    + "; was the image prepared with other settings?");
        }
        Objects.checkFromIndexSize(offset, inputLength(), out.length);
        int top = (int) margin(prepared.height());
        int left = (int) margin(prepared.width());
        byte[] rgb = prepared.rgb();
        float[] values = new float[256];
        int to = offset;
        for (int color = 0; color < 3; color++) {
            float mean = recipe.mean().get(color);
            float std = recipe.std().get(color);
            for (int x = 0; x < values.length; x++) {
                values[x] = (x / 255f - mean) / std;
            }
            for (int row = 0; row < imageSize; row++) {
                int start = 3 * ((top + row) * prepared.width() + left) + color;
                int from = mirrored ? start + 3 * (imageSize - 1) : start;
                int step = mirrored ? -3 : 3;
                for (int column = 0; column < imageSize; column++, from += step) {
                    out[to++] = values[rgb[from] & 0xff];
                }
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Preprocess preprocess
                && imageSize == preprocess.imageSize
                && resize == preprocess.resize
                && crop == preprocess.crop
                && middleOnly == preprocess.middleOnly
                && recipe.equals(preprocess.recipe);
    }

    @Override
    public int hashCode() {
        return Objects.hash(imageSize, resize, crop.name(), middleOnly, recipe);
    }

    @Override
    public String toString() {
        return "imageSize " + imageSize + ", resize " + resize + ", crop " + crop + ", mean " + recipe.mean() + ", std "
                + recipe.std();
    }
}
