package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
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
    void unknownKernelsAreRefused() {
        assertThatThrownBy(() -> Backend.kernels("gpu"))
                .isInstanceOf(UserError.class)
                .hasMessage("engine.kernels: unknown kernels gpu; expected auto, cpu, torch or nd4j");
    }
}
