package dev.grft.data.augmentation;

import dev.grft.Checks;
import java.io.Serializable;
import java.util.SplittableRandom;

/**
 * Random erasing (arXiv 1708.04896) as timm's {@code RandomErasing}: rectangles of an image that has been normalized are replaced. They
 * have 2 to 33 % of its area, divided by their number, and are 0.3 to 3.3 times as high as wide.
 *
 * @param probability of an image to be changed, in [0, 1]; 0: off
 * @param mode {@code pixel}: normal random numbers; {@code const}: 0, the mean color
 * @param count rectangles at most, 1 or more; the number is drawn evenly
 */
public record Erasing(double probability, String mode, int count) implements Serializable {
    /** Changes nothing. */
    static final Erasing NONE = new Erasing(0, "const", 1);

    private static final int ATTEMPTS = 10;

    public Erasing {
        Checks.require(
                probability >= 0 && probability <= 1, "augmentation.erasing.probability", "in [0, 1]", probability);
        Checks.word("augmentation.erasing.mode", mode, "pixel", "const");
        Checks.count("augmentation.erasing.count", count);
    }

    /** Changes an input {@code [3, side, side]} in place. */
    void apply(float[] input, int offset, int side, SplittableRandom random) {
        if (random.nextDouble() >= probability) {
            return;
        }
        int boxes = count == 1 ? 1 : 1 + random.nextInt(count);
        for (int i = 0; i < boxes; i++) {
            erase(input, offset, side, boxes, random);
        }
    }

    private void erase(float[] input, int offset, int side, int boxes, SplittableRandom random) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            double area = Draws.between(0.02, 1.0 / 3, random) * side * side / boxes;
            double ratio = StrictMath.exp(Draws.between(StrictMath.log(0.3), StrictMath.log(1 / 0.3), random));
            int height = (int) Math.rint(Math.sqrt(area * ratio)); // ties to even, as Python rounds
            int width = (int) Math.rint(Math.sqrt(area / ratio));
            if (height < side && width < side) {
                int top = random.nextInt(side - height + 1);
                int left = random.nextInt(side - width + 1);
                erase(input, offset, side, top, left, height, width, random);
                return;
            }
        }
    }

    private void erase(
            float[] input, int offset, int side, int top, int left, int height, int width, SplittableRandom random) {
        boolean noise = mode.equals("pixel");
        for (int color = 0; color < 3; color++) {
            for (int row = top; row < top + height; row++) {
                int from = offset + (color * side + row) * side + left;
                for (int i = from; i < from + width; i++) {
                    input[i] = noise ? (float) Draws.normal(random) : 0;
                }
            }
        }
    }
}
