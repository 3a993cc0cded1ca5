package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.MatrixShape;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class InitialTest {
    private static final VitConfig CONFIG = new VitConfig(32, 4, 96, 2, 4, 384, 10, 1e-6);
    private static final double CUT = 0.8796; // standard deviation of a normal distribution cut off at two of its own

    private final Map<String, float[]> tensors = Initial.vit(CONFIG, 5);

    @Test
    void everyTensorIsThereWithItsSize() {
        assertThat(tensors.keySet()).containsExactlyElementsOf(CONFIG.tensors().keySet());
        CONFIG.tensors().forEach((name, shape) -> {
            int size = 1;
            for (long n : shape) {
                size *= (int) n;
            }
            assertThat(tensors.get(name)).as(name).hasSize(size);
        });
    }

    @Test
    void gainsAreOneBiasesAndTheClassTokenZero() {
        tensors.forEach((name, numbers) -> {
            if (name.endsWith(".bias") || name.equals("cls_token")) {
                assertThat(numbers).as(name).containsOnly(0);
            } else if (name.contains("norm")) {
                assertThat(numbers).as(name).containsOnly(1);
            }
        });
    }

    @Test
    void matricesHaveGlorotsVarianceAndAreCutOffAtTwoStandardDeviations() {
        CONFIG.matrices().forEach((matrix, shape) -> {
            double std = Math.sqrt(2.0 / (shape.in() + shape.out()));
            assertDistribution(matrix, tensors.get(matrix), std);
        });
    }

    @Test
    void positionsAndHeadAreSmall() {
        assertDistribution("pos_embed", tensors.get("pos_embed"), 0.02);
        assertDistribution("head.weight", tensors.get("head.weight"), 0.02);
    }

    @Test
    void theSameSeedGivesTheSameBitsAndTensorsDiffer() {
        Tiny.assertSameBits(Initial.vit(CONFIG, 5), tensors);
        Map<String, float[]> others = Initial.vit(CONFIG, 6);
        CONFIG.matrices()
                .keySet()
                .forEach(matrix -> assertThat(others.get(matrix)).as(matrix).isNotEqualTo(tensors.get(matrix)));
        assertThat(tensors.get("blocks.0.mlp.fc1.weight")).isNotEqualTo(tensors.get("blocks.1.mlp.fc1.weight"));
    }

    @Test
    void aTensorDependsOnTheSeedAndItsNameAlone() {
        VitConfig deeper = new VitConfig(32, 4, 96, 3, 4, 384, 7, 1e-6);
        assertThat(Initial.vit(deeper, 5).get("blocks.1.mlp.fc1.weight"))
                .isEqualTo(tensors.get("blocks.1.mlp.fc1.weight"));
    }

    @Test
    void theVectorHoldsEveryTensorWhereTheLayoutSays() {
        Layout layout = new WholeTuning().layout(CONFIG);
        float[] vector = Initial.vector(layout, tensors);
        assertThat(vector).hasSize((int) CONFIG.parameters());
        Map<String, float[]> read = new LinkedHashMap<>();
        layout.arrays().keySet().forEach(name -> read.put(name, layout.read(vector, name)));
        Tiny.assertSameBits(read, tensors);

        Map<String, float[]> incomplete = new LinkedHashMap<>(tensors);
        incomplete.remove("norm.bias");
        assertThatThrownBy(() -> Initial.vector(layout, incomplete))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no tensor norm.bias");
    }

    @Test
    void anArrayStartsAsItsMethodSaysByTheSeedAndItsName() {
        Map<String, MatrixShape> matrices = Tiny.CONFIG.matrices(List.of("mlp.fc2"));
        Layout lora = new LoraTuning(matrices, 2, 1, 0).layout(Tiny.CONFIG);
        float[] factors = Initial.start(lora, 5);
        Layout adapters = new AdapterTuning(matrices, 2, 1).layout(Tiny.CONFIG);
        float[] layers = Initial.start(adapters, 5);
        Set<String> drawn = new TreeSet<>();
        matrices.forEach((matrix, shape) -> {
            String a = matrix + ".lora_a";
            SplittableRandom random = random(a);
            double bound = 1 / Math.sqrt(shape.in());
            float[] uniform = new float[2 * shape.in()];
            for (int i = 0; i < uniform.length; i++) {
                uniform[i] = (float) (bound * (2 * random.nextDouble() - 1));
            }
            assertThat(lora.read(factors, a)).isEqualTo(uniform);
            String down = matrix.replace(".weight", ".adapter.down.weight");
            float[] normal = new float[2 * shape.out()];
            Initial.normal(normal, 0.01, random(down));
            assertThat(adapters.read(layers, down)).isEqualTo(normal);
            drawn.addAll(List.of(a, down));
        });
        assertZeroBut(drawn, lora, factors);
        assertZeroBut(drawn, adapters, layers);
        Layout whole = new WholeTuning().layout(Tiny.CONFIG);
        assertThat(Initial.start(whole, 5)).containsOnly(0);
    }

    private static SplittableRandom random(String name) {
        return new SplittableRandom(5 ^ ((long) name.hashCode() << 32));
    }

    private static void assertZeroBut(Set<String> drawn, Layout layout, float[] vector) {
        layout.arrays().keySet().stream()
                .filter(name -> !drawn.contains(name))
                .forEach(name -> assertThat(layout.read(vector, name)).as(name).containsOnly(0));
    }

    private static void assertDistribution(String name, float[] numbers, double std) {
        double sum = 0;
        double squares = 0;
        double largest = 0;
        for (float x : numbers) {
            sum += x;
            squares += (double) x * x;
            largest = Math.max(largest, Math.abs(x));
        }
        int n = numbers.length;
        // 960 numbers or more: the standard deviation is off by a percent or two, the mean by its root's share of it.
        assertThat(Math.sqrt(squares / n))
                .as("deviation of " + name)
                .isCloseTo(CUT * std, Percentage.withPercentage(7));
        assertThat(Math.abs(sum / n)).as("mean of " + name).isLessThan(4 * std / Math.sqrt(n));
        assertThat(largest).as("largest of " + name).isBetween(1.9 * std, 2.0001 * std);
    }
}
