package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Task;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.data.Treatment;
import dev.grft.vit.Golden;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Machine;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Losses of smoothed and weighted targets, against torch's cross-entropy. */
class WeightedTargetsTest {
    private static final int CLASSES = 4;

    private final Safetensors golden = Golden.read("regularization.safetensors");

    private Batch batch(double smoothing, float @Nullable [] weights, float... ofExamples) {
        int[] labels = golden.tensor("labels").ints();
        List<Example> examples = new ArrayList<>();
        for (int b = 0; b < labels.length; b++) {
            float weight = b < ofExamples.length ? ofExamples[b] : 1;
            examples.add(
                    new Example(b, Target.ofClass(labels[b]), "image", new Pixels(1, 1, new byte[3]), null, weight));
        }
        Preprocess preprocess = new Preprocess(1, 1, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));
        return Batch.augmented(
                        examples, preprocess, new Augment(false, 1, 1, 1, 1, false, 1), new long[labels.length], 1)
                .treated(new Treatment(smoothing, 0, weights));
    }

    private float[] balanced() {
        double[] weights = golden.tensor("balanced").doubles();
        float[] floats = new float[weights.length];
        for (int k = 0; k < floats.length; k++) {
            floats[k] = (float) weights[k];
        }
        return floats;
    }

    @ParameterizedTest
    @CsvSource({"plain,0", "plain,0.1", "balanced,0", "balanced,0.1"})
    void lossesAndGradientsAreTorchs(String weights, double smoothing) {
        float[] targets =
                Targets.of(batch(smoothing, weights.equals("plain") ? null : balanced()), CLASSES, Task.SINGLE_LABEL);
        int examples = targets.length / CLASSES;
        Array logits = Machine.array(DataType.FLOAT, golden.tensor("logits").floats(), examples, CLASSES);
        Array losses = Machine.array(DataType.FLOAT, new float[examples], examples);
        Array gradient = Machine.array(DataType.FLOAT, new float[targets.length], examples, CLASSES);
        new CpuKernels()
                .crossEntropy(logits, Machine.array(DataType.FLOAT, targets, examples, CLASSES), losses, gradient);

        String name = weights + "." + (smoothing == 0 ? "0.0" : "0.1");
        assertClose(losses.floats(), golden.tensor(name + ".losses").doubles());
        assertClose(gradient.floats(), golden.tensor(name + ".gradient").doubles());
    }

    @Test
    void theWeightOfAnExampleMultipliesThatOfItsClass() {
        float[] once = Targets.of(batch(0.1, balanced()), CLASSES, Task.SINGLE_LABEL);
        float[] weighted = Targets.of(batch(0.1, balanced(), 2, 0, 0.5f), CLASSES, Task.SINGLE_LABEL);
        for (int i = 0; i < once.length; i++) {
            int b = i / CLASSES;
            assertThat(weighted[i]).isEqualTo(once[i] * (b == 0 ? 2 : b == 1 ? 0 : b == 2 ? 0.5f : 1));
        }
        assertThat(Targets.of(batch(0.1, null, 2, 0, 0.5f), CLASSES, Task.SINGLE_LABEL))
                .isEqualTo(Targets.of(batch(0.1, null), CLASSES, Task.SINGLE_LABEL));
    }

    private static void assertClose(float[] values, double[] expected) {
        assertThat(values).hasSameSizeAs(expected);
        for (int i = 0; i < values.length; i++) {
            assertThat((double) values[i]).isCloseTo(expected[i], Offset.offset(2e-6));
        }
    }
}
