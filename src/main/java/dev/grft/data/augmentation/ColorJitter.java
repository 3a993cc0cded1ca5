package dev.grft.data.augmentation;

import dev.grft.Checks;
import java.io.Serializable;
import java.util.SplittableRandom;

/**
 * Random brightness, contrast, saturation and hue, in random order, as torchvision's {@code ColorJitter}; then {@code
 * RandomGrayscale}. 0 leaves one out.
 *
 * @param brightness the factor is drawn evenly from [max(0, 1 - brightness), 1 + brightness)
 * @param contrast likewise
 * @param saturation likewise
 * @param hue the part of a full turn of the color circle is drawn evenly from [-hue, hue); at most 0.5
 * @param probability of an image to be changed so, in [0, 1]
 * @param grayscale probability of an image to lose its colors afterwards, in [0, 1]
 */
public record ColorJitter(
        double brightness, double contrast, double saturation, double hue, double probability, double grayscale)
        implements Serializable {
    /** Changes nothing. */
    static final ColorJitter NONE = new ColorJitter(0, 0, 0, 0, 1, 0);

    public ColorJitter {
        Checks.notNegative("augmentation.colorJitter.brightness", brightness);
        Checks.notNegative("augmentation.colorJitter.contrast", contrast);
        Checks.notNegative("augmentation.colorJitter.saturation", saturation);
        Checks.require(hue >= 0 && hue <= 0.5, "augmentation.colorJitter.hue", "in [0, 0.5]", hue);
        Checks.require(
                probability >= 0 && probability <= 1, "augmentation.colorJitter.probability", "in [0, 1]", probability);
        Checks.require(grayscale >= 0 && grayscale <= 1, "augmentation.colorJitter.grayscale", "in [0, 1]", grayscale);
    }

    boolean changes() {
        return jitters() || grayscale > 0;
    }

    private boolean jitters() {
        return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0;
    }

    /** Changes pixels {@code [.., 3]} in place. */
    void apply(byte[] rgb, SplittableRandom random) {
        if (jitters() && (probability == 1 || random.nextDouble() < probability)) {
            jitter(rgb, random);
        }
        if (grayscale > 0 && random.nextDouble() < grayscale) {
            Colors.saturation(rgb, 0);
        }
    }

    private void jitter(byte[] rgb, SplittableRandom random) {
        int[] order = {0, 1, 2, 3};
        for (int i = 3; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int last = order[i];
            order[i] = order[j];
            order[j] = last;
        }
        double[] drawn = {
            factor(brightness, random),
            factor(contrast, random),
            factor(saturation, random),
            Draws.between(-hue, hue, random)
        };
        for (int change : order) {
            apply(change, drawn[change], rgb);
        }
    }

    private static double factor(double most, SplittableRandom random) {
        return Draws.between(Math.max(0, 1 - most), 1 + most, random);
    }

    private void apply(int change, double drawn, byte[] rgb) {
        if (change == 0 && brightness > 0) {
            Colors.brightness(rgb, drawn);
        } else if (change == 1 && contrast > 0) {
            Colors.contrast(rgb, drawn);
        } else if (change == 2 && saturation > 0) {
            Colors.saturation(rgb, drawn);
        } else if (change == 3 && hue > 0) {
            Colors.hue(rgb, drawn);
        }
    }
}
