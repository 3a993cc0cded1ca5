package dev.grft.checkpoint;

import dev.grft.UserError;

/**
 * Position embeddings for another image size: the grid of vectors is resampled as an image of D channels would be, those
 * of the tokens before the patches stay. The same numbers as PyTorch's bicubic interpolation, of which there are two.
 */
public final class Positions {
    /** Which of PyTorch's two. */
    public enum Resampling {
        /** As timm's {@code resample_abs_pos_embed}: the kernel widens when the grid shrinks; its cubic has a = -0.5. */
        ANTIALIASED(-0.5),
        /** As most models of transformers: always four positions a side, the border repeated; its cubic has a = -0.75. */
        PLAIN(-0.75);

        private final double a;

        Resampling(double a) {
            this.a = a;
        }

        private double cubic(double x) {
            double t = Math.abs(x);
            if (t < 1) {
                return ((a + 2) * t - (a + 3)) * t * t + 1;
            }
            return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
        }

        /** Returns how much each old position adds to each new one, {@code [to, from]}; rows sum to 1. */
        private double[] weights(int from, int to) {
            return this == PLAIN ? plain(from, to) : antialiased(from, to);
        }

        private double[] antialiased(int from, int to) {
            double scale = (double) from / to;
            double stretch = Math.max(scale, 1);
            double support = 2 * stretch;
            double[] weights = new double[to * from];
            for (int i = 0; i < to; i++) {
                double center = scale * (i + 0.5);
                int begin = Math.max((int) (center - support + 0.5), 0);
                int end = Math.min((int) (center + support + 0.5), from);
                double sum = 0;
                for (int j = begin; j < end; j++) {
                    weights[i * from + j] = cubic((j - center + 0.5) / stretch);
                    sum += weights[i * from + j];
                }
                for (int j = begin; j < end; j++) {
                    weights[i * from + j] /= sum;
                }
            }
            return weights;
        }

        private double[] plain(int from, int to) {
            double[] weights = new double[to * from];
            for (int i = 0; i < to; i++) {
                double at = (double) from / to * (i + 0.5) - 0.5;
                int nearest = (int) Math.floor(at);
                for (int j = nearest - 1; j <= nearest + 2; j++) {
                    weights[i * from + Math.min(Math.max(j, 0), from - 1)] += cubic(at - j);
                }
            }
            return weights;
        }
    }

    private Positions() {}

    /**
     * Returns the positions of a square grid of another size, computed in double and rounded once; the very array if
     * the size is the same.
     *
     * @param positions {@code [before + old * old, D]}
     * @param before number of tokens before the patches that have positions
     * @param width D
     * @param grid side of the new grid, patches
     * @return {@code [before + grid * grid, D]}
     * @throws UserError if the old grid is not a square
     */
    public static float[] resample(float[] positions, int before, int width, int grid, Resampling how) {
        double[] doubles = new double[positions.length];
        for (int i = 0; i < doubles.length; i++) {
            doubles[i] = positions[i];
        }
        double[] resampled = resample(doubles, before, width, grid, how);
        if (resampled == doubles) {
            return positions;
        }
        float[] floats = new float[resampled.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) resampled[i];
        }
        return floats;
    }

    /** Returns what the other method does, in double. */
    static double[] resample(double[] positions, int before, int width, int grid, Resampling how) {
        int old = side(positions.length / width, before);
        if (old == grid) {
            return positions;
        }
        double[] weights = how.weights(old, grid); // [grid, old]
        double[] across = new double[old * grid * width]; // [old, grid, D]
        for (int y = 0; y < old; y++) {
            for (int x = 0; x < grid; x++) {
                for (int from = 0; from < old; from++) {
                    double weight = weights[x * old + from];
                    for (int d = 0; d < width; d++) {
                        across[(y * grid + x) * width + d] += weight * positions[(before + y * old + from) * width + d];
                    }
                }
            }
        }
        double[] resampled = new double[(before + grid * grid) * width];
        System.arraycopy(positions, 0, resampled, 0, before * width);
        for (int y = 0; y < grid; y++) {
            for (int from = 0; from < old; from++) {
                double weight = weights[y * old + from];
                for (int i = 0; i < grid * width; i++) {
                    resampled[(before + y * grid) * width + i] += weight * across[from * grid * width + i];
                }
            }
        }
        return resampled;
    }

    /**
     * Returns the side of the grid of patches.
     *
     * @param positions of all tokens
     * @param before of them those before the patches
     * @throws UserError if the others are no square number
     */
    static int side(int positions, int before) {
        int patches = positions - before;
        if (!square(patches)) {
            throw UserError.of(
                    "pos_embed has %d positions%s, expected a square number; is it another model?",
                    patches, before == 1 ? " besides the class token's" : "");
        }
        return root(patches);
    }

    /** Returns whether a square grid has so many patches. */
    static boolean square(int patches) {
        return patches >= 1 && root(patches) * root(patches) == patches;
    }

    private static int root(int patches) {
        return (int) Math.round(Math.sqrt(patches));
    }
}
