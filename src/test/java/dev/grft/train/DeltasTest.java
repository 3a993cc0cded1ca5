package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.Replaced;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.bench.Setup;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.config.Config;
import dev.grft.data.Batch;
import dev.grft.data.ImageRecipe;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;

class DeltasTest {
    private static final VitConfig CONFIG = new VitConfig(8, 4, 16, 3, 2, 32, 0, 1e-6);
    private static final Checkpoint PRETRAINED = Checkpoint.of(
            "tiny", "vit_tiny_patch4_8", CONFIG, Initial.vit(CONFIG, 1), ImageRecipe.same(0.5f, 0.5f, 1), List.of());

    /** A delta of random numbers of each kind, with two to seven classes. */
    private static Map<String, Delta> deltas() {
        Selection rows = Setup.selection(CONFIG, 2);
        Selection late = new Selection(List.of(rows.of("blocks.2.mlp.fc1.weight")));
        Map<String, Tuning> tunings = new LinkedHashMap<>();
        tunings.put("rows", new SliceTuning(rows));
        tunings.put("late", new SliceTuning(late));
        tunings.put("biases", WholeTuning.biases());
        tunings.put("linear", SliceTuning.headOnly());
        tunings.put("full", new WholeTuning());
        tunings.put("lora", new LoraTuning(CONFIG.matrices(), 2, 0.5, 0));
        Map<String, Delta> deltas = new LinkedHashMap<>();
        int classes = 2;
        for (Map.Entry<String, Tuning> each : tunings.entrySet()) {
            deltas.put(each.getKey(), random(each.getValue(), classes++));
        }
        return deltas;
    }

    private static Delta random(Tuning tuning, int classes) {
        Layout layout = tuning.layout(CONFIG.withClasses(classes));
        SplittableRandom random = new SplittableRandom(classes);
        float[] trained = new float[layout.size()];
        for (int i = 0; i < trained.length; i++) {
            trained[i] = (float) random.nextDouble(-0.2, 0.2);
        }
        List<String> labels =
                IntStream.range(0, classes).mapToObj(k -> "class " + k).toList();
        return tuning.delta(layout, trained, labels, PRETRAINED.sha256());
    }

    private static Batch batch() {
        return Batch.of(
                IntStream.range(0, 3)
                        .mapToObj(id -> Setup.example(CONFIG.withClasses(2), id))
                        .toList(),
                Setup.preprocess(CONFIG));
    }

    /** What the delta alone predicts, as a run does it. */
    private static float[][] alone(Delta delta) {
        VitConfig config = CONFIG.withClasses(delta.labels().size());
        Tuning tuning = Tuning.of(delta);
        Layout layout = tuning.layout(config);
        try (Weights weights = Weights.copyOf(config, PRETRAINED.tensors(), DataType.FLOAT)) {
            Replica replica = new Replica(
                    weights,
                    tuning,
                    Network.configuration(
                            layout,
                            Config.load(List.of(), List.of(), new Configuration())
                                    .training(),
                            Penalty.NONE,
                            1,
                            1),
                    new CpuKernels(),
                    Keep.NOTHING);
            replica.load(tuning.trained(layout, delta));
            return replica.probabilities(batch());
        }
    }

    @Test
    void eachOfSeveralPredictsWhatItPredictsAlone() {
        Map<String, Delta> all = deltas();
        try (Deltas deltas = Deltas.on(PRETRAINED, new CpuKernels())) {
            all.forEach(deltas::load);
            Map<String, float[][]> together = deltas.probabilities(batch());

            assertThat(deltas.names()).containsExactlyElementsOf(all.keySet());
            assertThat(together.keySet()).containsExactlyElementsOf(all.keySet());
            all.forEach((name, delta) -> {
                assertThat(together.get(name)).as(name).isDeepEqualTo(alone(delta));
                assertThat(deltas.probabilities(name, batch())).as(name).isDeepEqualTo(alone(delta));
            });
        }
    }

    @Test
    void deltasComeAndGoWhileTheWeightsStay() {
        Map<String, Delta> all = deltas();
        try (Deltas deltas = Deltas.on(PRETRAINED, new CpuKernels())) {
            deltas.load("a", all.get("rows"));
            float[][] before = deltas.probabilities("a", batch());
            deltas.load("b", all.get("full"));
            deltas.probabilities(batch());
            assertThatThrownBy(() -> deltas.remove("c")).hasMessage("there is no delta c, only [a, b]");
            deltas.remove("b");

            assertThat(deltas.names()).containsExactly("a");
            assertThat(deltas.probabilities("a", batch())).isDeepEqualTo(before);
            assertThatThrownBy(() -> deltas.load("a", all.get("late")))
                    .hasMessage("there is a delta a already; remove it first");
            assertThatThrownBy(() -> deltas.remove("b")).hasMessage("there is no delta b, only [a]");
            Delta other = new Delta(
                    Selection.none(),
                    Map.of(),
                    new float[32],
                    new float[2],
                    List.of("x", "y"),
                    "0".repeat(64),
                    Map.of());
            assertThatThrownBy(() -> deltas.load("other", other)).isInstanceOf(UserError.class);
        }
    }

    @Test
    void whatIsMergedIsTakenOutAgainBitForBit() {
        Map<String, float[]> copy = new LinkedHashMap<>();
        PRETRAINED.tensors().forEach((name, values) -> copy.put(name, values.clone()));
        copy.get("blocks.0.mlp.fc1.weight")[0] = -0.0f;
        Map<String, float[]> before = new LinkedHashMap<>();
        copy.forEach((name, values) -> before.put(name, values.clone()));

        deltas().forEach((name, delta) -> {
            Replaced replaced = Replaced.merge(delta, copy);
            assertThat(copy).containsKey(Delta.HEAD_WEIGHT);
            Map<String, float[]> once = new LinkedHashMap<>();
            copy.forEach((parameter, values) -> once.put(parameter, values.clone()));
            Replaced second = Replaced.merge(delta, copy); // another on top, taken out first
            second.restore(copy);
            same(name, copy, once);
            replaced.restore(copy);
            same(name, copy, before);
            assertThat(replaced.size())
                    .isEqualTo(
                            delta.additions().isEmpty()
                                    ? delta.trainedWithoutHead()
                                    : delta.additions().values().stream()
                                            .mapToLong(
                                                    addition -> addition.shape().size())
                                            .sum());
        });
    }

    @Test
    void whatCannotBeMergedChangesNothing() {
        Map<String, float[]> copy = new LinkedHashMap<>(PRETRAINED.tensors());
        Delta adapter = random(new AdapterTuning(CONFIG.matrices(), 2, 1), 2);
        assertThatThrownBy(() -> Replaced.merge(adapter, copy)).isInstanceOf(UserError.class);
        assertThat(copy).isEqualTo(PRETRAINED.tensors());
    }

    private static void same(String name, Map<String, float[]> some, Map<String, float[]> others) {
        assertThat(some.keySet()).as(name).isEqualTo(others.keySet());
        some.forEach((parameter, values) -> {
            float[] other = others.get(parameter);
            for (int i = 0; i < values.length; i++) {
                assertThat(Float.floatToRawIntBits(values[i]))
                        .as("%s: %s[%d]", name, parameter, i)
                        .isEqualTo(Float.floatToRawIntBits(other[i]));
            }
        });
    }
}
