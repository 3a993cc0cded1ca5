package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.grft.Task;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Standard;
import dev.grft.data.Target;
import dev.grft.data.Treatment;
import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.Mixing;
import dev.grft.vit.Golden;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Machine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Losses of several labels and of values; golden numbers are torch's and transformers', see {@code tasks.py}. */
class TaskLossTest {
    private static final int EXAMPLES = 6;
    private static final int OUTPUTS = 4;

    private final Safetensors golden = Golden.read("tasks.safetensors");

    private Batch batch(Task task, Treatment treatment, double @Nullable [] weights) {
        double[] targets =
                golden.tensor(task == Task.MULTI_LABEL ? "hot" : "values").doubles();
        List<Example> examples = new ArrayList<>();
        for (int b = 0; b < EXAMPLES; b++) {
            double[] own = Arrays.copyOfRange(targets, b * OUTPUTS, (b + 1) * OUTPUTS);
            float[] values = new float[OUTPUTS];
            Arrays.setAll(own, k -> values[k] = (float) own[k]);
            Target target = task == Task.MULTI_LABEL
                    ? Target.ofClasses(
                            IntStream.range(0, OUTPUTS).filter(k -> own[k] == 1).toArray())
                    : Target.ofValues(values);
            float weight = weights == null ? 1 : (float) weights[b];
            examples.add(new Example(b, target, "image", new Pixels(1, 1, new byte[3]), null, weight));
        }
        Preprocess preprocess = new Preprocess(1, 1, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));
        Augment none = new Augment(false, 1, 1, 1, 1, false, 1);
        return Batch.augmented(examples, preprocess, none, new long[EXAMPLES], 1)
                .treated(treatment);
    }

    private float[][] lossesAndGradient(Task task, Batch batch) {
        Array z = Machine.array(DataType.FLOAT, golden.tensor("logits").floats(), EXAMPLES, OUTPUTS);
        Array losses = Machine.array(DataType.FLOAT, new float[EXAMPLES], EXAMPLES);
        Array gradient = Machine.array(DataType.FLOAT, new float[EXAMPLES * OUTPUTS], EXAMPLES, OUTPUTS);
        float[] targets = Targets.of(batch, OUTPUTS, task);
        new CpuKernels().loss(task, z, Machine.array(DataType.FLOAT, targets, EXAMPLES, OUTPUTS + 1), losses, gradient);
        return new float[][] {losses.floats(), gradient.floats()};
    }

    @ParameterizedTest
    @CsvSource({
        "multi-label, plain, 0",
        "multi-label, plain, 0.1",
        "multi-label, weighted, 0",
        "multi-label, weighted, 0.1",
        "regression, plain, 0",
        "regression, weighted, 0"
    })
    void lossesAndGradientsAreTorchs(String word, String weighted, double smoothing) {
        Task task = Task.of(word, "test");
        boolean weighs = weighted.equals("weighted");
        float[] ones = new float[OUTPUTS];
        Arrays.fill(ones, 1);
        Treatment treatment = new Treatment(smoothing, 0, weighs ? ones : null);
        float[][] found = lossesAndGradient(
                task, batch(task, treatment, weighs ? golden.tensor("weights").doubles() : null));

        String name = word + "." + weighted + (smoothing == 0 ? "" : ".smooth");
        assertClose(found[0], golden.tensor(name + ".losses").doubles());
        assertClose(found[1], golden.tensor(name + ".gradient").doubles());
    }

    @ParameterizedTest
    @CsvSource({"multi-label", "regression"})
    void theMeanLossIsTransformers(String word) {
        Task task = Task.of(word, "test");
        float[] losses = lossesAndGradient(task, batch(task, Treatment.NONE, null))[0];
        double mean = IntStream.range(0, EXAMPLES).mapToDouble(b -> losses[b]).sum() / EXAMPLES;

        assertThat(mean)
                .isCloseTo(golden.tensor("transformers." + task.problemType()).doubles()[0], within(1e-6));
    }

    @Test
    void mixingMixesTheTargetsOfNeighborsWithTheirWeights() {
        float[] ones = new float[OUTPUTS];
        Arrays.fill(ones, 1);
        Augment mixing = new Augment(
                false,
                1,
                1,
                1,
                1,
                false,
                1,
                new Changes(
                        0,
                        false,
                        false,
                        null,
                        Changes.NONE.colorJitter(),
                        Changes.NONE.erasing(),
                        new Mixing(1, 0, 1, 0)));
        double[] weights = golden.tensor("weights").doubles();
        Batch batch = batch(Task.REGRESSION, new Treatment(0, 0, ones), weights).mixed(mixing, 0, 0);
        float[] plain = Targets.of(batch(Task.REGRESSION, Treatment.NONE, null), OUTPUTS, Task.REGRESSION);
        float[] mixed = Targets.of(batch, OUTPUTS, Task.REGRESSION);

        double share = batch.share();
        assertThat(share).isStrictlyBetween(0.0, 1.0);
        for (int i = 0; i < OUTPUTS + 1; i++) {
            assertThat((double) mixed[i])
                    .isCloseTo(
                            share * weights[0] * plain[i] + (1 - share) * weights[1] * plain[i + OUTPUTS + 1],
                            within(1e-6));
        }
    }

    @Test
    void valuesAreStandardizedAndBack() {
        Standard standard = Standard.of(List.of(new float[] {1, 7}, new float[] {3, 7}));
        float[] values = {5, 8};
        standard.apply(values, 0);
        assertThat(values).containsExactly(3, 1); // mean 2, deviation 1; a value that never changes has the deviation 1
        standard.revert(values);
        assertThat(values).containsExactly(5, 8);
        float[] weight = standard.weight(standard.weight(new float[] {1, 2, 3, 4}, false), true);
        assertThat(weight).containsExactly(1, 2, 3, 4);
    }

    @Test
    void targetsAreDrawnFromTheModel() {
        int draws = 20_000;
        double on = 0;
        double sum = 0;
        double squares = 0;
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < draws; i++) {
            float[] hot = new float[2];
            Scorer.draw(new float[] {1}, Task.MULTI_LABEL, random, hot, 0);
            on += hot[0];
            float[] value = new float[2];
            Scorer.draw(new float[] {5}, Task.REGRESSION, random, value, 0);
            sum += value[0] - 5;
            squares += (value[0] - 5) * (value[0] - 5);
            assertThat(hot[1]).isEqualTo(1).isEqualTo(value[1]);
        }
        assertThat(on / draws).isCloseTo(1 / (1 + Math.exp(-1)), within(0.01));
        assertThat(sum / draws).isCloseTo(0, within(0.02));
        assertThat(squares / draws).isCloseTo(1, within(0.03));
    }

    private static void assertClose(float[] values, double[] expected) {
        assertThat(values).hasSameSizeAs(expected);
        for (int i = 0; i < values.length; i++) {
            assertThat((double) values[i]).isCloseTo(expected[i], within(1e-6 * (1 + Math.abs(expected[i]))));
        }
    }
}
