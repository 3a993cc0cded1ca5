package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.MatrixShape;
import dev.grft.tuning.Tiny;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The class token's attention without keys and values of all tokens, beside that with them, which maps get that are no matrices. */
@Tag("kernels")
class ClassAttentionTest {
    private static final String QKV = "blocks.2.attn.qkv.weight";

    @ParameterizedTest
    @MethodSource("dev.grft.vit.kernels.Machine#here")
    void itIsTheAttentionThatHasAllKeysAndValues(Machine machine) {
        try (Weights weights = Weights.copyOf(Tiny.CONFIG, Tiny.tensors(), machine.type(), Machine.memory())) {
            Seen without = new Seen(weights, machine.kernels(), true);
            Seen with = new Seen(weights, machine.kernels(), false);
            for (int examples : new int[] {3, 1, 6}) {
                without.step(examples, machine);
                with.step(examples, machine);
                int vectors = 1 + 2 * Tiny.CONFIG.heads();
                assertThat(without.rows).isEqualTo(examples * vectors);
                assertThat(with.rows).isEqualTo(examples * Tiny.CONFIG.tokens());
                assertThat(without.values.keySet()).containsExactlyElementsOf(with.values.keySet());
                double tolerance = machine.type() == DataType.DOUBLE ? 1e-12 : 1e-5;
                with.values.forEach(
                        (name, value) -> Tiny.assertClose(name, without.values.get(name), value, tolerance));
            }
        }
    }

    /** A network that trains everything but one matrix, and looks at what goes by there. */
    private static final class Seen implements Trainable {
        final Map<String, double[]> values = new LinkedHashMap<>();
        long rows;
        private final boolean merges;
        private final Vit vit;
        private final Trained trained;

        Seen(Weights weights, Kernels kernels, boolean merges) {
            this.merges = merges;
            vit = new Vit(weights, this, kernels, Keep.ALL);
            trained = Trained.of(vit, weights.type());
        }

        void step(int examples, Machine machine) {
            Array logits = vit.forward(Tiny.images(0, examples, machine.type()));
            values.put("logits", Machine.values(logits));
            vit.backward(Machine.zeros(machine.type(), logits.shape()).fill(1));
            trained.gradients.keySet().forEach(name -> values.put(name, trained.gradient(name)));
        }

        @Override
        public boolean whole(String parameter) {
            return !parameter.equals(QKV);
        }

        @Override
        public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
            return !matrix.equals(QKV)
                    ? null
                    : new Watching() {
                        @Override
                        public @Nullable Array merged(Kernels kernels, Buffers buffers, Array frozen) {
                            return merges ? frozen : null;
                        }

                        @Override
                        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
                            rows = x.size(0);
                            Array all = Machine.zeros(x.type(), shape.out(), shape.in());
                            kernels.gemm(true, dy, false, x, 1, 0, all);
                            values.put(matrix, Machine.values(all));
                            for (int b = 0; b < examples; b++) {
                                long from = b * rows / examples;
                                long to = (b + 1) * rows / examples;
                                kernels.gemm(true, dy.rows(from, to), false, x.rows(from, to), 1, 0, all);
                                values.put(matrix + " of example " + b, Machine.values(all));
                            }
                        }
                    };
        }
    }
}
