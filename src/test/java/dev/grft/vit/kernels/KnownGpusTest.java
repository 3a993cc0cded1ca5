package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.factory.Nd4j;

class KnownGpusTest {

    @Test
    void aGpuThatNd4jHasCodeForIsTaken() {
        assertThatCode(() -> Backend.requireKnownGpus(environment("NVIDIA A100-SXM4-80GB", 8, 0)))
                .doesNotThrowAnyException();
        assertThatCode(() -> Backend.requireKnownGpus(environment("NVIDIA L4", 8, 9)))
                .doesNotThrowAnyException();
    }

    @Test
    void aNewerGpuIsRefused() {
        assertThatThrownBy(() -> Backend.requireKnownGpus(environment("NVIDIA H100 80GB HBM3", 9, 0)))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "the GPU NVIDIA H100 80GB HBM3 has compute capability 9.0, and ND4J's CUDA backend has code for 3.7 to 8.9"
                                + " only (V100, T4, A100, A10, L4, L40); use such a GPU, hide this one by CUDA_VISIBLE_DEVICES, or compute on"
                                + " the CPU with the build without -Pcuda");
    }

    @Test
    void theCpuNeedsNone() {
        assertThatCode(() -> Backend.requireKnownGpus(Nd4j.getExecutioner().getEnvironmentInformation()))
                .doesNotThrowAnyException();
    }

    private static Properties environment(String name, int major, int minor) {
        Properties environment = new Properties();
        environment.put(
                "cuda.devicesInformation",
                List.of(Map.<String, Object>of(
                        "cuda.deviceName", name, "cuda.deviceMajor", major, "cuda.deviceMinor", minor)));
        return environment;
    }
}
