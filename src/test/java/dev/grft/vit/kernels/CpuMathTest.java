package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class CpuMathTest {

    @Test
    void expIsWithinThreeUnitsInTheLastPlace() {
        float[] x = new float[125_000];
        for (int i = 0; i < x.length; i++) {
            x[i] = i * -0.000695f; // 0 to -86.9
        }
        float[] y = exp(x);
        for (int i = 0; i < x.length; i++) {
            double exact = Math.exp(x[i]);
            assertThat(Math.abs(y[i] - exact)).as("exp(%s)", x[i]).isLessThanOrEqualTo(3 * Math.ulp((float) exact));
        }
        assertThat(y[0]).isOne();
    }

    @Test
    void expFarBelowZeroIsZero() {
        assertThat(exp(-88.1f, -1e4f, -1e30f, Float.NEGATIVE_INFINITY)).containsOnly(0);
        assertThat(exp(Float.NaN)[0]).isNaN();
    }

    private static float[] exp(float... x) {
        float[] y = x.clone();
        new CpuMath().exp(y, new float[y.length], y.length);
        return y;
    }
}
