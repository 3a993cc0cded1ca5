package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

class CpuKernelsTest {

    @Test
    void nativeMemoryIsNotBoundedByTheHeapUnlessSomebodySaysSo() {
        String key = "org.bytedeco.javacpp.maxphysicalbytes";
        String before = System.getProperty(key);
        try {
            System.clearProperty(key);
            Kernels.prepare();
            assertThat(System.getProperty(key)).isEqualTo("0");
            System.setProperty(key, "4g");
            Kernels.prepare();
            assertThat(System.getProperty(key)).isEqualTo("4g");
        } finally {
            System.getProperties().remove(key);
            if (before != null) {
                System.setProperty(key, before);
            }
        }
    }

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
        new CpuKernels().exp(y, new float[y.length], y.length);
        return y;
    }

    @Test
    void arraysThatBlasWouldMisreadAreRefused() {
        CpuKernels kernels = new CpuKernels();
        INDArray y = Nd4j.create(DataType.FLOAT, 3, 2);
        assertThatThrownBy(() -> kernels.add(Nd4j.create(DataType.DOUBLE, 3, 2), y))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("CpuKernels needs a contiguous row-major FLOAT array, got DOUBLE[3, 2]c");
        assertThatThrownBy(() -> kernels.add(Nd4j.create(DataType.FLOAT, 2, 3).transpose(), y))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("CpuKernels needs a contiguous row-major FLOAT array, got FLOAT[3, 2]");
    }

    @Test
    void gemmNamesTheShapesThatDoNotFit() {
        CpuKernels kernels = new CpuKernels();
        INDArray a = Nd4j.create(DataType.FLOAT, 2, 3);
        assertThatThrownBy(() -> kernels.gemm(true, a, false, a, 1, 0, a))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gemm: shapes [2, 3]' x [2, 3] -> [2, 3]");
    }
}
