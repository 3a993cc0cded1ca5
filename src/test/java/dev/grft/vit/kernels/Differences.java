package dev.grft.vit.kernels;

import java.util.function.ToDoubleFunction;

/** Gradients by central differences of the fourth order. */
public final class Differences {
    private Differences() {}

    /** Returns the gradient of {@code f} at {@code x}, which is moved entry by entry and put back; the error is of the order step^4. */
    public static double[] gradient(ToDoubleFunction<double[]> f, double[] x, double step) {
        double[] gradient = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            double at = x[i];
            double[] values = new double[5];
            for (int j = -2; j <= 2; j++) {
                x[i] = at + j * step;
                values[j + 2] = j == 0 ? 0 : f.applyAsDouble(x);
            }
            x[i] = at;
            gradient[i] = (8 * (values[3] - values[1]) - (values[4] - values[0])) / (12 * step);
        }
        return gradient;
    }
}
