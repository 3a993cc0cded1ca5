package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

class CpuKernelsTest {

    @Test
    void expIsWithinTwoUnitsInTheLastPlace() {
        for (float x = -87; x <= 0; x += 0.0007f) {
            double exact = Math.exp((double) x);
            assertThat(Math.abs(CpuKernels.exp(x) - exact)).isLessThanOrEqualTo(2 * Math.ulp((float) exact));
        }
        assertThat(CpuKernels.exp(0)).isOne();
    }

    @Test
    void expFarBelowZeroIsZero() {
        assertThat(CpuKernels.exp(-87.1f)).isZero();
        assertThat(CpuKernels.exp(-1e30f)).isZero();
        assertThat(CpuKernels.exp(Float.NEGATIVE_INFINITY)).isZero();
        assertThat(CpuKernels.exp(Float.NaN)).isNaN();
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
