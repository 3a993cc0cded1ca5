package dev.grft.data;

import java.io.Serializable;
import java.util.List;

/**
 * How a model's images are prepared, whatever their size: a part of its checkpoint, from which {@link Preprocess} is made.
 *
 * @param mean 3, subtracted from red, green and blue in [0, 1]
 * @param std 3, by which the difference is divided; positive
 * @param cropFraction side of the central crop over the shorter side of the resized image, in (0, 1]
 * @param interpolation by which images are resized
 * @param crop how an image becomes square; {@code cropFraction} is of {@link Preprocess.Crop#CENTER} only
 */
public record ImageRecipe(
        List<Float> mean, List<Float> std, double cropFraction, Interpolation interpolation, Preprocess.Crop crop)
        implements Serializable {
    public ImageRecipe {
        mean = List.copyOf(mean);
        std = List.copyOf(std);
        if (mean.size() != 3 || std.size() != 3 || !std.stream().allMatch(one -> one > 0)) {
            throw new IllegalArgumentException(
                    "needs a mean and a positive std for each of red, green and blue, got " + mean + " and " + std);
        }
        if (!(cropFraction > 0 && cropFraction <= 1)) {
            throw new IllegalArgumentException("cropFraction must be in (0, 1], got " + cropFraction);
        }
    }

    /** Returns the recipe that uses the middle of the image. */
    public ImageRecipe(List<Float> mean, List<Float> std, double cropFraction, Interpolation interpolation) {
        this(mean, std, cropFraction, interpolation, Preprocess.Crop.CENTER);
    }

    /** Returns the recipe with bilinear interpolation, and the same mean and std for every channel. */
    public static ImageRecipe same(float mean, float std, double cropFraction) {
        return new ImageRecipe(List.of(mean, mean, mean), List.of(std, std, std), cropFraction, Interpolation.BILINEAR);
    }

    /** Returns the same with another interpolation. */
    public ImageRecipe with(Interpolation other) {
        return new ImageRecipe(mean, std, cropFraction, other, crop);
    }

    /** Returns the length of the shorter side of a resized image, pixels, before {@code imageSize} is cropped from it. */
    public int resize(int imageSize) {
        return (int) Math.floor(imageSize / cropFraction);
    }
}
