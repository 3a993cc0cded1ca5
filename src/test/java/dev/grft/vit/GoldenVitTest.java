package dev.grft.vit;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.MatrixShape;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The tiny model of timm: logits, losses, every gradient and every score, on every machine. */
@ParameterizedClass
@MethodSource("dev.grft.vit.kernels.Machine#here")
@Tag("kernels")
class GoldenVitTest {
    private static final Safetensors GOLDEN = Golden.read("tiny/golden.safetensors");
    private static final Safetensors CONTRASTIVE = Golden.read("tiny/contrastive.safetensors");
    private static final int EXAMPLES = 6;

    private final Machine machine;
    private final DataType type;
    private final double tolerance; // relative to the largest number of an array

    GoldenVitTest(Machine machine) {
        this.machine = machine;
        this.type = machine.type();
        this.tolerance = type == DataType.DOUBLE ? 1e-11 : 1e-5;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tiny", "tiny-fp16", "tiny-bf16"})
    void logitsAndFeaturesAreTimms(String folder) {
        Safetensors golden = Golden.read(folder + "/golden.safetensors");
        try (Weights weights = Golden.weights(folder, type)) {
            for (boolean backward : new boolean[] {true, false}) {
                Vit vit = new Vit(weights, Trainable.NOTHING, machine.kernels(), backward ? Keep.ALL : Keep.NOTHING);
                Array images = Golden.array(golden, "input", type);
                close("logits", vit.forward(images), Golden.doubles(golden, "logits"));
                close("features", vit.features(images), Golden.doubles(golden, "features"));
            }
        }
    }

    @Test
    void lossesAndEveryGradientAreTorchs() {
        try (Weights weights = Golden.weights("tiny", type)) {
            Vit vit = new Vit(weights, parameter -> true, machine.kernels(), Keep.ALL);
            Trained trained = Trained.of(vit, type);
            close("loss", step(vit, 0, EXAMPLES), Golden.doubles(GOLDEN, "loss"));
            assertThat(trained.gradients.keySet())
                    .containsExactlyInAnyOrderElementsOf(Golden.TINY.tensors().keySet());
            for (String name : trained.gradients.keySet()) {
                close(name, trained.gradient(name), Golden.doubles(GOLDEN, "grad." + name));
            }
        }
    }

    @Test
    void aParameterThatTrainsAloneHasTheSameGradient() {
        try (Weights weights = Golden.weights("tiny", type)) {
            for (String name : Golden.TINY.tensors().keySet()) {
                Vit vit = new Vit(weights, name::equals, machine.kernels(), Keep.ALL);
                Trained trained = Trained.of(vit, type);
                step(vit, 0, EXAMPLES);
                close(name, trained.gradient(name), Golden.doubles(GOLDEN, "grad." + name));
                assertThat(trained.gradients).hasSize(1);
            }
        }
    }

    @Test
    void gradientsOfTheContrastiveLossAreTorchs() {
        String fc1 = "blocks.1.mlp.fc1.weight";
        try (Weights weights = Golden.weights("tiny", type)) {
            Kernels kernels = machine.kernels();
            Vit vit = new Vit(weights, fc1::equals, kernels, Keep.ALL);
            Trained trained = Trained.of(vit, type);
            Array first = Golden.array(CONTRASTIVE, "input.view1", type);
            long[] shape = first.shape();
            shape[0] *= 2;
            Array images = Machine.zeros(type, shape);
            images.rows(0, shape[0] / 2).copy(first);
            images.rows(shape[0] / 2, shape[0]).copy(Golden.array(CONTRASTIVE, "input.view2", type));
            Array features = vit.features(images);
            close("features", features, Golden.doubles(CONTRASTIVE, "features"));

            int n = 2 * EXAMPLES;
            int[] labels = CONTRASTIVE.tensor("labels").ints();
            double[] same = new double[n * n];
            for (int i = 0; i < n * n; i++) {
                same[i] = i / n != i % n && labels[i / n % EXAMPLES] == labels[i % n % EXAMPLES] ? 1 : 0;
            }
            Array losses = machine.garbage(n);
            Array dfeatures = machine.garbage(n, Golden.TINY.width());
            kernels.contrastive(features, machine.array(same, n, n), 0.07, losses, dfeatures);
            double loss = Arrays.stream(Machine.values(losses)).sum() / n;
            close("loss", new double[] {loss}, Golden.doubles(CONTRASTIVE, "loss"));
            dfeatures.write(Arrays.stream(dfeatures.doubles()).map(d -> d / n).toArray());
            close("features", dfeatures, Golden.doubles(CONTRASTIVE, "grad.features"));

            vit.backwardFeatures(dfeatures);
            close(fc1, trained.gradient(fc1), Golden.doubles(CONTRASTIVE, "grad." + fc1));
        }
    }

    @Test
    void normalizedFeaturesHaveTheSameContrastiveLoss() {
        int n = 2 * EXAMPLES;
        double[] same = new double[n * n];
        for (int i = 0; i < n; i++) {
            same[i * n + (i + EXAMPLES) % n] = 1;
        }
        Array dfeatures = machine.garbage(n, Golden.TINY.width());
        Array losses = machine.garbage(n);
        Array again = machine.garbage(n);
        Array positives = machine.array(same, n, n);
        machine.kernels().contrastive(Golden.array(CONTRASTIVE, "features", type), positives, 0.07, losses, dfeatures);
        machine.kernels()
                .contrastive(Golden.array(CONTRASTIVE, "features.normalized", type), positives, 0.07, again, dfeatures);
        close("losses", again, Machine.values(losses));
    }

    @Test
    void scoresAreTorchs() {
        Map<String, List<int[]>> kinds = new LinkedHashMap<>();
        kinds.put("example", List.of(new int[] {0, 6}));
        kinds.put("batch", List.of(new int[] {0, 3}, new int[] {3, 6}));
        kinds.put("summed", List.of(new int[] {0, 6}));
        kinds.forEach((kind, batches) -> {
            Watch watch = new Watch(kind.equals("example"));
            try (Weights weights = Golden.weights("tiny", type)) {
                Vit vit = new Vit(weights, watch, machine.kernels(), Keep.ALL);
                vit.bind(new Bindings(Map.of(), Map.of()));
                for (int[] batch : batches) {
                    step(vit, batch[0], batch[1]);
                }
            }
            assertThat(watch.rows.keySet()).containsAll(Golden.TINY.matrices().keySet());
            for (String matrix : Golden.TINY.matrices().keySet()) {
                String score = "score." + kind + ".";
                close(matrix, requireNonNull(watch.rows.get(matrix)), Golden.doubles(GOLDEN, score + "rows." + matrix));
                close(
                        matrix,
                        requireNonNull(watch.columns.get(matrix)),
                        Golden.doubles(GOLDEN, score + "columns." + matrix));
            }
        });
    }

    @Test
    void scoresPerExampleDoNotDependOnTheBatches() {
        Watch[] watches = {new Watch(true), new Watch(true)};
        for (int size : new int[] {1, 4}) {
            try (Weights weights = Golden.weights("tiny", type)) {
                Vit vit = new Vit(weights, watches[size / 4], machine.kernels(), Keep.ALL);
                for (int from = 0; from < EXAMPLES; from += size) {
                    step(vit, from, Math.min(EXAMPLES, from + size));
                }
            }
        }
        watches[0].rows.forEach(
                (matrix, rows) -> close(matrix, requireNonNull(watches[1].rows.get(matrix)), Machine.values(rows)));
    }

    @Test
    void frozenWeightsKeepTheirBits() {
        for (Trainable trainable : List.<Trainable>of(parameter -> true, p -> p.startsWith("head."), new Watch(true))) {
            try (Weights weights = Golden.weights("tiny", type)) {
                Map<String, double[]> before = numbers(weights);
                Vit vit = new Vit(weights, trainable, machine.kernels(), Keep.ALL);
                Trained trained = Trained.of(vit, type);
                trained.values.values().forEach(value -> value.fill(0.25));
                vit.refresh();
                step(vit, 0, EXAMPLES);
                vit.backwardFeatures(vit.features(Golden.array(GOLDEN, "input", type)));
                Map<String, double[]> after = numbers(weights);
                before.forEach((name, numbers) -> {
                    for (int i = 0; i < numbers.length; i++) {
                        assertThat(Double.doubleToRawLongBits(requireNonNull(after.get(name))[i]))
                                .as("%s, entry %s", name, i)
                                .isEqualTo(Double.doubleToRawLongBits(numbers[i]));
                    }
                });
            }
        }
    }

    @Test
    void theSameStepTwiceGivesTheSameBits() {
        List<Map<String, double[]>> runs = new ArrayList<>();
        for (int run = 0; run < 2; run++) {
            try (Weights weights = Golden.weights("tiny", type)) {
                Vit vit = new Vit(weights, parameter -> true, machine.kernels(), Keep.ALL);
                Trained trained = Trained.of(vit, type);
                step(vit, 0, 5); // leaves its traces in every buffer
                step(vit, 0, EXAMPLES);
                Map<String, double[]> gradients = new LinkedHashMap<>();
                trained.gradients.keySet().forEach(name -> gradients.put(name, trained.gradient(name)));
                runs.add(gradients);
            }
        }
        runs.get(0)
                .forEach((name, gradient) ->
                        assertThat(runs.get(1).get(name)).as(name).isEqualTo(gradient));
    }

    /** Runs forward and backward of the cross-entropy of some examples; returns their losses. */
    private Array step(Vit vit, int from, int to) {
        Array images = Golden.array(GOLDEN, "input", type).rows(from, to);
        int classes = Golden.TINY.classes();
        double[] targets = new double[(to - from) * classes];
        for (int b = from; b < to; b++) {
            targets[(b - from) * classes + GOLDEN.tensor("labels").ints()[b]] = 1;
        }
        Array logits = vit.forward(images);
        Array losses = machine.garbage(to - from);
        Array dlogits = machine.garbage(to - from, classes);
        machine.kernels().crossEntropy(logits, machine.array(targets, to - from, classes), losses, dlogits);
        vit.backward(dlogits);
        return losses;
    }

    private static Map<String, double[]> numbers(Weights weights) {
        Map<String, double[]> numbers = new LinkedHashMap<>();
        weights.config().tensors().keySet().forEach(name -> numbers.put(name, Machine.values(weights.array(name))));
        return numbers;
    }

    private void close(String name, Array actual, double[] expected) {
        close(name, Machine.values(actual), expected);
    }

    private void close(String name, double[] actual, double[] expected) {
        double scale = Math.max(1, Arrays.stream(expected).map(Math::abs).max().orElseThrow());
        assertThat(actual).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i])
                    .as("%s, entry %s", name, i)
                    .isCloseTo(expected[i], org.assertj.core.data.Offset.offset(tolerance * scale));
        }
    }

    /** Adds the squares of every matrix's gradients, per example or per backward; trains nothing. */
    private static final class Watch implements Trainable {
        private final boolean perExample;
        private final Map<String, Array> rows = new LinkedHashMap<>();
        private final Map<String, Array> columns = new LinkedHashMap<>();

        Watch(boolean perExample) {
            this.perExample = perExample;
        }

        @Override
        public boolean whole(String parameter) {
            return false;
        }

        @Override
        public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
            Array r = Machine.zeros(DataType.DOUBLE, shape.out());
            Array c = Machine.zeros(DataType.DOUBLE, shape.in());
            rows.put(matrix, r);
            columns.put(matrix, c);
            return new Watching() {
                @Override
                public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
                    if (perExample) {
                        kernels.addSquaredGradients(dy, x, examples, r, c);
                    } else {
                        Array g = Machine.zeros(buffers.type(), shape.out(), shape.in());
                        kernels.gemm(true, dy, false, x, 1, 0, g);
                        kernels.addSquares(g, r, c);
                    }
                }
            };
        }
    }
}
