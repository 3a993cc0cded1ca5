package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.vit.Golden;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Machine;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;

/** timm's tiny model and what PyTorch says of it; see {@code src/test/python/README.md}. */
public final class Tiny {
    public static final VitConfig CONFIG = new VitConfig(16, 4, 24, 3, 3, 48, 5, 1e-6);
    public static final List<String> LABELS = List.of("a", "b", "c", "d", "e");
    public static final String SHA256 = "0".repeat(64);
    public static final Safetensors GOLDEN = read("golden.safetensors");

    private Tiny() {}

    /** Returns a golden file of the tiny model. */
    public static Safetensors read(String file) {
        return Golden.read("tiny/" + file);
    }

    /** Returns the pretrained tensors, the head included: arrays of the caller's own. */
    public static Map<String, float[]> tensors() {
        Safetensors file = read("model.safetensors");
        Map<String, float[]> tensors = new LinkedHashMap<>();
        CONFIG.tensors()
                .keySet()
                .forEach(name -> tensors.put(name, file.tensor(name).floats()));
        return tensors;
    }

    /** Returns the pretrained weights with a head of zeros, as training needs them. */
    public static Weights headless(DataType type) {
        return headless(tensors(), type);
    }

    /** Returns the weights of these tensors with a head of zeros. */
    public static Weights headless(Map<String, float[]> tensors, DataType type) {
        Map<String, float[]> backbone = new LinkedHashMap<>(tensors);
        backbone.remove(Delta.HEAD_WEIGHT);
        backbone.remove(Delta.HEAD_BIAS);
        return Weights.copyOf(CONFIG, backbone, type, Machine.memory());
    }

    /** Returns a golden file of JSON of the tiny model. */
    public static JsonNode json(String file) {
        try {
            return new ObjectMapper().readTree(Golden.bytes("tiny/" + file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the golden selection for the word of an orientation. */
    public static Selection selection(String orientation) {
        JsonNode matrices = json("selection.json").get(orientation);
        List<Slices> all = new ArrayList<>();
        CONFIG.matrices().forEach((matrix, shape) -> {
            JsonNode slices = matrices.get(matrix);
            int[] indices = IntStream.range(0, slices.get("indices").size())
                    .map(i -> slices.get("indices").get(i).asInt())
                    .toArray();
            Axis axis = slices.get("axis").asText().equals("row") ? Axis.ROW : Axis.COLUMN;
            all.add(new Slices(matrix, shape, axis, indices));
        });
        return new Selection(all);
    }

    /** Returns every slice along an axis of these matrices. */
    public static Selection everything(Axis axis, String... matrices) {
        return new Selection(Arrays.stream(matrices)
                .map(matrix -> new Slices(
                        matrix,
                        CONFIG.matrices().get(matrix),
                        axis,
                        IntStream.range(0, axis.count(CONFIG.matrices().get(matrix)))
                                .toArray()))
                .toList());
    }

    /** Returns some of the six golden images, {@code [to - from, 3, 16, 16]}. */
    public static Array images(int from, int to, DataType type) {
        Batch batch = batch(from, to);
        return Machine.array(type, batch.images(), to - from, 3, 16, 16);
    }

    /** Returns some of the six golden examples. */
    public static Batch batch(int from, int to) {
        int length = 3 * 16 * 16;
        return batch(
                Arrays.copyOfRange(GOLDEN.tensor("input").floats(), from * length, to * length),
                Arrays.copyOfRange(GOLDEN.tensor("labels").ints(), from, to));
    }

    /** Returns a batch of these very numbers, {@code [B, 3, 16, 16]}. */
    public static Batch batch(float[] images, int[] labels) {
        Preprocess preprocess = new Preprocess(16, 16, Preprocess.Crop.CENTER, ImageRecipe.same(0, 1, 1));
        Pixels black = new Pixels(16, 16, new byte[16 * 16 * 3]);
        Batch batch = Batch.of(
                IntStream.range(0, labels.length)
                        .mapToObj(b -> new Example(b, labels[b], "image " + b, black))
                        .toList(),
                preprocess);
        assertThat(batch.images()).hasSameSizeAs(images);
        System.arraycopy(images, 0, batch.images(), 0, images.length);
        return batch;
    }

    /** Returns the numbers of slices, {@code [k, length]}, out of a dense matrix {@code [out, in]}. */
    public static double[] slices(Slices slices, double[] dense) {
        double[] values = new double[(int) slices.size()];
        int v = 0;
        for (int index : slices.indices()) {
            for (int number = 0; number < slices.length(); number++) {
                values[v++] = dense[slices.axis().position(slices.shape(), index, number)];
            }
        }
        return values;
    }

    /** Returns normal numbers of this standard deviation. */
    public static float[] normal(long seed, int length, double std) {
        Random random = new Random(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (std * random.nextGaussian());
        }
        return values;
    }

    public static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    public static double[] doubles(Array array) {
        return array.doubles();
    }

    /** Asserts that every number is within {@code tolerance} times the largest expected one, or times 1 if that is larger. */
    public static void assertClose(String name, double[] actual, double[] expected, double tolerance) {
        double scale = Math.max(1, Arrays.stream(expected).map(Math::abs).max().orElse(0));
        assertThat(actual).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i]).as("%s, entry %s", name, i).isCloseTo(expected[i], Offset.offset(tolerance * scale));
        }
    }

    /** Asserts that every number of every tensor has the same bits. */
    public static void assertSameBits(Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual.keySet()).containsExactlyInAnyOrderElementsOf(expected.keySet());
        expected.forEach(
                (name, numbers) -> assertThat(bits(actual.get(name))).as(name).isEqualTo(bits(numbers)));
    }

    /** Returns the bits of every number. */
    public static int[] bits(float[] numbers) {
        return IntStream.range(0, numbers.length)
                .map(i -> Float.floatToRawIntBits(numbers[i]))
                .toArray();
    }

    /** Returns copies of the arrays. */
    public static Map<String, float[]> copy(Map<String, float[]> tensors) {
        Map<String, float[]> copy = new LinkedHashMap<>();
        tensors.forEach((name, numbers) -> copy.put(name, numbers.clone()));
        return copy;
    }
}
