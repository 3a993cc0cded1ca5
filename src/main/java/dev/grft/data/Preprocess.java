package dev.grft.data;

import java.io.Serializable;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What is done to each image, the same for training, evaluation and prediction. Most of it once, when the image is read
 * ({@link #prepare}, and for random crops {@link #source}); the rest each time it is needed ({@link #toInput}). Immutable.
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

    /** How many times as long as its limit for the shorter side a {@link #source} may be; beyond it only the middle is kept. */
    private static final int LONGEST = 4;

    private final int imageSize;
    private final int resize;
    private final Crop crop;
    private final ImageRecipe recipe; // its cropFraction is that of resize
    private final int sourceSide; // 0: no sources
    private final boolean upright;

    /**
     * Returns the preprocessing of these settings, without {@linkplain #withSources sources}.
     *
     * @param imageSize height and width of the network's input in pixels
     * @param resize length of the shorter side of the image from whose middle the input is cut, {@code imageSize} or more; for
     *     {@link Crop#SQUASH} it is not used, and taken for {@code imageSize}
     * @param recipe of which all but {@code cropFraction} and {@code crop} is used; {@code resize} and {@code crop} take their place
     */
    public Preprocess(int imageSize, int resize, Crop crop, ImageRecipe recipe) {
        this(imageSize, resize, crop, recipe, 0, false);
    }

    private Preprocess(int imageSize, int resize, Crop crop, ImageRecipe recipe, int sourceSide, boolean upright) {
        this.imageSize = imageSize;
        this.resize = crop == Crop.SQUASH ? imageSize : resize;
        this.crop = crop;
        this.sourceSide = sourceSide;
        this.upright = upright;
        if (imageSize < 1 || this.resize < imageSize) {
            throw new IllegalArgumentException("needs 1 <= imageSize <= resize, got " + imageSize + " and " + resize);
        }
        this.recipe = new ImageRecipe(
                recipe.mean(), recipe.std(), fraction(imageSize, this.resize), recipe.interpolation(), crop);
    }

    /** Returns the crop fraction of a resized image; timm's floor of {@code imageSize / fraction} gives {@code resize} again. */
    private static double fraction(int imageSize, int resize) {
        double fraction = (double) imageSize / resize;
        return Math.floor(imageSize / fraction) < resize ? Math.nextDown(fraction) : fraction;
    }

    /**
     * Returns the same, which also keeps what random crops are cut from.
     *
     * @param times limit of the shorter side of a {@link #source}, as a multiple of {@code imageSize}, 1 or more
     */
    public Preprocess withSources(double times) {
        if (!(times >= 1)) {
            throw new IllegalArgumentException("needs a limit of 1 or more, got " + times);
        }
        return new Preprocess(imageSize, resize, crop, recipe, (int) Math.ceil(times * imageSize), upright);
    }

    /** Returns the same for photos that are turned as their EXIF data say before anything else is done to them. */
    public Preprocess turned() {
        return new Preprocess(imageSize, resize, crop, recipe, sourceSide, true);
    }

    /** Returns whether photos are turned as their EXIF data say. */
    public boolean turns() {
        return upright;
    }

    /** Returns height and width of the network's input in pixels. */
    public int imageSize() {
        return imageSize;
    }

    /** Returns the length of the shorter side of the image from whose middle the input is cut, in pixels. */
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
     * Returns what the network sees of an image if nothing is changed at random: {@code imageSize} pixels on both sides, of the
     * image resized, antialiased. Equal to torchvision's {@code Resize} and {@code CenterCrop} of a Pillow image.
     */
    public Pixels prepare(Pixels image) {
        if (crop == Crop.SQUASH) {
            return Resize.of(
                    image,
                    Resize.Side.whole(0, image.height(), imageSize),
                    Resize.Side.whole(0, image.width(), imageSize),
                    recipe.interpolation());
        }
        int shorter = Math.min(image.height(), image.width());
        return Resize.of(image, side(image.height(), shorter), side(image.width(), shorter), recipe.interpolation());
    }

    private Resize.Side side(int length, int shorter) {
        long resized = (long) resize * length / shorter;
        long margin = (long) Math.rint((resized - imageSize) / 2.0); // ties to even, as Python rounds
        return new Resize.Side(0, length, resized, margin, imageSize);
    }

    /**
     * Returns what random crops are cut from: the image itself, as torchvision has it. Only if its shorter side is longer than the
     * limit it is resized to that. Of an image more than four times as long as the limit only the middle is kept. Null without
     * {@linkplain #withSources sources}.
     */
    public @Nullable Pixels source(Pixels image) {
        if (sourceSide == 0) {
            return null;
        }
        int shorter = Math.min(image.height(), image.width());
        return Resize.of(
                image, sourceSide(image.height(), shorter), sourceSide(image.width(), shorter), recipe.interpolation());
    }

    private Resize.Side sourceSide(int length, int shorter) {
        long resized = (long) Math.min(shorter, sourceSide) * length / shorter;
        int kept = (int) Math.min(resized, (long) LONGEST * sourceSide);
        return new Resize.Side(0, length, resized, (resized - kept) / 2, kept);
    }

    /**
     * Writes the network's input for a prepared image: (x / 255 - mean) / std.
     *
     * @param prepared what {@link #prepare} returned
     * @param out gets [3, imageSize, imageSize] from {@code offset} on: all reds, row by row, then greens, then blues
     * @throws IllegalArgumentException if the image has another size than the input
     */
    void toInput(Pixels prepared, float[] out, int offset) {
        toInput(prepared, false, out, offset);
    }

    /** Writes the network's input, mirrored left to right or not. */
    void toInput(Pixels prepared, boolean mirrored, float[] out, int offset) {
        if (prepared.height() != imageSize || prepared.width() != imageSize) {
            throw new IllegalArgumentException(prepared + " are not " + imageSize + " x " + imageSize
                    + "; was the image prepared with other settings?");
        }
        Objects.checkFromIndexSize(offset, inputLength(), out.length);
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
                int start = 3 * row * imageSize + color;
                int from = mirrored ? start + 3 * (imageSize - 1) : start;
                int step = mirrored ? -3 : 3;
                for (int column = 0; column < imageSize; column++, from += step) {
                    out[to++] = values[rgb[from] & 0xff];
                }
            }
        }
    }

    /** Returns the pixels of a prepared image, {@code [imageSize, imageSize, 3]}, mirrored left to right or not; a copy. */
    byte[] input(Pixels prepared, boolean mirrored) {
        byte[] rgb = prepared.rgb();
        if (!mirrored) {
            return rgb.clone();
        }
        byte[] out = new byte[inputLength()];
        int row = 3 * imageSize;
        for (int start = 0; start < out.length; start += row) {
            for (int at = 0; at < row; at += 3) {
                System.arraycopy(rgb, start + row - 3 - at, out, start + at, 3);
            }
        }
        return out;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Preprocess preprocess
                && imageSize == preprocess.imageSize
                && resize == preprocess.resize
                && crop == preprocess.crop
                && sourceSide == preprocess.sourceSide
                && upright == preprocess.upright
                && recipe.equals(preprocess.recipe);
    }

    @Override
    public int hashCode() {
        return Objects.hash(imageSize, resize, crop.name(), sourceSide, upright, recipe);
    }

    /** Returns all that decides the pixels, for people and for fingerprints. */
    @Override
    public String toString() {
        return "imageSize " + imageSize + ", resize " + resize + " " + recipe.interpolation() + ", crop " + crop
                + ", mean "
                + recipe.mean() + ", std " + recipe.std() + (sourceSide == 0 ? "" : ", random crops from " + sourceSide)
                + (upright ? ", turned" : "");
    }
}
