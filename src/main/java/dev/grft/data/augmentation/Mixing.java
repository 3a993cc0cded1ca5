package dev.grft.data.augmentation;

import java.io.Serializable;
import java.util.SplittableRandom;

/**
 * Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899) as timm's {@code Mixup} in the mode {@code batch}: the images of a batch are
 * mixed in pairs, all in the same way. Neighbors are pairs, the first with the second and so on, so that a batch may be cut into parts
 * of even size; timm pairs the first with the last. An image without a neighbor stays as it is.
 *
 * @param mixup alpha of the Beta distribution from which mixup's share is drawn, 0 or more; 0: no mixup
 * @param cutmix alpha of CutMix's share; 0: no CutMix
 * @param probability of a batch to be mixed, in [0, 1]
 * @param switchProbability of CutMix where both are on, in [0, 1]
 */
public record Mixing(double mixup, double cutmix, double probability, double switchProbability)
        implements Serializable {
    /** Mixes nothing. */
    public static final Mixing NONE = new Mixing(0, 0, 0, 0);

    /** Returns whether any batch may be mixed. */
    public boolean mixes() {
        return (mixup > 0 || cutmix > 0) && probability > 0;
    }

    /**
     * Mixes images in place, each with its neighbor.
     *
     * @param images {@code [count, 3, side, side]}
     * @return the share of each image's own class in its target, in [0, 1]; the rest is its neighbor's
     */
    public double apply(float[] images, int count, int side, SplittableRandom random) {
        if (count < 2 || !mixes() || random.nextDouble() >= probability) {
            return 1;
        }
        boolean both = mixup > 0 && cutmix > 0;
        boolean cut = both ? random.nextDouble() < switchProbability : cutmix > 0;
        double share = Draws.beta(cut ? cutmix : mixup, random);
        return cut
                ? cut(images, count, side, share, random.nextInt(side), random.nextInt(side))
                : mixed(images, count, share);
    }

    /** Puts the means of the images, weighted by {@code share} and {@code 1 - share}, in their place; returns the share. */
    static double mixed(float[] images, int count, double share) {
        int length = images.length / count;
        float own = (float) share;
        float others = (float) (1 - share);
        for (int b = 0; b + 1 < count; b += 2) {
            for (int i = b * length; i < (b + 1) * length; i++) {
                float x = images[i];
                float y = images[i + length];
                images[i] = x * own + y * others;
                images[i + length] = y * own + x * others;
            }
        }
        return share;
    }

    /**
     * Exchanges a square part of the images; at the border it is cut off.
     *
     * @param share of the area that stays, before the border cuts the square off
     * @param y of the middle of the square, in [0, side)
     * @param x likewise
     * @return the share of the area that stays
     */
    static double cut(float[] images, int count, int side, double share, int y, int x) {
        int length = images.length / count;
        int size = (int) (side * Math.sqrt(1 - share));
        int top = Math.max(0, y - size / 2);
        int bottom = Math.min(side, y + (size + 1) / 2);
        int left = Math.max(0, x - size / 2);
        int right = Math.min(side, x + (size + 1) / 2);
        for (int b = 0; b + 1 < count; b += 2) {
            for (int color = 0; color < 3; color++) {
                for (int row = top; row < bottom; row++) {
                    int from = b * length + (color * side + row) * side + left;
                    for (int i = from; i < from + right - left; i++) {
                        float own = images[i];
                        images[i] = images[i + length];
                        images[i + length] = own;
                    }
                }
            }
        }
        return 1 - (double) (bottom - top) * (right - left) / ((double) side * side);
    }
}
