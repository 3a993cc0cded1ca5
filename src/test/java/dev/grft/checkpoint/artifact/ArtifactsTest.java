package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.EntryTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Whatever a run leaves is read again as it was written, to the bit, whichever method, model and numbers. */
class ArtifactsTest {
    private final Path folder = folder();

    private static Path folder() {
        try {
            return Files.createTempDirectory("artifacts");
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** Hands a path out, and deletes the file. */
    private void file(Consumer<org.apache.hadoop.fs.Path> use) throws IOException {
        Path file = folder.resolve("x.safetensors");
        use.accept(Golden.hadoop(file));
        try (var all = Files.list(folder)) {
            for (Path each : all.toList()) {
                Files.delete(each);
            }
        }
        Files.delete(folder);
    }

    private static VitConfig config(SplittableRandom random) {
        int heads = random.nextInt(1, 4);
        return new VitConfig(8, 4, 2 * heads, random.nextInt(1, 3), heads, random.nextInt(1, 9), 0, 1e-6);
    }

    /** Returns any finite number: tiny, huge, negative zero. */
    private static float number(SplittableRandom random) {
        float number = Float.intBitsToFloat(random.nextInt());
        return Float.isFinite(number) ? number : -0.0f;
    }

    private static String text(SplittableRandom random) {
        return random.ints(random.nextInt(20), 1, 0x3000)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    private static String sha256(SplittableRandom random) {
        return String.format("%016x", random.nextLong()).repeat(4);
    }

    private static Selection selection(VitConfig config, SplittableRandom random) {
        List<Slices> some = new ArrayList<>();
        config.matrices().forEach((matrix, shape) -> {
            Axis axis = random.nextBoolean() ? Axis.ROW : Axis.COLUMN;
            int[] indices = IntStream.range(0, axis.count(shape))
                    .filter(i -> random.nextInt(3) == 0)
                    .toArray();
            if (indices.length > 0) {
                some.add(new Slices(matrix, shape, axis, indices));
            }
        });
        return new Selection(some);
    }

    private static List<Entries> entries(VitConfig config, SplittableRandom random) {
        int each = random.nextInt(1, 3);
        List<Entries> some = new ArrayList<>();
        config.matrices().forEach((matrix, shape) -> {
            if (shape.in() >= each && random.nextInt(3) > 0) {
                int[] columns = new int[each * shape.out()];
                for (int o = 0; o < shape.out(); o++) {
                    int first = random.nextInt(shape.in() - each + 1);
                    for (int k = 0; k < each; k++) {
                        columns[k * shape.out() + o] = first + k;
                    }
                }
                some.add(new Entries(matrix, shape, columns, new float[columns.length]));
            }
        });
        return some;
    }

    private static List<Tuning> tunings(VitConfig config, SplittableRandom random) {
        return List.of(
                SliceTuning.headOnly(),
                new SliceTuning(selection(config, random)),
                new SliceTuning(selection(config, random), true),
                new EntryTuning(entries(config, random)),
                new LoraTuning(config.matrices(), random.nextInt(1, 3), random.nextDouble(0.1, 9), 0),
                new AdapterTuning(
                        Map.of("blocks.0.attn.proj.weight", new MatrixShape(config.width(), config.width())),
                        random.nextInt(1, 3),
                        random.nextDouble(0.1, 9)),
                WholeTuning.biases(),
                new WholeTuning());
    }

    @Property(tries = 40)
    void deltasOfEveryMethod(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        VitConfig config = config(random);
        file(path -> {
            for (Tuning tuning : tunings(config, random)) {
                int classes = random.nextInt(2, 5);
                Layout layout = tuning.layout(config.withClasses(classes));
                float[] trained = new float[layout.size()];
                for (int i = 0; i < trained.length; i++) {
                    trained[i] = number(random);
                }
                List<String> labels = IntStream.range(0, classes)
                        .mapToObj(k -> k + text(random))
                        .toList();
                Delta delta = tuning.delta(layout, trained, labels, sha256(random));
                DeltaFile written = new DeltaFile(delta, "grft", text(random), text(random));

                written.write(Golden.HADOOP, path);

                assertThat(DeltaFile.read(Golden.HADOOP, path)).isEqualTo(written);
            }
        });
    }

    @Property(tries = 40)
    void selectionsWithTheirScores(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        VitConfig config = config(random);
        Scores scores = Scores.zero(config.matrices());
        config.matrices()
                .forEach((matrix, shape) -> scores.add(
                        matrix,
                        random.doubles(shape.out(), 0, 1e300).toArray(),
                        random.doubles(shape.in(), 0, 1e-300).toArray()));
        SelectionFile written = new SelectionFile(
                selection(config, random), scores, sha256(random), random.nextLong(1L << 40), text(random), "{}");
        file(path -> {
            written.write(Golden.HADOOP, path);
            SelectionFile read = SelectionFile.read(Golden.HADOOP, path);

            assertThat(read.selection()).isEqualTo(written.selection());
            assertThat(read.scores().shapes()).isEqualTo(scores.shapes());
            for (String matrix : config.matrices().keySet()) {
                assertThat(read.scores().rows(matrix)).containsExactly(scores.rows(matrix));
                assertThat(read.scores().columns(matrix)).containsExactly(scores.columns(matrix));
            }
            assertThat(List.of(read.pretrainedSha256(), read.backboneParameters(), read.settings(), read.provenance()))
                    .isEqualTo(List.of(
                            written.pretrainedSha256(),
                            written.backboneParameters(),
                            written.settings(),
                            written.provenance()));
        });
    }

    @Property(tries = 40)
    void entriesOfGps(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        EntriesFile written =
                new EntriesFile(entries(config(random), random), sha256(random), text(random), text(random));
        file(path -> {
            written.write(Golden.HADOOP, path);
            assertThat(EntriesFile.read(Golden.HADOOP, path)).isEqualTo(written);
        });
    }

    @Property(tries = 40)
    void statesOfTrainings(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        float[][] numbers = new float[2][random.nextInt(1, 50)];
        for (float[] some : numbers) {
            for (int i = 0; i < some.length; i++) {
                some[i] = number(random);
            }
        }
        TrainingState written = new TrainingState(
                random.nextLong(1L << 50), numbers[0], numbers[1], text(random), Map.of("loss", text(random)));
        file(path -> {
            TrainingState read = TrainingState.read(Golden.HADOOP, written.write(Golden.HADOOP, path.getParent()));

            assertThat(read.step()).isEqualTo(written.step());
            assertThat(read.parameters()).containsExactly(written.parameters());
            assertThat(read.updater()).containsExactly(written.updater());
            assertThat(read.fingerprint()).isEqualTo(written.fingerprint());
            assertThat(read.sums()).isEqualTo(written.sums());
        });
    }

    @Property(tries = 20)
    void manifests(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        Manifest written = new Manifest(
                Config.load(List.of(), List.of("run.seed=" + random.nextInt()), Golden.HADOOP),
                new LinkedHashMap<>(Map.of("spark", text(random))),
                text(random),
                sha256(random),
                Map.of("table:" + text(random), text(random)),
                sha256(random),
                random.nextLong(),
                null);
        ObjectMapper mapper = new ObjectMapper();
        file(path -> {
            written.write(Golden.HADOOP, path);
            JsonNode read = Json.parse("x", new Storage(Golden.HADOOP).readString(path));

            assertThat(read.path("seed").asLong()).isEqualTo(written.seed());
            assertThat(read.at("/versions/spark").asText())
                    .isEqualTo(written.versions().get("spark"));
            assertThat(read.path("settings")).isEqualTo(parsed(mapper, Json.line(written.settings())));
            assertThat(read.path("commit").asText()).isEqualTo(written.commit());
        });
    }

    private static JsonNode parsed(ObjectMapper mapper, String json) {
        try {
            return mapper.readTree(json);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void filesOfOtherVersionsSayWhoCanReadThem() throws IOException {
        for (String format : List.of("grft.delta", "grft.selection", "grft.entries", "grft.state")) {
            int ours = format.equals("grft.state") ? 2 : 1;
            file(path -> {
                for (String version : List.of("0", Integer.toString(ours + 1), "99", "x")) {
                    new Storage(Golden.HADOOP)
                            .writeAtomically(
                                    path,
                                    out -> Safetensors.write(
                                            out, Map.of("format", format, "version", version), Map.of()));
                    assertThatThrownBy(() -> read(format, path))
                            .isInstanceOf(UserError.class)
                            .hasMessage(path + ": has version " + version + " of " + format
                                    + ", this program reads version " + ours + "; "
                                    + (version.matches("[1-9]\\d*")
                                            ? "a newer program wrote it, use that one"
                                            : "make it again, or use the program that wrote it"));
                }
            });
            Files.createDirectory(folder);
        }
        Files.delete(folder);
    }

    private static void read(String format, org.apache.hadoop.fs.Path path) {
        switch (format) {
            case "grft.delta" -> DeltaFile.read(Golden.HADOOP, path);
            case "grft.selection" -> SelectionFile.read(Golden.HADOOP, path);
            case "grft.entries" -> EntriesFile.read(Golden.HADOOP, path);
            default -> TrainingState.read(Golden.HADOOP, path);
        }
    }
}
