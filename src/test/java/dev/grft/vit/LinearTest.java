package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.MatrixShape;
import dev.grft.tuning.Tiny;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Memory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.linalg.api.ndarray.INDArray;

class LinearTest {
    private float[] seen = {};

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theBiasIsLeftToOthersUnlessAnAdaptationReadsTheOutput(boolean reads) {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Linear fc1 = new Linear(
                    "blocks.0.mlp.fc1",
                    weights,
                    watching(reads),
                    new CpuKernels(),
                    new Buffers(Memory.ND4J, DataType.FLOAT, Keep.ALL));
            Array x = Machine.array(DataType.FLOAT, Machine.normal(1, 3 * 24), 3, 24);
            Array whole = Machine.zeros(DataType.FLOAT, 3, 48);
            fc1.forward(x, whole);
            assertThat(seen).isEqualTo(whole.floats());

            Array y = Machine.zeros(DataType.FLOAT, 3, 48);
            Array bias = fc1.forwardWithoutBias(x, y);
            assertThat(seen).isEqualTo(y.floats());
            if (reads) {
                assertThat(bias).isNull();
                assertThat(y.floats()).isEqualTo(whole.floats());
            } else {
                assertThat(bias).isSameAs(weights.array("blocks.0.mlp.fc1.bias"));
                INDArray expected = Machine.nd4j(whole);
                assertThat(Machine.nd4j(y).distance2(expected)).isGreaterThan(0.01);
                assertThat(Machine.nd4j(y).addRowVector(Machine.nd4j(bias)).distance2(expected))
                        .isLessThan(1e-5);
            }
        }
    }

    /** Returns adaptations that read the output of each map and train nothing. */
    private Trainable watching(boolean reads) {
        return new Trainable() {
            @Override
            public boolean whole(String parameter) {
                return false;
            }

            @Override
            public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
                return new Watching() {
                    @Override
                    public boolean readsOutput() {
                        return reads;
                    }

                    @Override
                    public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
                        seen = y.floats();
                    }
                };
            }
        };
    }
}
