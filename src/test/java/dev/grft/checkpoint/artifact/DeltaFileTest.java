package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Addition;
import dev.grft.Axis;
import dev.grft.Bottleneck;
import dev.grft.Damage;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Bytes;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DeltaFileTest {
    private static final String SHA = "ab".repeat(32);

    @TempDir
    Path directory;

    @Test
    void aDamagedFileIsReadOrRefused() throws IOException {
        String golden = "formats/peft/delta.safetensors";
        byte[] good = Files.readAllBytes(Golden.path(golden));

        Damage.survives(
                golden,
                good,
                1000,
                0.3,
                4 << 20,
                bytes -> DeltaFile.read(Safetensors.read("x", bytes)),
                UserError.class);
    }

    @Test
    void everyPartComesBack() {
        DeltaFile written = new DeltaFile(delta(), "training:\n  epochs: 3\n", "{\"commit\":\"1234\"}");

        DeltaFile read = DeltaFile.read(file(written).file());

        assertThat(read.delta()).isEqualTo(delta());
        assertThat(List.copyOf(read.delta().values().keySet())).containsExactly("b.weight", "a.weight");
        assertThat(read.method()).isEqualTo("grft");
        assertThat(read.settings()).isEqualTo("training:\n  epochs: 3\n");
        assertThat(read.provenance()).isEqualTo("{\"commit\":\"1234\"}");
        assertThat(read.delta().additions()).isEmpty();
    }

    @Test
    void theTensorsHaveTheNamesTypesAndShapesThatOtherProgramsExpect() {
        Map<String, Tensor> tensors = file(new DeltaFile(delta(), "", "")).tensors;

        Map<String, String> told = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> told.put(name, tensor.toString()));
        assertThat(told)
                .isEqualTo(Map.of(
                        "b.weight.rows", "I32 [1]",
                        "b.weight.delta", "F32 [1, 2]",
                        "a.weight.columns", "I32 [2]",
                        "a.weight.delta", "F32 [2, 3]",
                        "whole.norm.bias", "F32 [4]",
                        "head.weight", "F32 [2, 3]",
                        "head.bias", "F32 [2]"));
    }

    private static final MatrixShape WIDE = new MatrixShape(2, 3);

    static Stream<List<Addition>> additions() {
        return Stream.of(
                List.of(
                        new Entries("b.weight", WIDE, new int[] {2, 0, 1, 1}, new float[] {1, 2, 3, Float.NaN}),
                        new Entries("a.weight", WIDE, new int[] {0, 1}, new float[] {5, 6})),
                List.of(new LowRank("a.weight", WIDE, 0.125, new float[] {1, 2, 3}, new float[] {4, 5})),
                List.of(new Bottleneck(
                        "a.weight", WIDE, 4, new float[] {1, 2}, new float[] {3}, new float[] {4, 5}, new float[] {6, 7
                        })));
    }

    private static Delta with(List<Addition> additions) {
        return new Delta(
                Selection.none(),
                Map.of(),
                new float[] {1, 2},
                new float[] {3, 4},
                List.of("x", "y"),
                SHA,
                Map.of("norm.bias", new float[] {9}),
                additions);
    }

    @ParameterizedTest
    @MethodSource("additions")
    void whatOtherMethodsAddComesBack(List<Addition> additions) {
        DeltaFile read = DeltaFile.read(
                file(new DeltaFile(with(additions), "lora", "", "")).file());

        assertThat(read.method()).isEqualTo("lora");
        assertThat(read.delta()).isEqualTo(with(additions));
        assertThat(List.copyOf(read.delta().additions().values())).isEqualTo(additions);
    }

    @ParameterizedTest
    @MethodSource("additions")
    void whatOtherMethodsAddIsRefusedIncompleteOrOfAnotherShape(List<Addition> additions) {
        Bytes file = file(new DeltaFile(with(additions), "lora", "", ""));
        for (String name : List.copyOf(file.tensors.keySet())) {
            if (name.startsWith("a.")) {
                Bytes less = file(new DeltaFile(with(additions), "lora", "", ""));
                less.tensors.remove(name);
                assertThatThrownBy(() -> DeltaFile.read(less.file()))
                        .as("without %s", name)
                        .isInstanceOf(UserError.class);
                Bytes longer = file(new DeltaFile(with(additions), "lora", "", ""));
                longer.tensors.put(name, Tensor.ofFloats(new long[] {1, 7}, new float[7]));
                assertThatThrownBy(() -> DeltaFile.read(longer.file()))
                        .as("other %s", name)
                        .isInstanceOf(UserError.class);
            }
        }
    }

    @Test
    void anAdditionWithoutArraysIsRefused() {
        Bytes file = file(new DeltaFile(delta(), "lora", "", ""));
        file.metadata.put("additions", "{\"c.weight\":[2,3]}");

        assertThatThrownBy(() -> DeltaFile.read(file.file()))
                .isInstanceOf(UserError.class)
                .hasMessage("x: additions names c.weight, but the file has none of its arrays; write the file again");
    }

    @Property(tries = 60)
    void anyDeltaComesBack(@ForAll long seed) throws IOException {
        Delta delta = random(new Random(seed));
        Path file = Files.createTempFile("delta", ".safetensors");
        try {
            new DeltaFile(delta, "settings", "{}").write(Golden.HADOOP, Golden.hadoop(file));

            assertThat(DeltaFile.read(Golden.HADOOP, Golden.hadoop(file)).delta())
                    .isEqualTo(delta);
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void theFileIsHardlyLargerThanItsNumbers() throws Exception {
        Map<String, MatrixShape> shapes =
                VitConfig.preset("vit_base_patch16_224", 0).matrices();
        List<Slices> four = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        shapes.forEach((matrix, shape) -> {
            Slices slices = new Slices(matrix, shape, Axis.ROW, 0, 100, 200, 767);
            four.add(slices);
            values.put(matrix, new float[Math.toIntExact(slices.size())]);
        });
        List<String> labels =
                IntStream.range(0, 100).mapToObj(i -> "class number " + i).toList();
        Delta delta = new Delta(new Selection(four), values, new float[76_800], new float[100], labels, SHA, Map.of());

        Path file = directory.resolve("delta.safetensors");
        new DeltaFile(delta, "x".repeat(5000), "{}").write(Golden.HADOOP, Golden.hadoop(file));

        assertThat(delta.trained()).isEqualTo(4 * 65_280 + 76_900); // 768 + 12 * (3 * 768 + 3072) inputs
        assertThat(Files.size(file)).isBetween(delta.trained() * 4, delta.trained() * 4 + 64 * 1024);
    }

    @Test
    void anotherPretrainedModelIsRefused() {
        Checkpoint tiny = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);

        assertThatThrownBy(() -> tiny.requireFits(delta()))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("tiny/model.safetensors: has the SHA-256 " + tiny.sha256()
                        + ", the delta was trained on the file with " + SHA);
    }

    @Test
    void positionsOfAnotherImageSizeAreRefused() {
        Checkpoint tiny = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);
        int trained = tiny.tensors().get("pos_embed").length;
        int larger = 2 * tiny.config().imageSize();
        Delta full = new Delta(
                new Selection(List.of()),
                Map.of(),
                new float[2 * tiny.config().width()],
                new float[2],
                List.of("a", "b"),
                tiny.sha256(),
                Map.of("pos_embed", new float[trained]));

        tiny.requireFits(full);
        assertThatThrownBy(
                        () -> Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), larger)
                                .requireFits(full))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("model.safetensors: pos_embed has ")
                .hasMessageEndingWith(
                        " parameters at an image size of " + larger + " pixels, the delta was trained with " + trained
                                + "; set model.imageSize to that of its training");
    }

    @Test
    void aFileOfAnotherKindIsRefused() {
        assertThatThrownBy(() -> DeltaFile.read(Golden.read("tiny/model.safetensors")))
                .isInstanceOf(UserError.class)
                .hasMessage("tiny/model.safetensors: has the format pt, expected grft.delta; is it another file?");
        assertRefused(file -> file.metadata.put("version", "2"), "x: has version 2 of grft.delta, this program reads");
    }

    @Test
    void aHeaderWithoutAnEntryIsRefused() {
        for (String key : List.of("version", "labels", "pretrained_sha256", "matrices", "settings", "provenance")) {
            assertRefused(file -> file.metadata.remove(key), "x: the header has no " + key);
        }
    }

    @Test
    void aMalformedHeaderIsRefused() {
        assertRefused(file -> file.metadata.put("labels", "["), "x: labels: is not valid JSON");
        assertRefused(
                file -> file.metadata.put("labels", "[1,2]"),
                "x: labels: must be a list of strings, got the element 1");
        assertRefused(
                file -> file.metadata.put("labels", "[\"a\"]"), "x: head.weight is F32 [2, 3], expected F32 [1, 3]");
        assertRefused(file -> file.metadata.put("matrices", "[]"), "x: matrices: must be an object of [out, in]");
        assertRefused(
                file -> file.metadata.put("matrices", "{\"a.weight\":[3,-2]}"),
                "x: matrices: a.weight must be [out, in], two positive numbers, got [3,-2]");
        assertRefused(
                file -> file.metadata.put("pretrained_sha256", "abc"), "x: pretrained_sha256 must be 64 hexadecimal");
    }

    @Test
    void indicesThatDoNotFitAreRefused() {
        assertRefused(indices("b.weight.rows", 3), "x: b.weight: index 3 is not in [0, 3); write the file again");
        assertRefused(indices("b.weight.rows", -1), "x: b.weight: index -1 is not in [0, 3)");
        assertRefused(indices("a.weight.columns", 1, 0), "x: a.weight: indices must ascend, got 0 after 1");
        assertRefused(indices("a.weight.columns", 1, 1), "x: a.weight: indices must ascend, got 1 after 1");
        assertRefused(indices("b.weight.rows"), "x: b.weight: slices need an index");
        assertRefused(indices("b.weight.columns", 1), "x: needs either b.weight.rows or b.weight.columns, has both");
        assertRefused(
                file -> file.tensors.remove("b.weight.rows"),
                "x: needs either b.weight.rows or b.weight.columns, has n");
        assertRefused(
                file -> file.tensors.put("b.weight.rows", Tensor.ofLongs(new long[] {1}, new long[] {0})),
                "x: b.weight.rows is I64 [1], expected I32 [1]");
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        assertRefused(floats("b.weight.delta", 2, 1), "x: b.weight.delta is F32 [2, 1], expected F32 [1, 2]");
        assertRefused(floats("head.weight", 6), "x: head.weight has shape [6], expected 2 dimensions");
        assertRefused(floats("head.bias", 3), "x: head.bias is F32 [3], expected F32 [2]");
        assertRefused(floats("whole.norm.bias", 2, 2), "x: whole.norm.bias has shape [2, 2], expected 1 dimensions");
        assertRefused(file -> file.tensors.remove("head.bias"), "x: the tensor head.bias is missing");
        assertRefused(file -> file.tensors.remove("a.weight.delta"), "x: the tensor a.weight.delta is missing");
        assertRefused(floats("nose", 1), "x: the tensors [nose] are not expected in this file");
        assertRefused(floats("whole.a.weight", 1), "x: delta: a.weight is trained twice");
    }

    private static Consumer<Bytes> indices(String name, int... indices) {
        return file -> file.tensors.put(name, Tensor.ofInts(new long[] {indices.length}, indices));
    }

    private static Consumer<Bytes> floats(String name, long... shape) {
        return file -> file.tensors.put(name, Tensor.ofFloats(shape, new float[(int) Tensor.elements(shape)]));
    }

    private void assertRefused(Consumer<Bytes> damage, String message) {
        Bytes file = file(new DeltaFile(delta(), "", ""));
        damage.accept(file);
        assertThatThrownBy(() -> DeltaFile.read(file.file()))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(message);
    }

    private Bytes file(DeltaFile delta) {
        org.apache.hadoop.fs.Path path = Golden.hadoop(directory.resolve("delta.safetensors"));
        delta.write(Golden.HADOOP, path);
        return new Bytes(Safetensors.read(Golden.HADOOP, path));
    }

    private static Delta delta() {
        MatrixShape shape = new MatrixShape(3, 2);
        return new Delta(
                new Selection(List.of(
                        new Slices("b.weight", shape, Axis.ROW, 2), new Slices("a.weight", shape, Axis.COLUMN, 0, 1))),
                Map.of("a.weight", new float[] {1, 2, 3, 4, 5, 6}, "b.weight", new float[] {-0f, Float.MIN_VALUE}),
                new float[] {1, 2, 3, 4, 5, 6},
                new float[] {7, 8},
                List.of("cat", "dog \"é\""),
                SHA,
                Map.of("norm.bias", new float[] {1, 2, 3, 4}));
    }

    private static Delta random(Random random) {
        List<Slices> selected = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        for (int m = random.nextInt(4); m > 0; m--) {
            MatrixShape shape = new MatrixShape(1 + random.nextInt(9), 1 + random.nextInt(9));
            Axis axis = Axis.values()[random.nextInt(2)];
            int[] indices = IntStream.range(0, axis.count(shape))
                    .filter(i -> random.nextBoolean())
                    .toArray();
            Slices slices = new Slices("m" + m, shape, axis, indices.length == 0 ? new int[] {0} : indices);
            selected.add(slices);
            values.put("m" + m, floats(random, (int) slices.size()));
        }
        Map<String, float[]> whole = new LinkedHashMap<>();
        for (int p = random.nextInt(3); p > 0; p--) {
            whole.put("p" + p, floats(random, random.nextInt(5)));
        }
        int classes = 1 + random.nextInt(4);
        List<String> labels = IntStream.range(0, classes)
                .mapToObj(k -> "label, \"" + k + "\\ ß")
                .toList();
        float[] head = floats(random, classes * (1 + random.nextInt(5)));
        return new Delta(new Selection(selected), values, head, floats(random, classes), labels, SHA, whole);
    }

    private static float[] floats(Random random, int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = Float.intBitsToFloat(random.nextInt()); // any bits: NaN and infinity too
        }
        return values;
    }
}
