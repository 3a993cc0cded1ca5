package dev.grft.vit.kernels.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.vit.kernels.Backend;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GpuTest {
    private static final String MIG = "MIG-1f2a3b4c-5d6e-7f80-9102-a3b4c5d6e7f8";

    @ParameterizedTest
    @CsvSource(textBlock = """
                    0,          ,              0
                    3,          '',            3
                    MIG-1f2a,   ,              MIG-1f2a
                    2,          '2,3',         2
                    3,          '2,3',         3
                    1,          '1,2',         1
                    0,          'GPU-a,GPU-b', GPU-a
                    GPU-b,      'GPU-a, GPU-b', GPU-b
                    """)
    void theProcessSeesTheGpuThatSparkHasAssigned(String address, String before, String visible) {
        assertThat(Gpu.visible(address, before)).isEqualTo(visible);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "1", "2", MIG, "GPU-c"})
    void aGpuThatIsHiddenIsRefused(String address) {
        assertThatThrownBy(() -> Gpu.visible(address, "4,5"))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "Spark has assigned the GPU %s to this executor, but CUDA_VISIBLE_DEVICES is 4,5 there; unset it, or let the"
                                + " discovery script print addresses that are in it",
                        address);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1,2", "2,1,0", "0", "GPU-a,GPU-b,GPU-c", "GPU-a,1,GPU-c"})
    void noTwoAddressesAreOneGpu(String before) {
        List<String> seen = new ArrayList<>();
        for (String address : List.of("0", "1", "2", "3")) {
            try {
                seen.add(Gpu.visible(address, before));
            } catch (UserError e) {
                assertThat(e).hasMessageContaining("assigned the GPU " + address);
            }
        }
        assertThat(seen).isNotEmpty().doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", MIG})
    @Tag("kernels") // with LibTorch for CPUs, too
    void aGpuNeedsABuildForGpus(String address) {
        for (String kernels : new String[] {"auto", "torch"}) {
            assertThatThrownBy(() -> Backend.takeGpu(kernels, address))
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            "Spark has assigned the GPU %s to this executor, but the program has no LibTorch for GPUs; build it with"
                                    + " mvn -Pcuda, or set engine.kernels to cpu, which leaves the GPU idle",
                            address);
            Backend.takeGpu(kernels, null);
            assertThat(Backend.onGpu(kernels)).isFalse();
        }
        assertThatCode(() -> Backend.takeGpu("cpu", address)).doesNotThrowAnyException();
        assertThat(Backend.freeOnGpu(1)).isEqualTo(Long.MAX_VALUE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"auto", "cpu", "nd4j", "torch"})
    @Tag("kernels")
    void cpusHaveNoTf32(String kernels) {
        assertThatThrownBy(() -> Backend.kernels(kernels, "tf32"))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "engine.precision: tf32 is a precision of GPUs, and engine.kernels %s computes on the CPU here; use fp32 or"
                                + " bf16",
                        kernels);
    }

    @ParameterizedTest
    @CsvSource({"7, 5, tf32", "7, 5, bf16", "7, 0, bf16"})
    void olderGpusHaveFloatsAlone(int major, int minor, String precision) {
        Gpu.Model model = new Gpu.Model("Tesla T4", major, minor);
        assertThatCode(() -> model.require("fp32")).doesNotThrowAnyException();
        assertThatThrownBy(() -> model.require(precision))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "engine.precision: %s needs a GPU of compute capability 8.0 or more (A100, L4, H100 and newer), Tesla T4 has"
                                + " %d.%d; use fp32",
                        precision, major, minor);
        assertThatCode(() -> new Gpu.Model("NVIDIA L4", 8, 9).require(precision))
                .doesNotThrowAnyException();
    }

    @Test
    @Tag("torch")
    void productsAreDeterministicAndAsPreciseAsTheirType() {
        Backend.kernels("torch");
        assertThat(torch.globalContext().deterministicAlgorithms()).isTrue();
        assertThat(torch.globalContext().deterministicAlgorithmsWarnOnly()).isFalse();
        assertThat(torch.globalContext().allowTF32CuBLAS()).isFalse();
        Torch.tf32(true);
        assertThat(torch.globalContext().allowTF32CuBLAS()).isTrue();
        Torch.tf32(false);
        assertThat(torch.globalContext().allowTF32CuBLAS()).isFalse();
    }
}
