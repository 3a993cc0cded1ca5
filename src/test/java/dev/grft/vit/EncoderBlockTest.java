package dev.grft.vit;

import static dev.grft.vit.kernels.Machine.normal;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.grft.tuning.Tiny;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The encoder block beside the naive one: output, gradient of the input and of every parameter. */
class EncoderBlockTest {
    private static final int EXAMPLES = 2;
    private static final VitConfig PLAIN = new VitConfig(4, 2, 6, 2, 2, 5, 3, 1e-6); // T = 5
    private static final VitConfig LONG = new VitConfig(8, 2, 4, 2, 2, 4, 3, 1e-6); // T = 17: the attention is not kept
    private static final VitConfig SCALED =
            VariantTest.of(PLAIN, new Variant(true, 0, 1, false, true, Activation.GELU, Pooling.CLASS_TOKEN));
    private static final int ALL_TOKENS = 0;
    private static final int CLASS_TOKEN_ONLY = 1;
    private static final String NOTHING = "nothing";

    static Stream<Arguments> blocks() {
        return Machine.here()
                .flatMap(machine -> Stream.of(PLAIN, SCALED, LONG)
                        .flatMap(config -> Stream.of(ALL_TOKENS, CLASS_TOKEN_ONLY)
                                .flatMap(index -> Stream.of(NOTHING, "qkv", "fc2", "blocks")
                                        .flatMap(trains -> Stream.of(Keep.ALL, Keep.INPUTS)
                                                .map(keep -> arguments(machine, config, index, trains, keep))))));
    }

    @ParameterizedTest
    @Tag("kernels")
    @MethodSource("blocks")
    void itComputesWhatTheNaiveBlockDoes(Machine machine, VitConfig config, int index, String trains, Keep keep) {
        String prefix = "blocks." + index + '.';
        double tolerance = machine.type() == DataType.DOUBLE ? 1e-12 : 1e-5;
        boolean classTokenOnly = index == CLASS_TOKEN_ONLY;
        int width = config.width();
        int rows = EXAMPLES * config.tokens();
        double[] x = normal(1, rows * width);
        double[] dy = normal(2, (classTokenOnly ? EXAMPLES : rows) * width);
        Map<String, double[]> parameters = new TreeMap<>();
        GradientTest.tensors(config).forEach((name, values) -> {
            if (name.startsWith(prefix)) {
                parameters.put(name.substring(prefix.length()), Tiny.doubles(values));
            }
        });
        NaiveBlock naive = new NaiveBlock(config, EXAMPLES, parameters);
        double[] y = naive.forward(x);
        double[] dx = naive.backward(classTokenOnly ? spread(dy, config) : dy);
        assertThat(naive.gradients.keySet()).containsExactlyInAnyOrderElementsOf(parameters.keySet());

        try (Weights weights = Weights.copyOf(config, GradientTest.tensors(config), machine.type(), Machine.memory())) {
            EncoderBlock block = block(config, index, weights, trains, machine.kernels(), keep);
            for (boolean inputGradient : new boolean[] {true, false}) {
                Trained trained = trained(block, machine.type());
                Array input = machine.array(x, rows, width);
                Array output = block.forward(input, EXAMPLES);
                Tiny.assertClose("y", Machine.values(output), classTokenOnly ? classTokens(y, config) : y, tolerance);

                Array gradient = block.backward(machine.array(dy, dy.length / width, width), EXAMPLES, inputGradient);
                if (inputGradient) {
                    assertThat(gradient).isNotNull();
                    Tiny.assertClose("dx", Machine.values(gradient), dx, tolerance);
                } else {
                    assertThat(gradient).isNull();
                }
                trained.gradients
                        .keySet()
                        .forEach(name -> Tiny.assertClose(
                                name,
                                trained.gradient(name),
                                naive.gradients.get(name.substring(prefix.length())),
                                tolerance));
                assertThat(trained.gradients.keySet()).hasSize((int) parameters.keySet().stream()
                        .filter(name -> (prefix + name).contains(trains))
                        .count());
            }
        }
    }

    @Test
    void gradientsThatNothingNeedsAreNotComputed() {
        assertThat(backward(NOTHING, false)).isEmpty();
        assertThat(backward("fc2", false)).containsExactly("gemm", "columnSums");
        assertThat(backward("norm2", false))
                .containsExactly("linearBackward", "geluBackward", "linearBackward", "columnDots", "columnSums");
        assertThat(backward("proj", false)).doesNotContain("attentionBackward").containsOnlyOnce("layerNormBackward");
        assertThat(backward("qkv", false)).contains("attentionBackward").containsOnlyOnce("layerNormBackward");
        assertThat(backward(NOTHING, true)).doesNotContain("columnSums", "columnDots", "scaleAndShift");
    }

    /** Returns the names of the kernels that the backward of a block calls. */
    private static List<String> backward(String trains, boolean inputGradient) {
        List<String> calls = new ArrayList<>();
        Kernels kernels = Machine.exact().kernels();
        Kernels recorded = (Kernels) Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    calls.add(method.getName());
                    return method.invoke(kernels, arguments);
                });
        try (Weights weights = GradientTest.weights(PLAIN)) {
            EncoderBlock block = block(PLAIN, ALL_TOKENS, weights, trains, recorded, Keep.ALL);
            trained(block, DataType.DOUBLE);
            Array x = Machine.array(DataType.DOUBLE, normal(1, 10 * 6), 10, 6);
            Array y = block.forward(x, EXAMPLES);
            calls.clear();
            block.backward(Machine.copy(y, y.type()), EXAMPLES, inputGradient);
            return List.copyOf(calls);
        }
    }

    private static EncoderBlock block(
            VitConfig config, int index, Weights weights, String trains, Kernels kernels, Keep keep) {
        Trainable trainable = name -> name.contains(trains);
        return new EncoderBlock(
                index, config, weights, trainable, kernels, new Buffers(kernels.memory(), weights.type(), keep));
    }

    private static Trained trained(EncoderBlock block, DataType type) {
        Trained trained = new Trained(block.trained(), type);
        block.bind(trained.bindings());
        block.refresh();
        return trained;
    }

    /** Returns the rows of the class tokens, {@code [B, D]}, of {@code y [B*T, D]}. */
    private static double[] classTokens(double[] y, VitConfig config) {
        double[] rows = new double[EXAMPLES * config.width()];
        for (int b = 0; b < EXAMPLES; b++) {
            System.arraycopy(y, b * config.tokens() * config.width(), rows, b * config.width(), config.width());
        }
        return rows;
    }

    /** Returns {@code dy [B, D]} in the rows of the class tokens, and 0 elsewhere: {@code [B*T, D]}. */
    private static double[] spread(double[] dy, VitConfig config) {
        double[] rows = new double[EXAMPLES * config.tokens() * config.width()];
        for (int b = 0; b < EXAMPLES; b++) {
            System.arraycopy(dy, b * config.width(), rows, b * config.tokens() * config.width(), config.width());
        }
        return rows;
    }
}
