package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Nd4jKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The methods that train something else than slices, or something beside them: what they compute, and that their deltas say the same. */
class AdditionTuningTest {
    private static final int EXAMPLES = 3;

    private static Map<String, MatrixShape> matrices(String... ends) {
        Map<String, MatrixShape> found = new LinkedHashMap<>();
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            for (String end : ends) {
                if (matrix.endsWith(end + ".weight")) {
                    found.put(matrix, shape);
                }
            }
        });
        return found;
    }

    private static EntryTuning entries(int perRow) {
        List<Entries> all = new ArrayList<>();
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            float[] gradient = Tiny.normal(matrix.hashCode(), (int) shape.size(), 1);
            all.add(Entries.largest(matrix, shape, gradient, perRow));
        });
        return new EntryTuning(all);
    }

    static Stream<Named<Tuning>> merging() {
        return Stream.of(
                Named.of("gps, one entry", entries(1)),
                Named.of("gps, two entries", entries(2)),
                Named.of("lora everywhere", new LoraTuning(matrices("qkv", "proj", "fc1", "fc2"), 3, 0.7, 0)),
                Named.of("lora of one matrix", new LoraTuning(matrices("blocks.1.mlp.fc1"), 1, 2, 0)),
                Named.of("lora with dropout", new LoraTuning(matrices("qkv", "fc2"), 2, 1, 0.3)),
                Named.of("bitfit", WholeTuning.biases()),
                Named.of("rows and biases", new SliceTuning(Tiny.selection("row"), true)),
                Named.of("columns and biases", new SliceTuning(Tiny.selection("column"), true)));
    }

    static Stream<Named<Tuning>> all() {
        return Stream.concat(
                merging(),
                Stream.of(
                        Named.of("houlsby", new AdapterTuning(matrices("attn.proj", "mlp.fc2"), 4, 1)),
                        Named.of("pfeiffer, scaled", new AdapterTuning(matrices("mlp.fc2"), 3, 0.5)),
                        Named.of("behind one map", new AdapterTuning(matrices("blocks.2.attn.proj"), 1, 2)),
                        Named.of("behind the attention's input", new AdapterTuning(matrices("attn.qkv"), 2, 1)),
                        Named.of("before the GELU", new AdapterTuning(matrices("mlp.fc1"), 2, 1))));
    }

    static Stream<Named<Tuning>> every() {
        return Stream.concat(
                all(),
                Stream.of(
                        Named.of("rows", new SliceTuning(Tiny.selection("row"))),
                        Named.of("columns", new SliceTuning(Tiny.selection("column"))),
                        Named.of("head", SliceTuning.headOnly()),
                        Named.of("everything", new WholeTuning())));
    }

    @Test
    void anAdapterReadsTheOutputOfItsMapWithTheBias() {
        String fc1 = "blocks.0.mlp.fc1.weight";
        MatrixShape shape = matrices("blocks.0.mlp.fc1").get(fc1);
        assertThat(new AdapterTuning(matrices("mlp.fc1"), 2, 1).trainable().adaptation(fc1, shape))
                .matches(Adaptation::readsOutput);
        assertThat(new LoraTuning(matrices("mlp.fc1"), 2, 1, 0).trainable().adaptation(fc1, shape))
                .matches(lora -> !lora.readsOutput());
    }

    @ParameterizedTest
    @MethodSource("every")
    void aForwardThatIsComputedAgainGivesTheSameGradients(Tuning tuning) {
        givesTheSameGradientsAgain(tuning, false);
    }

    @ParameterizedTest
    @MethodSource("every")
    void soItDoesInBf16(Tuning tuning) {
        Machine.needBf16();
        givesTheSameGradientsAgain(tuning, true);
    }

    /** Also where a method reads and adds to arrays that are kept in bfloat16. */
    @ParameterizedTest
    @MethodSource("every")
    void gradientsInBf16AreThoseInFloatButForRounding(Tuning tuning) {
        Machine.needBf16();
        Bound floats = new Bound(Tiny.headless(DataType.FLOAT), tuning, new CpuKernels());
        Bound narrow = new Bound(Tiny.headless(DataType.FLOAT), tuning, new CpuKernels(true));
        float[] trained = Tiny.normal(17, floats.layout.size(), 0.1);
        for (Bound one : List.of(floats, narrow)) {
            one.load(trained);
            one.begin(4, 5, 6);
            one.backward(0, 3);
        }
        double error = 0;
        double all = 0;
        for (String name : floats.layout.arrays().keySet()) {
            double[] exact = floats.gradient(name);
            double[] rounded = narrow.gradient(name);
            for (int i = 0; i < exact.length; i++) {
                error += (rounded[i] - exact[i]) * (rounded[i] - exact[i]);
                all += exact[i] * exact[i];
            }
        }
        assertThat(Math.sqrt(error / all)).isBetween(1e-5, 0.03);
    }

    private static void givesTheSameGradientsAgain(Tuning tuning, boolean bf16) {
        Bound kept = new Bound(Tiny.headless(DataType.FLOAT), tuning, new CpuKernels(bf16), Keep.ALL);
        Bound again = new Bound(Tiny.headless(DataType.FLOAT), tuning, new CpuKernels(bf16), Keep.INPUTS);
        float[] trained = Tiny.normal(17, kept.layout.size(), 0.1);
        for (Bound one : List.of(kept, again)) {
            one.load(trained);
        }
        for (int examples : new int[] {3, 1, 2}) { // the arrays serve batches of every size
            for (Bound one : List.of(kept, again)) {
                one.begin(Arrays.copyOf(new long[] {4, 5, 6}, examples));
            }
            assertThat(again.backward(0, examples)).isEqualTo(kept.backward(0, examples));
            kept.layout
                    .arrays()
                    .keySet()
                    .forEach(name -> assertThat(again.gradient(name)).as(name).isEqualTo(kept.gradient(name)));
        }
    }

    @ParameterizedTest
    @MethodSource("merging")
    void theForwardIsThatOfTheMergedWeights(Tuning tuning) {
        // The merge is in float: an entry of the merged weights is off by up to half a unit in the last place.
        forwardIsThatOfTheMergedWeights(tuning, new Nd4jKernels(), DataType.DOUBLE, 1e-6);
        forwardIsThatOfTheMergedWeights(tuning, new CpuKernels(), DataType.FLOAT, 2e-5);
    }

    private static void forwardIsThatOfTheMergedWeights(
            Tuning tuning, Kernels kernels, DataType type, double tolerance) {
        Map<String, float[]> tensors = Tiny.tensors();
        Bound added = new Bound(Tiny.headless(type), tuning, kernels);
        float[] trained = Tiny.normal(17, added.layout.size(), 0.1);
        added.load(trained);
        tuning.delta(added.layout, trained, Tiny.LABELS, Tiny.SHA256).mergeInto(tensors);
        Bound merged = new Bound(Weights.copyOf(Tiny.CONFIG, tensors, type), new WholeTuning(), kernels);

        double[] logits = added.logits(0, EXAMPLES);
        Tiny.assertClose("logits", logits, merged.logits(0, EXAMPLES), tolerance);
        added.load(new float[trained.length]);
        assertThat(added.logits(0, EXAMPLES)[0]).as("untrained").isNotCloseTo(logits[0], Offset.offset(1e-3));
    }

    @ParameterizedTest
    @MethodSource("merging")
    void mergingLeavesEveryOtherNumberAlone(Tuning tuning) {
        Layout layout = tuning.layout(Tiny.CONFIG);
        Map<String, float[]> before = Tiny.tensors();
        Map<String, float[]> after = Tiny.copy(before);
        Delta delta = tuning.delta(layout, Tiny.normal(3, layout.size(), 1), Tiny.LABELS, Tiny.SHA256);
        delta.mergeInto(after);

        delta.changed().forEach(name -> {
            before.remove(name);
            after.remove(name);
        });
        before.keySet().removeIf(name -> name.startsWith("head."));
        after.keySet().removeIf(name -> name.startsWith("head."));
        Tiny.assertSameBits(after, before);
    }

    @Test
    void everyEntryIsTheWholeMatrix() {
        forwardIsThatOfTheMergedWeights(entries(1000), new CpuKernels(), DataType.FLOAT, 2e-5);
    }

    @Test
    void entriesThatAreNotTrainedKeepTheirBits() {
        EntryTuning tuning = entries(2);
        Layout layout = tuning.layout(Tiny.CONFIG);
        Map<String, float[]> before = Tiny.tensors();
        Map<String, float[]> after = Tiny.copy(before);
        tuning.delta(layout, Tiny.normal(3, layout.size(), 1), Tiny.LABELS, Tiny.SHA256)
                .mergeInto(after);

        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            int[] old = Tiny.bits(before.get(matrix));
            int[] now = Tiny.bits(after.get(matrix));
            for (int o = 0; o < shape.out(); o++) {
                int changed = 0;
                for (int i = 0; i < shape.in(); i++) {
                    changed += old[o * shape.in() + i] == now[o * shape.in() + i] ? 0 : 1;
                }
                assertThat(changed).as("row %s of %s", o, matrix).isEqualTo(2);
            }
        });
    }

    @ParameterizedTest
    @MethodSource("all")
    void gradientsAreDifferenceQuotients(Tuning tuning) {
        Bound network = new Bound(Tiny.headless(DataType.DOUBLE), tuning, new Nd4jKernels());
        network.begin(99, 98);
        network.load(Tiny.normal(17, network.layout.size(), 0.1));
        network.backward(0, 2);
        Map<String, double[]> gradients = new LinkedHashMap<>();
        network.layout.arrays().keySet().forEach(name -> gradients.put(name, network.gradient(name)));
        float[] start = Tiny.normal(17, network.layout.size(), 0.1);
        for (int seed = 0; seed < 2; seed++) {
            // Along some direction of all trained numbers; logitsAndGradientsAreTorchs looks at each of them.
            Map<String, double[]> along = new LinkedHashMap<>();
            double expected = 0;
            for (Map.Entry<String, double[]> gradient : gradients.entrySet()) {
                int length = gradient.getValue().length;
                double[] part =
                        Tiny.doubles(Tiny.normal(seed + gradient.getKey().hashCode(), length, 1));
                along.put(gradient.getKey(), part);
                for (int i = 0; i < length; i++) {
                    expected += gradient.getValue()[i] * part[i];
                }
            }
            double step = 1e-4 / Math.sqrt(start.length);
            double[] sums = new double[5]; // losses at -2, -1, 1, 2 steps
            for (int s : new int[] {-2, -1, 1, 2}) {
                along.forEach((name, part) -> {
                    double[] values = Tiny.doubles(Tuning.read(network.layout, start, name));
                    for (int i = 0; i < values.length; i++) {
                        values[i] += s * step * part[i];
                    }
                    network.values.get(name).write(values);
                });
                network.vit.refresh();
                for (double loss : network.backward(0, 2)) {
                    sums[s + 2] += loss;
                }
            }
            double slope = (8 * (sums[3] - sums[1]) - (sums[4] - sums[0])) / (12 * step);
            assertThat(slope).isCloseTo(expected, Offset.offset(1e-7 * (1 + Math.abs(expected))));
        }
    }

    private static Tuning golden(String method, Safetensors file) {
        List<Entries> entries = new ArrayList<>();
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            int[] columns =
                    file.tensor("gps." + Entries.name(matrix) + ".columns").ints();
            entries.add(new Entries(matrix, shape, columns, new float[columns.length]));
        });
        return switch (method) {
            case "gps" -> new EntryTuning(entries);
            case "lora" -> new LoraTuning(matrices("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"), 3, 0.5, 0);
            default -> new AdapterTuning(matrices("attn.proj", "mlp.fc2"), 4, 0.5);
        };
    }

    /** Of LoRA, those of Hugging Face's peft. */
    @ParameterizedTest
    @ValueSource(strings = {"gps", "lora", "adapter"})
    void logitsAndGradientsAreTorchs(String method) {
        Safetensors file = Tiny.read("methods.safetensors");
        Tuning tuning = golden(method, file);
        Map<String, float[]> pretrained = Tiny.tensors();
        for (DataType type : List.of(DataType.DOUBLE, DataType.FLOAT)) {
            boolean exact = type == DataType.DOUBLE;
            Bound network = new Bound(Tiny.headless(type), tuning, exact ? new Nd4jKernels() : new CpuKernels());
            float[] trained = new float[network.layout.size()];
            network.layout.arrays().keySet().forEach(name -> {
                float[] numbers = pretrained.get(name);
                if (!name.startsWith("head.")) {
                    double[] stored = file.tensor(method + "." + name).doubles();
                    numbers = new float[stored.length];
                    for (int i = 0; i < stored.length; i++) {
                        numbers[i] = (float) stored[i];
                    }
                }
                network.layout.write(numbers, name, trained);
            });
            network.load(trained);
            Tiny.assertClose(
                    "logits",
                    network.logits(0, 6),
                    file.tensor(method + ".logits").doubles(),
                    exact ? 1e-12 : 2e-5);
            network.backward(0, 6);
            for (String name : network.layout.arrays().keySet()) {
                if (!name.startsWith("head.")) {
                    Tiny.assertClose(
                            name,
                            network.gradient(name),
                            file.tensor(method + ".grad." + name).doubles(),
                            exact ? 1e-11 : 5e-5);
                }
            }
        }
    }

    @Test
    void theEntriesOfTheLargestSummedGradientAreTorchs() {
        Safetensors file = Tiny.read("methods.safetensors");
        Tiny.CONFIG.matrices().forEach((matrix, shape) -> {
            double[] gradient = Tiny.GOLDEN.tensor("grad." + matrix).doubles();
            float[] rounded = new float[gradient.length];
            for (int i = 0; i < rounded.length; i++) {
                rounded[i] = (float) gradient[i];
            }
            assertThat(Entries.largest(matrix, shape, rounded, 2).columns())
                    .as(matrix)
                    .isEqualTo(file.tensor("gps." + Entries.name(matrix) + ".columns")
                            .ints());
        });
    }

    @ParameterizedTest
    @MethodSource("all")
    void theFastKernelsHaveTheSameGradients(Tuning tuning) {
        Bound slow = new Bound(Tiny.headless(DataType.DOUBLE), tuning, new Nd4jKernels());
        Bound fast = new Bound(Tiny.headless(DataType.FLOAT), tuning, new CpuKernels());
        float[] trained = Tiny.normal(17, slow.layout.size(), 0.1);
        for (Bound network : List.of(slow, fast)) {
            network.begin(99, 98, 97);
            network.load(trained);
            network.backward(0, EXAMPLES);
        }
        for (String name : slow.layout.arrays().keySet()) {
            Tiny.assertClose(name, fast.gradient(name), slow.gradient(name), 2e-5);
        }
    }

    @ParameterizedTest
    @MethodSource("all")
    void whatIsTrainedComesBackFromItsDeltaWhichKnowsItsTuning(Tuning tuning) {
        Layout layout = tuning.layout(Tiny.CONFIG);
        float[] trained = Tiny.normal(3, layout.size(), 1);
        Delta delta = tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256);

        assertThat(delta.trained()).isEqualTo(layout.size());
        assertThat(tuning.trained(layout, delta)).isEqualTo(trained);
        Tuning again = Tuning.of(delta);
        assertThat(again.layout(Tiny.CONFIG).arrays()).isEqualTo(layout.arrays());
        assertThat(again.trained(layout, delta)).isEqualTo(trained);
        assertThat(again.delta(layout, trained, Tiny.LABELS, Tiny.SHA256)).isEqualTo(delta);
    }

    @Test
    void everyMethodTrainsWhatItsPaperSays() {
        int head = 5 * 24 + 5;
        int neurons = 24 + 3 * (72 + 24 + 48 + 24);
        assertThat(entries(2).layout(Tiny.CONFIG).size()).isEqualTo(2 * neurons + neurons + head);
        assertThat(new LoraTuning(matrices("qkv"), 4, 1, 0).layout(Tiny.CONFIG).size())
                .isEqualTo(3 * 4 * (72 + 24) + head);
        assertThat(new AdapterTuning(matrices("proj", "fc2"), 4, 1)
                        .layout(Tiny.CONFIG)
                        .arrays()
                        .keySet())
                .contains("blocks.0.attn.proj.adapter.down.weight", "blocks.2.mlp.fc2.adapter.up.bias");
        assertThat(new AdapterTuning(matrices("fc2"), 4, 1).layout(Tiny.CONFIG).size())
                .isEqualTo(3 * (2 * 4 * 24 + 4 + 24) + head);
        int norms = 24 * (2 * 3 + 1);
        assertThat(WholeTuning.biases().layout(Tiny.CONFIG).size()).isEqualTo(neurons + norms + head);
        Selection slices = Tiny.selection("row");
        assertThat(new SliceTuning(slices, true).layout(Tiny.CONFIG).size())
                .isEqualTo(new SliceTuning(slices).layout(Tiny.CONFIG).size() + neurons);
        assertThat(new SliceTuning(slices, true).layout(Tiny.CONFIG).arrays().keySet())
                .filteredOn(name -> name.endsWith(".bias"))
                .as("the biases that GPS trains")
                .containsExactlyElementsOf(entries(1).layout(Tiny.CONFIG).arrays().keySet().stream()
                        .filter(name -> name.endsWith(".bias"))
                        .toList());
    }

    @Test
    void numbersAreDroppedInTrainingOnlyAndTheSameOnesForTheSameSeed() {
        Bound network =
                new Bound(Tiny.headless(DataType.FLOAT), new LoraTuning(matrices("fc1"), 2, 1, 0.5), new CpuKernels());
        network.load(Tiny.normal(17, network.layout.size(), 0.1));
        network.begin(1);
        double[] one = network.logits(0, 1);
        network.begin(2);
        double[] two = network.logits(0, 1);
        network.begin(1);
        assertThat(network.logits(0, 1)).isEqualTo(one).isNotEqualTo(two);

        Bound without =
                new Bound(Tiny.headless(DataType.FLOAT), new LoraTuning(matrices("fc1"), 2, 1, 0), new CpuKernels());
        without.load(Tiny.normal(17, network.layout.size(), 0.1));
        network.begin();
        assertThat(network.logits(0, 1)).isEqualTo(without.logits(0, 1));
    }

    @Test
    void theLargestEntriesOfEachRowAreChosenAndTiesGoToTheLowerColumn() {
        Entries entries = Entries.largest(
                "blocks.0.mlp.fc1.weight", new MatrixShape(2, 4), new float[] {1, -3, 3, 2, 0, 0, 0, -1}, 2);

        assertThat(entries.columns()).containsExactly(1, 3, 2, 0);
        assertThat(entries.perRow()).isEqualTo(2);
        assertThatThrownBy(() -> new Entries("m", new MatrixShape(1, 4), new int[] {1, 1}, new float[2]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("m: row 0 has the columns [1, 1], expected distinct ones in [0, 4)");
    }

    @Test
    void anAdapterCannotBeMergedAndChangesNothing() {
        Tuning tuning = new AdapterTuning(matrices("fc2"), 4, 1);
        Layout layout = tuning.layout(Tiny.CONFIG);
        Delta delta = tuning.delta(layout, Tiny.normal(3, layout.size(), 1), Tiny.LABELS, Tiny.SHA256);
        Map<String, float[]> tensors = Tiny.tensors();

        assertThatThrownBy(() -> delta.mergeInto(tensors))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("blocks.0.mlp.fc2.weight has an adapter behind it");
        Tiny.assertSameBits(tensors, Tiny.tensors());
    }
}
