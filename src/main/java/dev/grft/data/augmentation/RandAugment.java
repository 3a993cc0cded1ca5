package dev.grft.data.augmentation;

import dev.grft.UserError;
import java.io.Serializable;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * RandAugment (arXiv 1909.13719) with timm's operations, ranges and written form, such as {@code rand-m9-mstd0.5-inc1}: some
 * operations, drawn from a set, change an image one after the other.
 *
 * @param magnitude how much an operation changes, 0 or more; 10 is the end of its range
 * @param layers how many operations are drawn, 1 or more
 * @param probability of each drawn operation to be applied, in [0, 1]
 * @param deviation standard deviation of the magnitude; infinity: it is drawn evenly from [0, magnitude)
 * @param most magnitudes beyond it are taken for it
 * @param increasing whether operations with another direction are turned, so that all of them change more with the magnitude
 * @param set the operations to draw from
 */
public record RandAugment(
        double magnitude,
        int layers,
        double probability,
        double deviation,
        double most,
        boolean increasing,
        OperationSet set)
        implements Serializable {
    private static final double RANGE = 10;

    /** The parts that may follow {@code rand-}. */
    private static final Pattern PART = Pattern.compile(
            "(m|n|mmax)(\\d{1,6})|(inc)([01])|(p|mstd)(\\d{1,6}(?:\\.\\d*)?|\\.\\d+|inf)|(t)(3a|3aw|weights)");

    /** What can be done to an image; the first fifteen in timm's order. */
    enum Operation {
        AUTO_CONTRAST,
        EQUALIZE,
        INVERT,
        ROTATE,
        POSTERIZE,
        SOLARIZE,
        SOLARIZE_ADD,
        COLOR,
        CONTRAST,
        BRIGHTNESS,
        SHARPNESS,
        SHEAR_X,
        SHEAR_Y,
        TRANSLATE_X_REL,
        TRANSLATE_Y_REL,
        DESATURATE,
        GAUSSIAN_BLUR
    }

    /**
     * Returns what a text says.
     *
     * @throws UserError if it is none of timm's form; its message begins with the key
     */
    public static RandAugment parse(String text) {
        String[] parts = text.split("-", -1);
        double magnitude = RANGE;
        int layers = 2;
        double probability = 0.5;
        double deviation = 0;
        double most = RANGE;
        boolean increasing = false;
        OperationSet set = OperationSet.ALL;
        for (int i = 0; i < parts.length; i++) {
            Matcher part = PART.matcher(parts[i]);
            if (i == 0 ? !parts[0].equals("rand") : !part.matches()) {
                throw refused(text);
            }
            if (i == 0) {
                continue;
            }
            int name = IntStream.of(1, 3, 5, 7)
                    .filter(group -> part.group(group) != null)
                    .findFirst()
                    .orElseThrow();
            String value = part.group(name + 1);
            switch (part.group(name)) {
                case "m" -> magnitude = Integer.parseInt(value);
                case "n" -> layers = Integer.parseInt(value);
                case "mmax" -> most = Integer.parseInt(value);
                case "inc" -> increasing = value.equals("1");
                case "p" -> probability = number(value);
                case "t" -> set = OperationSet.of(value);
                default -> deviation = number(value) > 100 ? Double.POSITIVE_INFINITY : number(value);
            }
        }
        if (layers < 1 || layers > set.most() || !(probability <= 1) || most == 0) {
            throw refused(text);
        }
        // timm's other sets name the operations that change more, whatever inc is.
        return new RandAugment(
                magnitude, layers, probability, deviation, most, increasing || set != OperationSet.ALL, set);
    }

    private static double number(String text) {
        return text.equals("inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(text);
    }

    private static UserError refused(String text) {
        return UserError.of(
                "augmentation.randAugment must be rand and parts of m (magnitude), n (operations, >= 1; at most 15 of"
                        + " tweights, 14 of t3aw), p (probability, in [0, 1]), mstd (deviation), mmax (largest magnitude,"
                        + " >= 1), inc (0 or 1) and t (3a, 3aw or weights), such as rand-m9-mstd0.5-inc1, got '%s'",
                text);
    }

    /**
     * Returns the image with drawn changes; the array may be changed, and may be the result.
     *
     * @param rgb {@code [side, side, 3]}
     * @param fill [3], the color of what comes in from outside
     */
    byte[] applied(byte[] rgb, int side, int[] fill, SplittableRandom random) {
        byte[] image = rgb;
        Set<Operation> earlier = EnumSet.noneOf(Operation.class);
        for (int layer = 0; layer < layers; layer++) {
            Operation operation = set.draw(earlier, random);
            boolean skipped = random.nextDouble() >= probability;
            double drawn = Double.isInfinite(deviation)
                    ? Draws.between(0, magnitude, random)
                    : deviation > 0 ? magnitude + deviation * Draws.normal(random) : magnitude;
            boolean negative = random.nextBoolean();
            boolean cubic = random.nextBoolean(); // timm's training draws between the two, too
            if (!skipped) {
                image = applied(operation, Math.max(0, Math.min(drawn, most)), negative, cubic, image, side, fill);
            }
        }
        return image;
    }

    /** Returns the image changed by one operation. */
    byte[] applied(
            Operation operation, double magnitude, boolean negative, boolean cubic, byte[] rgb, int side, int[] fill) {
        double level = magnitude / RANGE;
        int sign = negative ? -1 : 1;
        switch (operation) {
            case AUTO_CONTRAST -> Colors.autoContrast(rgb);
            case EQUALIZE -> Colors.equalize(rgb);
            case INVERT -> Colors.invert(rgb);
            case POSTERIZE -> Colors.posterize(rgb, increasing ? 4 - (int) (level * 4) : (int) (level * 4));
            case SOLARIZE -> {
                int threshold = Math.min(256, (int) (level * 256));
                Colors.solarize(rgb, increasing ? 256 - threshold : threshold);
            }
            case SOLARIZE_ADD -> Colors.solarizeAdd(rgb, Math.min(128, (int) (level * 110)));
            case COLOR -> Colors.saturation(rgb, factor(level, sign));
            case CONTRAST -> Colors.contrast(rgb, factor(level, sign));
            case BRIGHTNESS -> Colors.brightness(rgb, factor(level, sign));
            case DESATURATE -> Colors.saturation(rgb, 1 - Math.min(1, 0.5 + 0.5 * level));
            case GAUSSIAN_BLUR -> Blur.gaussian(rgb, side, (float) Math.min(2, 0.1 + (2.0 - 0.1) * level));
            case SHARPNESS -> Colors.sharpness(rgb, side, factor(level, sign));
            case ROTATE -> {
                return Places.rotated(rgb, side, sign * (level * 30), cubic, fill);
            }
            case SHEAR_X -> {
                double[] map = {1, sign * (level * 0.3), 0, 0, 1, 0};
                return Places.transformed(rgb, side, map, cubic, fill);
            }
            case SHEAR_Y -> {
                double[] map = {1, 0, 0, sign * (level * 0.3), 1, 0};
                return Places.transformed(rgb, side, map, cubic, fill);
            }
            case TRANSLATE_X_REL -> {
                double[] map = {1, 0, sign * (level * 0.45) * side, 0, 1, 0};
                return Places.transformed(rgb, side, map, cubic, fill);
            }
            case TRANSLATE_Y_REL -> {
                double[] map = {1, 0, 0, 0, 1, sign * (level * 0.45) * side};
                return Places.transformed(rgb, side, map, cubic, fill);
            }
        }
        return rgb;
    }

    private double factor(double level, int sign) {
        return increasing ? Math.max(0.1, 1 + sign * (level * 0.9)) : level * 1.8 + 0.1;
    }
}
