package dev.grft.vit.kernels;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests of kernels, which run once for each {@link Machine}. */
@ParameterizedClass
@MethodSource("dev.grft.vit.kernels.Machine#here")
@Tag("kernels")
abstract class OnEveryMachine {
    @Parameter
    Machine machine;

    Kernels kernels;

    @BeforeEach
    void makeKernels() {
        kernels = machine.kernels();
    }
}
