package dev.grft.data;

import dev.grft.Checks;
import dev.grft.UserError;
import java.util.Arrays;
import java.util.Locale;

/** How the pixels of a resized image are made of those of the image: Pillow's filters, by its names and numbers. */
public enum Interpolation {
    NEAREST(0, 0),
    LANCZOS(1, 3),
    BILINEAR(2, 1),
    BICUBIC(3, 2),
    BOX(4, 0.5),
    HAMMING(5, 1);

    private static final double A = -0.5; // of the cubic

    private final int number;
    private final double support;

    Interpolation(int number, double support) {
        this.number = number;
        this.support = support;
    }

    /** Returns Pillow's number, which transformers calls {@code resample}. */
    public int number() {
        return number;
    }

    /** Returns how far the filter reaches, in pixels of the larger of the two grids. */
    double support() {
        return support;
    }

    /** Returns the filter at a distance from its center; not of {@link #NEAREST}, which has none. StrictMath: the same on every machine. */
    double at(double x) {
        double t = Math.abs(x);
        return switch (this) {
            case NEAREST -> throw new IllegalStateException("nearest has no filter");
            case BOX -> x > -0.5 && x <= 0.5 ? 1 : 0;
            case BILINEAR -> t < 1 ? 1 - t : 0;
            case HAMMING -> t == 0 ? 1 : t >= 1 ? 0 : sinc(t) * (0.54 + 0.46 * StrictMath.cos(t * Math.PI));
            case BICUBIC -> t < 1 ? ((A + 2) * t - (A + 3)) * t * t + 1 : t < 2 ? (((t - 5) * t + 8) * t - 4) * A : 0;
            case LANCZOS -> x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
        };
    }

    private static double sinc(double x) {
        double angle = x * Math.PI;
        return x == 0 ? 1 : StrictMath.sin(angle) / angle;
    }

    /**
     * Returns the interpolation of Pillow's number.
     *
     * @param place where the number stands, for errors
     */
    public static Interpolation of(int number, String place) {
        return Arrays.stream(values())
                .filter(one -> one.number == number)
                .findFirst()
                .orElseThrow(() -> UserError.of("%s must be a number from 0 to 5, got %d", place, number));
    }

    /**
     * Returns the interpolation of a word, which is timm's, too.
     *
     * @param place where the word stands, for errors
     */
    public static Interpolation of(String word, String place) {
        Checks.word(place, word, Checks.words(values()));
        return valueOf(word.toUpperCase(Locale.ROOT));
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
