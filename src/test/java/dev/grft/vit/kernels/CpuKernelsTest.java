package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

class CpuKernelsTest {

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
