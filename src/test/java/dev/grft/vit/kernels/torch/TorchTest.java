package dev.grft.vit.kernels.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.nd4j.Flat;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

class TorchTest {

    @Test // not with -Ptorch, which runs tests of its tag alone
    void withoutItsNativeLibrariesTheErrorSaysHowToGetThem() {
        assertThat(Torch.present()).isFalse();
        for (String precision : new String[] {"fp32", "bf16"}) {
            assertThatThrownBy(() -> Backend.kernels("torch", precision))
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            "engine.kernels is torch, but the class path has no native libraries of LibTorch; build with"
                                    + " mvn -Ptorch, or -Pcuda for GPUs, add the jar org.bytedeco:pytorch:2.10.0-1.5.13 with the"
                                    + " classifier linux-x86_64 or linux-x86_64-gpu, or set engine.kernels to auto");
        }
        assertThatCode(() -> Backend.threads(1)).doesNotThrowAnyException();
    }

    @Test
    @Tag("torch")
    void withThemItComputesBesideNd4jAndOneDnn() {
        assertThat(Torch.present()).isTrue();
        INDArray x = Nd4j.rand(30, 20);
        INDArray before = x.mmul(x.transpose());
        for (String name : new String[] {"torch", "cpu", "torch"}) {
            Kernels kernels = Backend.kernels(name, "bf16");
            Array factor = kernels.memory().allocate(DataType.FLOAT, 30, 20).write(Flat.read(x));
            Array product = kernels.memory().allocate(DataType.FLOAT, 30, 30);
            kernels.gemm(false, factor, true, factor, 1, 0, product);
            assertThat(Machine.nd4j(product).sub(before).normmaxNumber().doubleValue())
                    .as(name)
                    .isLessThan(0.1);
        }
        assertThat(x.mmul(x.transpose())).isEqualTo(before);
    }

    @Test
    @Tag("torch")
    void whatAnOperationAllocatesIsFreedWhenItReturns() {
        Kernels kernels = Backend.kernels("torch");
        Array x = Machine.zeros(DataType.FLOAT, 500, 1000).fill(1);
        Array sums = Machine.zeros(DataType.FLOAT, 1000);
        kernels.columnDots(x, x, sums);
        long before = Pointer.physicalBytes();
        for (int i = 0; i < 500; i++) {
            kernels.columnDots(x, x, sums);
        }
        assertThat(Pointer.physicalBytes() - before).isLessThan(100L << 20); // of 2 MB each time
    }
}
