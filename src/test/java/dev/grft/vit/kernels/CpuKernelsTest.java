package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.kernels.Array.DataType;
import org.junit.jupiter.api.Test;

class CpuKernelsTest {

    @Test
    void arraysThatBlasWouldMisreadAreRefused() {
        CpuKernels kernels = new CpuKernels();
        Array y = Machine.zeros(DataType.FLOAT, 3, 2);
        assertThatThrownBy(() -> kernels.add(Machine.zeros(DataType.DOUBLE, 3, 2), y))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("CpuKernels needs an array of FLOAT, got DOUBLE[3, 2]");
    }

    @Test
    void gemmNamesTheShapesThatDoNotFit() {
        CpuKernels kernels = new CpuKernels();
        Array a = Machine.zeros(DataType.FLOAT, 2, 3);
        assertThatThrownBy(() -> kernels.gemm(true, a, false, a, 1, 0, a))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gemm: shapes [2, 3]' x [2, 3] -> [2, 3]");
    }
}
