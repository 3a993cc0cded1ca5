package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import org.junit.jupiter.api.Test;

class BackendTest {

    @Test
    void nativeMemoryIsNotBoundedByTheHeapUnlessAPropertySaysSo() {
        String key = "org.bytedeco.javacpp.maxphysicalbytes";
        String before = System.getProperty(key);
        try {
            System.clearProperty(key);
            Backend.prepare();
            assertThat(System.getProperty(key)).isEqualTo("0");
            System.clearProperty(key);
            Backend.kernels("nd4j");
            assertThat(System.getProperty(key)).isEqualTo("0");
            System.setProperty(key, "4g");
            Backend.prepare();
            assertThat(System.getProperty(key)).isEqualTo("4g");
        } finally {
            System.getProperties().remove(key);
            if (before != null) {
                System.setProperty(key, before);
            }
        }
    }

    @Test
    void aGpuOutOfMemoryNamesTheBatchAndOtherFailuresStay() {
        RuntimeException failure = new RuntimeException(
                "CUDA out of memory. Tried to allocate 2.30 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.44 GiB is free."
                        + " Process 7 has 77.65 GiB memory in use.\nException raised from malloc");
        assertThat(Backend.ofBatch(failure, 256, 224))
                .isInstanceOf(UserError.class)
                .hasCause(failure)
                .hasMessage(
                        "a batch of 256 images of 224 x 224 does not fit in the GPU's memory: it needs 2.30 GiB more of the GPU's"
                                + " 79.10 GiB; run check, which says what fits, and lower training.microBatch, selection.batchSize or"
                                + " evaluation.batchSize, or set engine.recompute=true");
        for (String full : new String[] {
            "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
        }) {
            assertThat(Backend.ofBatch(new RuntimeException(full), 8, 32))
                    .hasMessageStartingWith(
                            "a batch of 8 images of 32 x 32 does not fit in the GPU's memory: it needs more than is free;");
        }
        RuntimeException other = new IllegalStateException("CUDA error: device-side assert triggered");
        assertThat(Backend.ofBatch(other, 256, 224)).isSameAs(other);
        assertThat(Backend.ofBatch(new RuntimeException(), 1, 1)).hasNoCause();
    }

    @Test
    void aProcessRoundsOnItsGpuAlwaysOrNever() {
        for (boolean toTf32 : new boolean[] {true, false}) {
            assertThatCode(() -> Backend.requireSame(null, toTf32)).doesNotThrowAnyException();
            assertThatCode(() -> Backend.requireSame(toTf32, toTf32)).doesNotThrowAnyException();
        }
        assertThatThrownBy(() -> Backend.requireSame(true, false))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "engine.precision: this process has computed in tf32 on its GPU, and cannot compute in fp32 or bf16 after"
                                + " that; use one precision, or another application");
        assertThatThrownBy(() -> Backend.requireSame(false, true)).hasMessageContaining("in fp32 or bf16 on its GPU");
    }

    @Test
    void unknownKernelsAreRefused() {
        assertThatThrownBy(() -> Backend.kernels("gpu"))
                .isInstanceOf(UserError.class)
                .hasMessage("engine.kernels: unknown kernels gpu; expected auto, cpu, torch or nd4j");
    }
}
