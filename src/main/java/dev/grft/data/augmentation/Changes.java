package dev.grft.data.augmentation;

import java.io.Serializable;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The random changes to a training image behind the crop and the flip, in timm's order: its place, RandAugment and the colors on 8-bit
 * pixels, erasing once they are normalized, mixing once the batch is complete.
 *
 * <p>Each kind has random numbers of its own, so that one does not change when another is switched on.
 *
 * @param padding pixels by which the image is moved at most, in each direction, with black coming in: torchvision's {@code
 *     RandomCrop} with that padding; 0 or more
 * @param verticalFlip whether to turn the image upside down half of the time
 * @param rotate whether to turn it by 0, 90, 180 or 270 degrees
 * @param randAugment null: none
 */
public record Changes(
        int padding,
        boolean verticalFlip,
        boolean rotate,
        @Nullable RandAugment randAugment,
        ColorJitter colorJitter,
        Erasing erasing,
        Mixing mixing)
        implements Serializable {
    /** Changes nothing. */
    public static final Changes NONE = new Changes(0, false, false, null, ColorJitter.NONE, Erasing.NONE, Mixing.NONE);

    /** Returns changes of colors alone. */
    public static Changes of(ColorJitter colorJitter) {
        return new Changes(0, false, false, null, colorJitter, Erasing.NONE, Mixing.NONE);
    }

    /** Returns whether nothing is changed. */
    public boolean none() {
        return !ofPixels() && erasing.probability() == 0 && !mixing.mixes();
    }

    /** Returns whether {@link #pixels} changes anything. */
    public boolean ofPixels() {
        return padding > 0 || verticalFlip || rotate || randAugment != null || colorJitter.changes();
    }

    /**
     * Returns the changed pixels; the array may be changed, and may be the result.
     *
     * @param rgb {@code [side, side, 3]}
     * @param fill [3], the color that RandAugment lets in from outside; timm takes the mean
     * @param random returns the stream of random numbers with a number
     */
    public byte[] pixels(byte[] rgb, int side, int[] fill, IntFunction<SplittableRandom> random) {
        byte[] image = rgb;
        if (padding > 0) {
            SplittableRandom place = random.apply(1);
            int down = place.nextInt(2 * padding + 1) - padding;
            int right = place.nextInt(2 * padding + 1) - padding;
            image = Places.moved(image, side, down, right);
        }
        if (verticalFlip && random.apply(2).nextBoolean()) {
            image = Places.upsideDown(image, side);
        }
        if (rotate) {
            image = Places.turned(image, side, random.apply(3).nextInt(4));
        }
        if (randAugment != null) {
            image = randAugment.applied(image, side, fill, random.apply(4));
        }
        if (colorJitter.changes()) {
            colorJitter.apply(image, random.apply(5));
        }
        return image;
    }

    /** Changes a normalized input {@code [3, side, side]} from an offset on, in place; {@code random} as in {@link #pixels}. */
    public void input(float[] input, int offset, int side, IntFunction<SplittableRandom> random) {
        if (erasing.probability() > 0) {
            erasing.apply(input, offset, side, random.apply(6));
        }
    }
}
