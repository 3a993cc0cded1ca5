package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Nd4jKernels;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows and columns beside a frozen matrix do what the merged matrix does, forward and backward. */
class SliceTuningTest {
    private static final int EXAMPLES = 3;

    static Stream<Named<Selection>> selections() {
        return Stream.of(
                Named.of("rows", Tiny.selection("row")),
                Named.of("columns", Tiny.selection("column")),
                Named.of("min-axis", Tiny.selection("min-axis")),
                Named.of("one slice each, first and last in turn", single()),
                Named.of("a different number in each matrix, both axes", mixed()),
                Named.of(
                        "every row",
                        Tiny.everything(
                                Axis.ROW, Tiny.CONFIG.matrices().keySet().toArray(String[]::new))),
                Named.of(
                        "every column",
                        Tiny.everything(
                                Axis.COLUMN, Tiny.CONFIG.matrices().keySet().toArray(new String[0]))));
    }

    @ParameterizedTest
    @MethodSource("selections")
    void theForwardIsThatOfTheMergedWeights(Selection selection) {
        forwardIsThatOfTheMergedWeights(selection, new Nd4jKernels(), DataType.DOUBLE, 1e-12);
        forwardIsThatOfTheMergedWeights(selection, new CpuKernels(), DataType.FLOAT, 1e-5);
    }

    private static void forwardIsThatOfTheMergedWeights(
            Selection selection, Kernels kernels, DataType type, double tolerance) {
        Case tested = new Case(selection, kernels, type);
        double[] logits = tested.sliced.logits(0, EXAMPLES);
        Tiny.assertClose("logits", logits, tested.merged.logits(0, EXAMPLES), tolerance);
        tested.sliced.load(tested.start());
        assertThat(tested.sliced.logits(0, EXAMPLES)[0])
                .as("without the differences")
                .isNotCloseTo(logits[0], Offset.offset(1e-3));
    }

    @ParameterizedTest
    @MethodSource("selections")
    void gradientsAreSlicesOfTheMergedNetworksGradients(Selection selection) {
        gradientsAreSlicesOfTheMergedNetworksGradients(selection, new Nd4jKernels(), DataType.DOUBLE, 1e-11);
        gradientsAreSlicesOfTheMergedNetworksGradients(selection, new CpuKernels(), DataType.FLOAT, 2e-5);
    }

    /** Blocks below the last see the differences of the blocks above through the gradient of their input. */
    private static void gradientsAreSlicesOfTheMergedNetworksGradients(
            Selection selection, Kernels kernels, DataType type, double tolerance) {
        Case tested = new Case(selection, kernels, type);
        double[] losses = tested.sliced.backward(0, EXAMPLES);
        Tiny.assertClose("loss", losses, tested.merged.backward(0, EXAMPLES), tolerance);
        for (Slices slices : selection.slices().values()) {
            double[] dense = tested.merged.gradient(slices.matrix());
            Tiny.assertClose(
                    slices.matrix(), tested.sliced.gradient(array(slices)), Tiny.slices(slices, dense), tolerance);
        }
        for (String head : List.of(Delta.HEAD_WEIGHT, Delta.HEAD_BIAS)) {
            Tiny.assertClose(head, tested.sliced.gradient(head), tested.merged.gradient(head), tolerance);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"row", "column", "min-axis"})
    void gradientsOfTheWholeModelAreDifferenceQuotients(String orientation) {
        Bound network = new Case(Tiny.selection(orientation), new Nd4jKernels(), DataType.DOUBLE).sliced;
        network.backward(0, 2);
        Map<String, double[]> gradients = new LinkedHashMap<>();
        network.layout.arrays().keySet().forEach(name -> gradients.put(name, network.gradient(name)));
        gradients.forEach((name, gradient) -> {
            Array moved = network.values.get(name);
            double[] start = Tiny.doubles(moved);
            double[] along = Tiny.doubles(Tiny.normal(name.hashCode(), start.length, 1));
            double step = 1e-4 / Math.sqrt(start.length);
            double[] sums = new double[5]; // losses at -2, -1, 1, 2 steps
            for (int s : new int[] {-2, -1, 1, 2}) {
                double[] values = start.clone();
                for (int i = 0; i < values.length; i++) {
                    values[i] += s * step * along[i];
                }
                moved.write(values);
                network.vit.refresh();
                sums[s + 2] = sum(network.backward(0, 2));
            }
            moved.write(start);
            double slope = (8 * (sums[3] - sums[1]) - (sums[4] - sums[0])) / (12 * step);
            double expected = 0;
            for (int i = 0; i < gradient.length; i++) {
                expected += gradient[i] * along[i];
            }
            assertThat(slope).as(name).isCloseTo(expected, Offset.offset(1e-8 * (1 + Math.abs(expected))));
        });
    }

    @ParameterizedTest
    @MethodSource("selections")
    void atThePretrainedWeightsGradientsAreSlicesOfTorchs(Selection selection) {
        try (Weights weights = Tiny.headless(DataType.DOUBLE)) {
            SliceTuning tuning = new SliceTuning(selection);
            Bound network = new Bound(weights, tuning, new Nd4jKernels());
            float[] start = new float[network.layout.size()];
            Map<String, float[]> tensors = Tiny.tensors();
            network.layout.write(tensors.get(Delta.HEAD_WEIGHT), Delta.HEAD_WEIGHT, start);
            network.layout.write(tensors.get(Delta.HEAD_BIAS), Delta.HEAD_BIAS, start);
            network.load(start);
            network.backward(0, 6);
            for (Slices slices : selection.slices().values()) {
                double[] dense = Tiny.GOLDEN.tensor("grad." + slices.matrix()).doubles();
                Tiny.assertClose(slices.matrix(), network.gradient(array(slices)), Tiny.slices(slices, dense), 1e-11);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("selections")
    void whatIsTrainedComesBackFromItsDelta(Selection selection) {
        SliceTuning tuning = new SliceTuning(selection);
        Layout layout = tuning.layout(Tiny.CONFIG);
        float[] trained = Tiny.normal(3, layout.size(), 1);
        Delta delta = tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256);

        assertThat(tuning.trained(layout, delta)).isEqualTo(trained);
        assertThat(delta.selection()).isEqualTo(selection);
        assertThat(delta.trained()).isEqualTo(layout.size());
        assertThat(delta.labels()).isEqualTo(Tiny.LABELS);
        assertThat(delta.pretrainedSha256()).isEqualTo(Tiny.SHA256);
        assertThat(delta.whole()).isEmpty();
    }

    @Test
    void theLayoutIsSlicesInTheOrderOfTheNetworkThenTheHead() {
        assertThat(new SliceTuning(mixed()).layout(Tiny.CONFIG).arrays().keySet())
                .startsWith("patch_embed.proj.weight.rows", "blocks.0.attn.qkv.weight.columns")
                .endsWith("blocks.2.mlp.fc2.weight.rows", "head.weight", "head.bias")
                .hasSize(15);
    }

    @Test
    void theLinearProbeTrainsTheHeadAlone() {
        SliceTuning probe = SliceTuning.headOnly();
        assertThat(probe.layout(Tiny.CONFIG).arrays().keySet()).containsExactly("head.weight", "head.bias");
        assertThat(probe.layout(Tiny.CONFIG).size()).isEqualTo(5 * 24 + 5);
        try (Weights weights = Tiny.headless(DataType.DOUBLE)) {
            Bound network = new Bound(weights, probe, new Nd4jKernels());
            Tiny.assertClose("loss", network.backward(0, 2), new double[] {Math.log(5), Math.log(5)}, 1e-12);
            // Five equal probabilities and a zero head: the bias's gradient is 1/5 per example less 1 for each label.
            int[] labels = Tiny.batch(0, 2).labels();
            double[] bias = {0.4, 0.4, 0.4, 0.4, 0.4};
            bias[labels[0]]--;
            bias[labels[1]]--;
            Tiny.assertClose("head.bias", network.gradient("head.bias"), bias, 1e-12);
        }
    }

    @Test
    void biasesTrainWhereSlicesDoAndWhereTheyHaveTrained() {
        SliceTuning tuning = new SliceTuning(rows("blocks.1.mlp.fc1.weight"), true);
        Layout layout = tuning.layout(Tiny.CONFIG);
        assertThat(biases(tuning))
                .containsExactly(
                        "blocks.1.attn.qkv.bias",
                        "blocks.1.attn.proj.bias",
                        "blocks.1.mlp.fc1.bias",
                        "blocks.1.mlp.fc2.bias");
        Delta delta = tuning.delta(layout, new float[layout.size()], Tiny.LABELS, Tiny.SHA256);

        assertThat(biases(Tuning.of(delta))).isEqualTo(biases(tuning));
        SliceTuning later = new SliceTuning(rows("blocks.2.mlp.fc1.weight"), true).withBiasesOf(delta);
        assertThat(biases(later))
                .containsAll(biases(tuning))
                .contains("blocks.2.mlp.fc1.bias")
                .hasSize(8);
        assertThat(biases(new SliceTuning(rows("patch_embed.proj.weight"), true)))
                .containsExactly("patch_embed.proj.bias");
    }

    private static Selection rows(String matrix) {
        return new Selection(List.of(new Slices(matrix, Tiny.CONFIG.matrices().get(matrix), Axis.ROW, 1)));
    }

    private static List<String> biases(Tuning tuning) {
        return tuning.layout(Tiny.CONFIG).arrays().keySet().stream()
                .filter(name -> name.endsWith(".bias") && !Tuning.isHead(name))
                .toList();
    }

    @Test
    void slicesOfAnotherShapeAreRefused() {
        Selection wrong =
                new Selection(List.of(new Slices("blocks.0.mlp.fc1.weight", new MatrixShape(24, 48), Axis.ROW, 1)));
        assertThatThrownBy(() -> new SliceTuning(wrong).layout(Tiny.CONFIG))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 rows of blocks.0.mlp.fc1.weight [24, 48] do not fit a matrix")
                .hasMessageContaining("a matrix [48, 24]");
    }

    /** One network with slices beside its weights, one with the same numbers merged into them. */
    private static final class Case {
        final Bound sliced;
        final Bound merged;
        private final Delta delta;

        Case(Selection selection, Kernels kernels, DataType type) {
            // Multiples of 2^-12: the float addition of the merge is exact, so that both networks hold the same
            // numbers.
            Map<String, float[]> tensors = Tiny.tensors();
            tensors.values().forEach(Case::coarsen);
            SliceTuning tuning = new SliceTuning(selection);
            sliced = new Bound(Tiny.headless(tensors, type), tuning, kernels);
            float[] trained = Tiny.normal(17, sliced.layout.size(), 0.1);
            coarsen(trained);
            sliced.load(trained);
            delta = tuning.delta(sliced.layout, trained, Tiny.LABELS, Tiny.SHA256);
            delta.mergeInto(tensors);
            WholeTuning whole = new WholeTuning();
            merged = new Bound(Weights.copyOf(Tiny.CONFIG, tensors, type), whole, kernels);
        }

        /** Returns the trained vector without differences to the pretrained weights, but with the same head. */
        float[] start() {
            float[] start = new float[sliced.layout.size()];
            sliced.layout.write(delta.headWeight(), Delta.HEAD_WEIGHT, start);
            sliced.layout.write(delta.headBias(), Delta.HEAD_BIAS, start);
            return start;
        }

        private static void coarsen(float[] values) {
            for (int i = 0; i < values.length; i++) {
                values[i] = Math.round(values[i] * 4096) / 4096f;
            }
        }
    }

    private static Selection single() {
        List<Slices> all = new ArrayList<>();
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            Axis axis = all.size() % 2 == 0 ? Axis.ROW : Axis.COLUMN;
            all.add(new Slices(matrix, shape, axis, all.size() % 4 < 2 ? 0 : axis.count(shape) - 1));
        });
        return new Selection(all);
    }

    private static Selection mixed() {
        Random random = new Random(5);
        List<Slices> all = new ArrayList<>();
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            Axis axis = all.size() % 2 == 0 ? Axis.ROW : Axis.COLUMN;
            int k = 1 + all.size();
            all.add(new Slices(
                    matrix,
                    shape,
                    axis,
                    random.ints(0, axis.count(shape))
                            .distinct()
                            .limit(k)
                            .sorted()
                            .toArray()));
        });
        return new Selection(all);
    }

    private static String array(Slices slices) {
        return slices.matrix() + (slices.axis() == Axis.ROW ? ".rows" : ".columns");
    }

    private static double sum(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return sum;
    }
}
