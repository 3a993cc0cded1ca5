package dev.grft.vit;

import static dev.grft.vit.kernels.Machine.normal;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Differences;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every gradient by central differences in double: layer, stage and a whole model, every parameter trained. */
@Tag("kernels")
class GradientTest {
    private static final int EXAMPLES = 2;
    private static final VitConfig CONFIG = new VitConfig(4, 2, 6, 2, 2, 5, 3, 1e-6); // T = 5
    private static final Trainable WHOLE = parameter -> true;

    private final Weights weights = weights(CONFIG);
    private final Kernels kernels = Machine.exact().kernels();
    private final Buffers buffers = new Buffers(Machine.memory(), DataType.DOUBLE, Keep.ALL);

    @Test
    void linear() {
        Linear linear = new Linear("blocks.0.mlp.fc1", weights, WHOLE, kernels, buffers);
        check(
                new Part() {
                    @Override
                    public Array forward(Array x) {
                        Array y = Machine.zeros(DataType.DOUBLE, x.size(0), 5);
                        linear.forward(x, y);
                        return y;
                    }

                    @Override
                    public @Nullable Array backward(Array dy) {
                        Array dx = Machine.zeros(DataType.DOUBLE, dy.size(0), 6);
                        linear.backward(input(10, 6), dy, EXAMPLES, dx);
                        return dx;
                    }

                    @Override
                    public void refresh() {
                        linear.refresh();
                    }
                },
                bind(linear.trained(), linear::bind),
                input(10, 6));
    }

    @Test
    void layerNorm() {
        LayerNorm norm = new LayerNorm("norm", 1e-6, weights, WHOLE, kernels, buffers);
        check(
                new Part() {
                    @Override
                    public Array forward(Array x) {
                        Array y = Machine.zeros(x.type(), x.shape());
                        norm.forward(x, true, y);
                        return y;
                    }

                    @Override
                    public @Nullable Array backward(Array dy) {
                        Array dx = Machine.zeros(DataType.DOUBLE, dy.shape());
                        norm.backward(dy, dx);
                        return dx;
                    }

                    @Override
                    public void refresh() {
                        norm.refresh();
                    }
                },
                bind(norm.trained(), norm::bind),
                input(10, 6));
    }

    @Test
    void patchEmbedding() {
        checkStage(new PatchEmbedding(CONFIG, weights, WHOLE, kernels, buffers), input(EXAMPLES, 3, 4, 4), false);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1}) // all tokens; the class token
    void encoderBlock(int index) {
        checkStage(new EncoderBlock(index, CONFIG, weights, WHOLE, kernels, buffers), input(10, 6), true);
    }

    @Test
    void classifier() {
        checkStage(new Classifier(CONFIG, weights, WHOLE, kernels, buffers), input(EXAMPLES, 6), true);
    }

    @Test
    void classifierWithoutHead() {
        checkStage(new Classifier(CONFIG.withClasses(0), weights, WHOLE, kernels, buffers), input(EXAMPLES, 6), true);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void wholeModel(boolean withHead) {
        wholeModel(CONFIG, withHead);
    }

    @ParameterizedTest
    @MethodSource
    void wholeModelThatDropsPaths(Variant form, Keep keep) {
        VitConfig config = VariantTest.of(new VitConfig(4, 2, 6, 3, 2, 5, 3, 1e-6), form);
        Vit vit = new Vit(weights(config), WHOLE, kernels, keep);
        Trained trained = Trained.of(vit, DataType.DOUBLE);
        Array images = input(EXAMPLES, 3, 4, 4);
        double[] whole = Machine.values(vit.forward(images));
        vit.dropPaths(0.5, new long[] {4, 5});
        assertThat(Machine.values(vit.forward(images))).isNotEqualTo(whole);
        wholeModel(config, true, vit, trained);
        vit.dropPaths(0, new long[0]);
        assertThat(Machine.values(vit.forward(images))).isEqualTo(whole);
    }

    static List<Arguments> wholeModelThatDropsPaths() {
        return List.of(
                arguments(Variant.PLAIN, Keep.ALL),
                arguments(Variant.PLAIN, Keep.INPUTS),
                arguments(wholeModelsThatAreNotPlain().get(0), Keep.ALL));
    }

    @Test
    void wholeModelThatKeepsNoAttention() {
        VitConfig config = new VitConfig(8, 2, 4, 2, 2, 4, 3, 1e-6); // T = 17
        assertThat(config.keepsAttention()).isFalse();
        assertThat(CONFIG.keepsAttention()).isTrue();
        wholeModel(config, true);
    }

    @ParameterizedTest
    @MethodSource
    void wholeModelsThatAreNotPlain(Variant form) {
        wholeModel(VariantTest.of(CONFIG, form), true);
    }

    /** Returns forms that have, between them, everything in which a model may differ. */
    static List<Variant> wholeModelsThatAreNotPlain() {
        return List.of(
                new Variant(true, 2, 1, true, true, Activation.QUICK_GELU, Pooling.CLASS_TOKEN_AND_MEAN),
                new Variant(true, 2, 3, false, false, Activation.GELU, Pooling.MEAN_THEN_NORM),
                new Variant(false, 1, 0, false, true, Activation.TANH_GELU, Pooling.MEAN),
                new Variant(true, 0, 0, true, true, Activation.GELU, Pooling.CLASS_TOKEN));
    }

    private void wholeModel(VitConfig config, boolean withHead) {
        Vit vit = new Vit(weights(config), WHOLE, kernels, Keep.ALL);
        wholeModel(config, withHead, vit, Trained.of(vit, DataType.DOUBLE));
    }

    private static void wholeModel(VitConfig config, boolean withHead, Vit vit, Trained trained) {
        if (!withHead) {
            requireNonNull(trained.gradients.get("head.weight")).fill(7);
            requireNonNull(trained.gradients.get("head.bias")).fill(7);
        }
        check(
                new Part() {
                    @Override
                    public Array forward(Array x) {
                        return withHead ? vit.forward(x) : vit.features(x);
                    }

                    @Override
                    public @Nullable Array backward(Array dy) {
                        if (withHead) {
                            vit.backward(dy);
                        } else {
                            vit.backwardFeatures(dy);
                            // The features do not depend on the head: nothing to write, and 0 is what check expects.
                            assertThat(trained.gradient("head.weight")).containsOnly(7);
                            assertThat(trained.gradient("head.bias")).containsOnly(7);
                            requireNonNull(trained.gradients.get("head.weight")).fill(0);
                            requireNonNull(trained.gradients.get("head.bias")).fill(0);
                        }
                        return null;
                    }

                    @Override
                    public void refresh() {
                        vit.refresh();
                    }
                },
                trained,
                input(EXAMPLES, 3, config.imageSize(), config.imageSize()));
        assertThat(trained.gradients.keySet())
                .containsExactlyInAnyOrderElementsOf(config.tensors().keySet());
    }

    /** Something with a forward and a backward; the backward's result is null where the input has no gradient. */
    private interface Part {
        Array forward(Array x);

        @Nullable
        Array backward(Array dy);

        void refresh();
    }

    private interface Binding {
        void to(Bindings bindings);
    }

    private void checkStage(Stage stage, Array x, boolean inputGradient) {
        check(
                new Part() {
                    @Override
                    public Array forward(Array in) {
                        return stage.forward(in, EXAMPLES);
                    }

                    @Override
                    public @Nullable Array backward(Array dy) {
                        return stage.backward(dy, EXAMPLES, inputGradient);
                    }

                    @Override
                    public void refresh() {
                        stage.refresh();
                    }
                },
                bind(stage.trained(), stage::bind),
                x);
    }

    /** Compares the gradients of the sum of {@code direction * forward(x)} with differences. */
    private static void check(Part part, Trained trained, Array x) {
        part.refresh();
        double[] direction = normal(99, (int) part.forward(x).length());
        Array y = part.forward(x);
        Array dx = part.backward(Machine.array(DataType.DOUBLE, direction, y.shape()));
        if (dx != null) {
            checkSlopes("the input", Machine.values(dx), part, x, x, direction);
        }
        assertThat(trained.values).isNotEmpty();
        trained.values.forEach((name, value) -> checkSlopes(name, trained.gradient(name), part, value, x, direction));
    }

    /**
     * Compares along two random directions of the array {@code moved}: a gradient with one wrong entry has another slope along
     * almost every direction.
     */
    private static void checkSlopes(
            String name, double[] gradient, Part part, Array moved, Array x, double[] direction) {
        double[] start = Machine.values(moved);
        assertThat(gradient).as(name).hasSameSizeAs(start);
        for (int seed = 0; seed < 2; seed++) {
            double[] along = normal(1000 + seed, start.length);
            double slope = Differences.gradient(
                    distance -> {
                        double[] values = start.clone();
                        for (int i = 0; i < values.length; i++) {
                            values[i] += distance[0] * along[i];
                        }
                        moved.write(values);
                        part.refresh();
                        return dot(direction, Machine.values(part.forward(x)));
                    },
                    new double[1],
                    2e-4)[0];
            moved.write(start);
            double scale = 1 + Math.sqrt(dot(gradient, gradient) * dot(along, along));
            assertThat(dot(gradient, along)).as(name).isCloseTo(slope, Offset.offset(1e-9 * scale));
        }
        part.refresh();
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static Trained bind(List<TrainedArray> arrays, Binding binding) {
        Trained trained = new Trained(arrays, DataType.DOUBLE);
        binding.to(trained.bindings());
        return trained;
    }

    private static Array input(long... shape) {
        int length = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        return Machine.array(DataType.DOUBLE, normal(5, length), shape);
    }

    static Weights weights(VitConfig config) {
        return Weights.copyOf(config, tensors(config), DataType.DOUBLE, Machine.memory());
    }

    /** Returns random numbers for every tensor, those that scale about 1. */
    static Map<String, float[]> tensors(VitConfig config) {
        Map<String, float[]> tensors = new HashMap<>();
        config.tensors().forEach((name, shape) -> {
            double[] values = normal(name.hashCode(), (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b));
            float[] floats = new float[values.length];
            for (int i = 0; i < floats.length; i++) {
                floats[i] = (float) (0.5 * values[i]) + (name.matches(".*norm(.|_pre)?\\.weight|.*gamma") ? 1 : 0);
            }
            tensors.put(name, floats);
        });
        return tensors;
    }
}
