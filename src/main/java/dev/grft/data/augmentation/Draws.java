package dev.grft.data.augmentation;

import java.util.SplittableRandom;

/** Random numbers of other distributions than the even one; the same on every machine. */
final class Draws {
    private Draws() {}

    /** Returns a number in [low, high). */
    static double between(double low, double high, SplittableRandom random) {
        return low + random.nextDouble() * (high - low);
    }

    /** Returns a number of the standard normal distribution (Marsaglia's polar method). */
    static double normal(SplittableRandom random) {
        while (true) {
            double x = between(-1, 1, random);
            double y = between(-1, 1, random);
            double square = x * x + y * y;
            if (square > 0 && square < 1) {
                return x * Math.sqrt(-2 * StrictMath.log(square) / square);
            }
        }
    }

    /**
     * Returns a number of the distribution Beta(alpha, alpha), in [0, 1].
     *
     * @param alpha above 0; below 1 the ends are likelier than the middle
     */
    static double beta(double alpha, SplittableRandom random) {
        // The ratio of two gamma variables; of their logarithms, because the variables of a small alpha are smaller
        // than a double.
        double x = logGamma(alpha, random);
        double y = logGamma(alpha, random);
        return 1 / (1 + StrictMath.exp(y - x));
    }

    /** Returns the logarithm of a gamma variable (Marsaglia and Tsang, TOMS 26(3), 2000; of alpha below 1, their section 6). */
    private static double logGamma(double alpha, SplittableRandom random) {
        if (alpha < 1) {
            return logGamma(alpha + 1, random) + StrictMath.log(1 - random.nextDouble()) / alpha;
        }
        double d = alpha - 1.0 / 3;
        double c = 1 / Math.sqrt(9 * d);
        while (true) {
            double x = normal(random);
            double v = 1 + c * x;
            if (v > 0) {
                v = v * v * v;
                double logV = StrictMath.log(v);
                if (StrictMath.log(1 - random.nextDouble()) < x * x / 2 + d - d * v + d * logV) {
                    return StrictMath.log(d) + logV;
                }
            }
        }
    }
}
