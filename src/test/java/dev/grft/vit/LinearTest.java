package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.MatrixShape;
import dev.grft.tuning.Tiny;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

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
                    new Buffers(DataType.FLOAT, Keep.ALL));
            INDArray x = Nd4j.randn(DataType.FLOAT, 3, 24);
            INDArray whole = Nd4j.create(DataType.FLOAT, 3, 48);
            fc1.forward(x, whole);
            assertThat(seen).isEqualTo(whole.dup().data().asFloat());

            INDArray y = Nd4j.create(DataType.FLOAT, 3, 48);
            INDArray bias = fc1.forwardWithoutBias(x, y);
            assertThat(seen).isEqualTo(y.dup().data().asFloat());
            if (reads) {
                assertThat(bias).isNull();
                assertThat(y).isEqualTo(whole);
            } else {
                assertThat(bias).isEqualTo(weights.array("blocks.0.mlp.fc1.bias"));
                assertThat(y.distance2(whole)).isGreaterThan(0.01);
                assertThat(y.addRowVector(bias).distance2(whole)).isLessThan(1e-5);
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
                    public void forward(Kernels kernels, Buffers buffers, INDArray x, INDArray y) {
                        seen = y.dup().data().asFloat();
                    }
                };
            }
        };
    }
}
