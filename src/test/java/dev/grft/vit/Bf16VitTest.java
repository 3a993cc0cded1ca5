package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.checkpoint.file.Safetensors;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The tiny model with products in bfloat16: no farther from the exact numbers than PyTorch's autocast. */
@Tag("kernels")
class Bf16VitTest {
    private static final Safetensors GOLDEN = Golden.read("tiny/golden.safetensors");
    private static final Safetensors AUTOCAST = Golden.read("tiny/autocast.safetensors");
    private static final int EXAMPLES = 6;

    private final Kernels kernels = Machine.narrow();
    private final Weights weights = Golden.weights("tiny", DataType.FLOAT);

    @BeforeAll
    static void needAvx512() {
        Machine.needBf16();
    }

    @AfterEach
    void free() {
        kernels.free();
        weights.close();
    }

    @Test
    void logitsAndFeaturesAreAsCloseAsTorchs() {
        Array images = Golden.array(GOLDEN, "input", DataType.FLOAT);
        Vit vit = new Vit(weights, Trainable.NOTHING, kernels, Keep.NOTHING);
        assertThat(ratio("logits", Machine.values(vit.forward(images)))).isBetween(0.05, 1.2);
        assertThat(ratio("features", Machine.values(vit.features(images)))).isBetween(0.05, 1.2);
        assertThat(weights.bytes()).isGreaterThan(4L * Golden.TINY.backboneParameters());
    }

    @Test
    void gradientsAreAsCloseAsTorchsWhetherTheWeightsAreFrozenOrTrain() {
        for (Trainable trainable : new Trainable[] {name -> true, name -> !name.endsWith(".weight")}) {
            Map<String, double[]> gradients = gradients(trainable, Keep.ALL);
            double sum = 0;
            for (Map.Entry<String, double[]> each : gradients.entrySet()) {
                double ratio = ratio("grad." + each.getKey(), each.getValue());
                assertThat(ratio).as(each.getKey()).isLessThan(1.5);
                sum += ratio;
            }
            assertThat(sum / gradients.size()).isBetween(0.05, 1.0);
        }
    }

    @Test
    void theSameStepHasTheSameBitsAlsoWhenItComputesAgain() {
        Trainable biases = name -> !name.endsWith(".weight");
        Map<String, double[]> first = gradients(biases, Keep.ALL);
        Map<String, double[]> again = gradients(biases, Keep.INPUTS);
        first.forEach((name, gradient) -> assertThat(again.get(name)).as(name).isEqualTo(gradient));
    }

    private Map<String, double[]> gradients(Trainable trainable, Keep keep) {
        Vit vit = new Vit(weights, trainable, kernels, keep);
        Trained trained = Trained.of(vit, DataType.FLOAT);
        vit.refresh();
        int classes = Golden.TINY.classes();
        double[] targets = new double[EXAMPLES * classes];
        for (int b = 0; b < EXAMPLES; b++) {
            targets[b * classes + GOLDEN.tensor("labels").ints()[b]] = 1;
        }
        Array logits = vit.forward(Golden.array(GOLDEN, "input", DataType.FLOAT));
        Array losses = Machine.zeros(DataType.FLOAT, EXAMPLES);
        Array dlogits = Machine.zeros(logits.type(), logits.shape());
        kernels.crossEntropy(logits, Machine.array(DataType.FLOAT, targets, EXAMPLES, classes), losses, dlogits);
        vit.backward(dlogits);
        Map<String, double[]> gradients = new LinkedHashMap<>();
        trained.gradients.keySet().forEach(name -> gradients.put(name, trained.gradient(name)));
        return gradients;
    }

    /** Returns the distance of numbers from the exact ones, over that of PyTorch's autocast. */
    private static double ratio(String name, double[] actual) {
        double[] exact = Golden.doubles(GOLDEN, name);
        return distance(actual, exact) / distance(Golden.doubles(AUTOCAST, name), exact);
    }

    private static double distance(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }
        return Math.sqrt(sum);
    }
}
