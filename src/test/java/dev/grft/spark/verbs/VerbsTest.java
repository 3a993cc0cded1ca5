package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.report.Inspection;
import dev.grft.spark.verbs.Tiny.Printed;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VerbsTest extends OnTiny {
    /** A run with everything in it, which the tests only read. */
    private static Path whole;

    private static Printed printed;

    @BeforeAll
    static void runEverythingOnce() throws IOException {
        whole = folderOfAll.resolve("whole");
        printed = Tiny.does(spark, sets(whole, "compare.methods=[linear, random]"), false, Verbs::run);
    }

    private static List<String> sets(Path directory, String... more) {
        return shared.sets(directory, more);
    }

    private static JsonNode json(Path file) throws IOException {
        return new ObjectMapper().readTree(Files.readString(file));
    }

    /** Returns when each file below a folder was written. */
    private static Map<String, FileTime> times(Path directory) throws IOException {
        Map<String, FileTime> times = new TreeMap<>();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                times.put(directory.relativize(file).toString(), Files.getLastModifiedTime(file));
            }
        }
        return times;
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(file, target, java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
    }

    @Test
    void aRunLeavesEveryArtifact() throws Exception {
        assertThat(times(whole).keySet())
                .contains(
                        "manifest.json",
                        "selection.safetensors",
                        "selection.json",
                        "delta.safetensors",
                        "merged.safetensors",
                        "config.json",
                        "history.jsonl",
                        "images.json",
                        "metrics.json",
                        "evaluation.json",
                        "broken-images.json",
                        "inputs.json",
                        "state/step-00000009.safetensors",
                        "linear/delta.safetensors",
                        "linear/evaluation.json",
                        "random/delta.safetensors",
                        "random/history.jsonl",
                        "random/evaluation.json")
                .noneMatch(name -> name.contains("_tmp"))
                .noneMatch(name -> name.endsWith(".crc"));
        assertThat(Files.readAllLines(whole.resolve("history.jsonl"))).hasSize(9);
        assertThat(json(whole.resolve("evaluation.json")).path("examples").asInt())
                .isEqualTo(9);
        assertThat(json(whole.resolve("broken-images.json"))
                        .path("data.train")
                        .path("images")
                        .asInt())
                .isEqualTo(18);
    }

    /** The effect of data.interpolation and augmentation.cropSource on numbers, and where they are written down. */
    @Test
    void imagesAreResizedAsTheSettingsSayAndWhatIsLeftTellsIt() throws Exception {
        Path lanczos = folder.resolve("lanczos");
        Tiny.does(
                spark,
                sets(lanczos, "data.interpolation=lanczos", "data.resize=12", "augmentation.crop=false"),
                false,
                verbs -> {
                    verbs.train();
                    verbs.merge();
                });
        Tiny.does(
                spark,
                sets(folder.resolve("bilinear"), "data.resize=12", "augmentation.crop=false"),
                false,
                Verbs::train);

        JsonNode images = json(lanczos.resolve("config.json")).path("pretrained_cfg");
        assertThat(images.path("interpolation").asText()).isEqualTo("lanczos");
        assertThat(images.path("crop_pct").asDouble()).isEqualTo(8.0 / 12);
        assertThat(Files.readString(lanczos.resolve("README.md")))
                .contains("shorter side resized to 12 pixels by lanczos");
        Settings ofDelta = Config.parse("delta", settings(lanczos));
        assertThat(ofDelta.data().crop()).isEqualTo("center"); // the checkpoint's
        assertThat(ofDelta.data().interpolation()).isEqualTo("lanczos");
        assertThat(ofDelta.data().mean()).containsExactly(0.5, 0.5, 0.5);
        assertThat(Config.parse("delta", settings(folder.resolve("bilinear")))
                        .data()
                        .interpolation())
                .isEqualTo("bilinear"); // the checkpoint's
        assertThat(Tiny.tensors(lanczos.resolve("delta.safetensors")))
                .isNotEqualTo(Tiny.tensors(folder.resolve("bilinear/delta.safetensors")));
    }

    @Test
    void aSmallerSourceOfCropsChangesWhatIsTrained() {
        Tiny.does(spark, sets(folder.resolve("small"), "augmentation.cropSource=1"), false, Verbs::train);

        assertThat(Tiny.tensors(folder.resolve("small/delta.safetensors")))
                .isNotEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
    }

    private static String settings(Path run) {
        return DeltaFile.read(
                        new Configuration(),
                        new org.apache.hadoop.fs.Path(
                                run.resolve("delta.safetensors").toString()))
                .settings();
    }

    @Test
    void theMetricsTellWhatEachMethodCameTo() throws Exception {
        JsonNode metrics = json(whole.resolve("metrics.json"));
        long backbone = Tiny.CONFIG.parameters();
        long head = 3 * 16 + 3;
        // 2 rows of 48 in the patches, and in each of 2 blocks of 16 in qkv, proj and fc1 and of 32 in fc2
        long slices = 2 * 48 + 2 * 2 * (16 + 16 + 16 + 32);
        long biases = 16 + 2 * (48 + 16 + 32 + 16);

        for (String method : List.of("linear", "random", "grft")) {
            JsonNode one = metrics.path(method);
            long trained = head + (method.equals("linear") ? 0 : slices + biases);
            assertThat(one.path("accuracy").asDouble(-1)).as(method).isBetween(0.0, 1.0);
            assertThat(one.path("loss").asDouble(-1)).as(method).isPositive();
            assertThat(one.path("trained").asLong()).as(method).isEqualTo(trained);
            assertThat(one.path("share").asDouble()).as(method).isEqualTo((double) trained / (backbone + head));
            assertThat(one.path("share_without_head").asDouble())
                    .as(method)
                    .isEqualTo((double) (trained - head) / backbone);
            Path delta = whole.resolve(method.equals("grft") ? "" : method).resolve("delta.safetensors");
            assertThat(one.path("delta_bytes").asLong()).as(method).isEqualTo(Files.size(delta));
            assertThat(one.path("seconds").asDouble()).as(method).isPositive();
            if (!method.equals("linear")) {
                double waited = one.path("input_seconds_per_step").asDouble();
                assertThat(waited)
                        .as(method)
                        .isBetween(1e-9, one.path("seconds_per_step").asDouble());
                assertThat(one.path("input_share").asDouble())
                        .as(method)
                        .isCloseTo(waited / one.path("seconds_per_step").asDouble(), within(1e-9));
            }
        }
        assertThat(metrics.path("grft").path("phases").fieldNames())
                .toIterable()
                .containsExactlyInAnyOrder("select", "train", "evaluate");
        assertThat(metrics.path("linear").path("accuracy").asDouble())
                .as("colors can be told apart by a head alone")
                .isGreaterThan(0.5);
    }

    @Test
    void forPeopleThereArePredictionsMistakesAndPictures() throws Exception {
        List<String> predictions = Files.readAllLines(whole.resolve("linear/predictions.jsonl"));
        assertThat(predictions).hasSize(9);
        long right = 0;
        for (String line : predictions) {
            JsonNode one = new ObjectMapper().readTree(line);
            assertThat(one.path("name").asText()).startsWith(one.path("label").asText() + "/");
            right += one.path("label").equals(one.path("predicted")) ? 1 : 0;
        }
        assertThat(right / 9.0)
                .isEqualTo(json(whole.resolve("metrics.json"))
                        .at("/linear/accuracy")
                        .asDouble());
        JsonNode mistakes = json(whole.resolve("linear/mistakes.json"));
        assertThat(mistakes).hasSize((int) (9 - right));
        mistakes.forEach(mistake -> assertThat(mistake.path("picture").asText()).startsWith("data:image/png;base64,"));

        JsonNode data = json(whole.resolve("data.json"));
        assertThat(data.at("/data.train/classes").toString()).isEqualTo("{\"blue\":6,\"green\":6,\"red\":6}");
        assertThat(data.at("/data.train/pictures"))
                .as("at most 10 of each class, all there are")
                .hasSize(18);
        assertThat(data.at("/data.test/pictures/8/label").asText()).isEqualTo("red");
        assertThat(json(whole.resolve("manifest.json"))
                        .at("/settings/tuning/method")
                        .asText())
                .as("of the run, not of what it was compared with")
                .isEqualTo("grft");
        assertThat(whole.resolve("report.html")).content().contains("\"name\":\"linear\"");
    }

    @Test
    void theTableAndTheRunDirectoryAreAllThatGoesToStandardOutput() {
        List<String> lines = printed.out().lines().toList();

        assertThat(lines.get(0)).startsWith("method").contains("accuracy", "share", "delta bytes");
        assertThat(lines.get(1)).startsWith("linear ");
        assertThat(lines.get(2)).startsWith("grft ");
        assertThat(lines.get(3)).startsWith("random ");
        assertThat(lines.get(4)).isEqualTo("report: " + whole + "/report.html");
        assertThat(lines.get(5)).isEqualTo("run directory: " + whole);
        assertThat(lines).hasSize(6);
        assertThat(printed.err())
                .contains("reading the images of " + shared.train(), "step 9/9, epoch 3.00", "evaluate grft: accuracy");
    }

    @Test
    void aRunThatIsDoneDoesNothingAgainAndSaysSo() throws Exception {
        Path again = folder.resolve("again");
        copy(whole, again);
        Map<String, FileTime> before = times(again);

        Printed second = Tiny.does(spark, sets(again, "compare.methods=[linear, random]"), false, Verbs::run);

        assertThat(times(again)).isEqualTo(before);
        assertThat(second.err())
                .contains(again + "/delta.safetensors is up to date with its inputs; --force makes it again");
        assertThat(second.err()).doesNotContain("images/s");
        assertThat(second.out()).isEqualTo(printed.out().replace(whole.toString(), again.toString()));
    }

    @Test
    @Tag("thorough")
    void forcedItMakesEverythingAgainOnceAndToTheSameBits() throws Exception {
        Path again = folder.resolve("again");
        copy(whole, again);
        Map<String, FileTime> before = times(again);

        Printed forced = Tiny.does(spark, sets(again, "compare.methods=[linear, random]"), true, Verbs::run);

        Map<String, FileTime> after = times(again);
        for (String made : List.of(
                "selection.safetensors",
                "delta.safetensors",
                "linear/delta.safetensors",
                "random/delta.safetensors",
                "merged.safetensors",
                "evaluation.json")) {
            assertThat(after.get(made)).as(made).isGreaterThan(before.get(made));
        }
        assertThat(forced.err().split("selected ", -1)).as("selections made").hasSize(2);
        assertThat(forced.err().split("probe: training a head", -1))
                .as("probes made")
                .hasSize(2);
        assertSameBits(again, whole);
        assertThat(Tiny.tensors(again.resolve("random/delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("random/delta.safetensors")));
    }

    private static void assertSameBits(Path directory, Path expected) throws IOException {
        for (String file : List.of("selection.safetensors", "delta.safetensors", "merged.safetensors")) {
            assertThat(Tiny.tensors(directory.resolve(file))).as(file).isEqualTo(Tiny.tensors(expected.resolve(file)));
        }
        assertThat(Tiny.tensors(directory.resolve("linear/delta.safetensors")))
                .isEqualTo(Tiny.tensors(expected.resolve("linear/delta.safetensors")));
        assertThat(json(directory.resolve("evaluation.json"))).isEqualTo(json(expected.resolve("evaluation.json")));
    }

    @Test
    void theVerbsOneByOneGiveTheSameBits() throws Exception {
        Path directory = folder.resolve("steps");
        List<String> sets = sets(directory);

        String line = "run directory: " + directory + "\n";
        assertThat(Tiny.does(spark, sets, false, Verbs::select).out()).isEqualTo(line);
        assertThat(Tiny.does(spark, sets, false, Verbs::train).out()).isEqualTo(line);
        assertThat(Tiny.does(spark, sets, false, Verbs::merge).out()).isEqualTo(line);
        assertThat(Tiny.does(spark, sets, false, Verbs::evaluate).out())
                .contains("grft ")
                .endsWith(line);

        assertSameBits(directory, whole);
    }

    @Test
    void theMergedModelDiffersFromThePretrainedOneInTheSlicesAndTheirBiasesOnly() {
        Map<String, String> before = Tiny.tensors(shared.pretrained().resolve("model.safetensors"));
        Map<String, String> after = Tiny.tensors(whole.resolve("merged.safetensors"));

        assertThat(after.keySet()).containsAll(before.keySet()).contains("head.weight", "head.bias");
        before.forEach((name, numbers) -> {
            boolean trains = Tiny.CONFIG.matrices().containsKey(name.replace(".bias", ".weight"));
            if (trains) {
                assertThat(after.get(name)).as(name).isNotEqualTo(numbers);
            } else {
                assertThat(after.get(name)).as(name).isEqualTo(numbers);
            }
        });
    }

    @Test
    void aMergedModelPreparesImagesAsTheTrainingOfItsDeltaDid() throws Exception {
        Path run = folder.resolve("run");
        Tiny.does(spark, sets(run, "tuning.method=linear", "training.maxSteps=1"), false, Verbs::train);
        Tiny.does(spark, sets(run, "tuning.method=linear"), false, Verbs::merge);
        String config = Files.readString(run.resolve("config.json"));

        String told = Tiny.does(
                        spark,
                        sets(run, "tuning.method=linear", "data.crop=squash", "data.std=[1, 1, 1]"),
                        true,
                        Verbs::merge)
                .err();

        assertThat(Files.readString(run.resolve("config.json"))).isEqualTo(config);
        assertThat(told).doesNotContain("model.imageSize");
        assertThat(Tiny.does(spark, sets(run, "tuning.method=linear", "model.imageSize=16"), true, Verbs::merge)
                        .err())
                .contains("was trained with model.imageSize=8 (here 16); set the same");
    }

    @Test
    void predictionsAreATableInCsvOrParquet() throws Exception {
        Path directory = folder.resolve("run");
        copy(whole, directory);
        String csv = folder.resolve("labels.csv").toString();
        String parquet = folder.resolve("labels").toString();
        String images = shared.test().toString();

        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, csv, List.of()));
        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, parquet, List.of()));

        List<Row> fromParquet = spark.read().parquet(parquet).collectAsList();
        Dataset<Row> text = spark.read().option("header", "true").csv(csv);
        assertThat(text.columns()).containsExactly("name", "label", "probability", "p_blue", "p_green", "p_red");
        assertThat(fromParquet)
                .extracting(row -> row.getString(0))
                .containsExactly(
                        "blue/0.png",
                        "blue/1.png",
                        "blue/2.png",
                        "green/0.png",
                        "green/1.png",
                        "green/2.png",
                        "red/0.png",
                        "red/1.png",
                        "red/2.png");
        int right = 0;
        for (Row row : fromParquet) {
            float[] probabilities = {row.getFloat(3), row.getFloat(4), row.getFloat(5)};
            assertThat(probabilities[0] + probabilities[1] + probabilities[2]).isBetween(0.9999f, 1.0001f);
            assertThat(row.getFloat(2)).isEqualTo(row.<Float>getAs("p_" + row.getString(1)));
            assertThat(row.getFloat(2))
                    .isEqualTo(Math.max(probabilities[0], Math.max(probabilities[1], probabilities[2])));
            right += row.getString(0).startsWith(row.getString(1)) ? 1 : 0;
        }
        assertThat(right / 9.0)
                .isEqualTo(
                        json(whole.resolve("evaluation.json")).path("accuracy").asDouble());
        List<Row> fromCsv = text.collectAsList();
        for (int i = 0; i < 9; i++) {
            for (int c = 0; c < 6; c++) {
                assertThat(fromCsv.get(i).getString(c))
                        .isEqualTo(fromParquet.get(i).get(c).toString());
            }
        }
        assertThat(Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, csv, List.of()))
                        .err())
                .contains(csv + " is up to date with its inputs");
        assertThatThrownBy(() -> Tiny.does(
                        spark, sets(directory), false, verbs -> verbs.predict(images + "/red", csv, List.of())))
                .isInstanceOf(UserError.class)
                .hasMessage(csv + ": exists already and was not predicted from these inputs; choose another --output or"
                        + " give --force");
        Tiny.does(spark, sets(directory), true, verbs -> verbs.predict(images, csv, List.of()));
        assertThat(spark.read().option("header", "true").csv(csv).count()).isEqualTo(9);
    }

    @Test
    void theLikeliestClassesStandInAnArrayIfSoManyAreAskedFor() throws Exception {
        Path directory = folder.resolve("run");
        copy(whole, directory);
        String csv = folder.resolve("labels.csv").toString();
        String parquet = folder.resolve("labels").toString();
        String all = folder.resolve("all").toString();
        String images = shared.test().toString();

        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, all, List.of()));
        Tiny.does(spark, sets(directory, "predict.topK=2"), false, verbs -> verbs.predict(images, parquet, List.of()));
        Tiny.does(spark, sets(directory, "predict.topK=9"), false, verbs -> verbs.predict(images, csv, List.of()));

        List<Row> expected = spark.read().parquet(all).collectAsList();
        Dataset<Row> two = spark.read().parquet(parquet);
        Dataset<Row> three =
                spark.read().option("header", "true").option("escape", "\"").csv(csv);
        assertThat(two.columns()).containsExactly("name", "label", "probability", "top");
        assertThat(three.columns()).containsExactly("name", "label", "probability", "top");
        for (int i = 0; i < 9; i++) {
            Row of = expected.get(i);
            List<Row> top = two.collectAsList().get(i).getList(3);
            assertThat(two.collectAsList().get(i).getString(0)).isEqualTo(of.getString(0));
            assertThat(top).hasSize(2);
            assertThat(top.get(0).getString(0)).isEqualTo(of.getString(1));
            float largest = 2;
            for (Row one : top) {
                assertThat(one.getFloat(1))
                        .isLessThanOrEqualTo(largest)
                        .isEqualTo(of.<Float>getAs("p_" + one.getString(0)));
                largest = one.getFloat(1);
            }
            JsonNode text =
                    new ObjectMapper().readTree(three.collectAsList().get(i).getString(3));
            assertThat(text).hasSize(3);
            for (JsonNode one : text) {
                assertThat((float) one.path("probability").asDouble())
                        .isEqualTo(of.<Float>getAs("p_" + one.path("label").asText()));
            }
        }
    }

    @Test
    void ofMoreThanAHundredClassesFilesDoNotGrowWithTheirSquare() throws Exception {
        Path train = folder.resolve("many");
        for (int k = 0; k < 101; k++) {
            Path of = Files.createDirectories(train.resolve("class" + k));
            Files.copy(shared.test().resolve("red/" + k % 3 + ".png"), of.resolve("one.png"));
        }
        Path directory = folder.resolve("run");
        List<String> sets = sets(directory, "data.train=" + train, "data.test=" + train, "training.epochs=1");
        String table = folder.resolve("labels").toString();

        Tiny.does(spark, sets, false, Verbs::run);
        Tiny.does(spark, sets, false, verbs -> verbs.predict(shared.test().toString(), table, List.of()));

        JsonNode evaluation = json(directory.resolve("evaluation.json"));
        assertThat(evaluation.path("examples").asInt()).isEqualTo(101);
        assertThat(evaluation.has("confusion")).isFalse();
        int images = 0;
        for (JsonNode cell : evaluation.path("confusion_cells")) {
            images += cell.path(2).asInt();
        }
        assertThat(images).isEqualTo(101);
        assertThat(directory.resolve("report.html")).exists();
        Dataset<Row> predicted = spark.read().parquet(table);
        assertThat(predicted.columns()).containsExactly("name", "label", "probability", "top");
        assertThat(predicted.first().<Row>getList(3)).hasSize(5);
        assertThat(predicted.first().<Row>getList(3).get(0).getString(0))
                .isEqualTo(predicted.first().getString(1));
    }

    @Test
    void severalDeltasPredictInOnePassWhatEachPredictsAlone() throws Exception {
        Path directory = folder.resolve("run");
        copy(whole, directory);
        String images = shared.test().toString();
        String grft = folder.resolve("grft").toString();
        String linear = folder.resolve("linear").toString();
        String both = folder.resolve("both").toString();
        String delta = directory.resolve("linear/delta.safetensors").toString();

        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, grft, List.of()));
        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(images, linear, List.of(delta)));
        String said = Tiny.does(
                        spark,
                        sets(directory),
                        false,
                        verbs -> verbs.predict(images, both, List.of("of.grft=" + directory, delta)))
                .err();

        assertThat(said).contains("predicted 9 images by 2 deltas into " + both);
        Dataset<Row> table = spark.read().parquet(both);
        assertThat(table.columns())
                .containsExactly(
                        "name",
                        "of.grft_label",
                        "of.grft_probability",
                        "of.grft_p_blue",
                        "of.grft_p_green",
                        "of.grft_p_red",
                        "linear_label",
                        "linear_probability",
                        "linear_p_blue",
                        "linear_p_green",
                        "linear_p_red");
        List<Row> rows = table.collectAsList();
        List<Row> first = spark.read().parquet(grft).collectAsList();
        List<Row> second = spark.read().parquet(linear).collectAsList();
        for (int i = 0; i < 9; i++) {
            for (int c = 0; c < 6; c++) {
                assertThat(rows.get(i).get(c)).isEqualTo(first.get(i).get(c));
                assertThat(rows.get(i).get(c == 0 ? 0 : c + 5))
                        .isEqualTo(second.get(i).get(c));
            }
        }
        assertThatThrownBy(() -> Tiny.does(
                        spark, sets(directory), true, verbs -> verbs.predict(images, both, List.of(delta, delta))))
                .isInstanceOf(UserError.class)
                .hasMessage("--delta: two deltas are called linear; give --delta NAME=PATH");
        assertThatThrownBy(() ->
                        Tiny.does(spark, sets(directory), true, verbs -> verbs.predict(images, both, List.of("a=b/c"))))
                .isInstanceOf(UserError.class)
                .hasMessage("b/c: there is no delta to predict with; train first");
    }

    @Test
    void namesWithCommasQuotesAndLineEndsAreEscapedInCsv() throws Exception {
        Path directory = folder.resolve("run");
        copy(whole, directory);
        Path odd = Files.createDirectory(folder.resolve("odd"));
        String name = " a \"b\",\\\n=c.png";
        Files.copy(shared.test().resolve("red/0.png"), odd.resolve(name));
        Path output = folder.resolve("labels.csv");

        Tiny.does(spark, sets(directory), false, verbs -> verbs.predict(odd.toString(), output.toString(), List.of()));

        try (Stream<Path> files = Files.list(output)) {
            Path csv = files.filter(file -> file.toString().endsWith(".csv"))
                    .findFirst()
                    .orElseThrow();
            assertThat(Files.readString(csv)).contains("\n\" a \"\"b\"\",\\\n=c.png\",");
        }
    }

    /** Folders that nobody may list: root, who may be running the tests, may list any real one. */
    public static final class Locked extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("locked:///");
        }

        @Override
        public FileStatus[] listStatus(org.apache.hadoop.fs.Path path) throws IOException {
            throw new AccessControlException("Permission denied: " + path);
        }
    }

    @Test
    void aFolderThatMayNotBeListedIsRefused() {
        spark.sparkContext().hadoopConfiguration().set("fs.locked.impl", Locked.class.getName());
        List<String> sets = Tiny.sets(
                shared.pretrained(),
                Path.of("locked:" + shared.train()),
                shared.test(),
                folder.resolve("run"),
                "tuning.method=linear");

        assertThatThrownBy(() -> Tiny.does(spark, sets, false, Verbs::train))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("data.train")
                .hasMessageContaining("Permission denied");
    }

    @Test
    void nd4jsOwnOperationsDoAWholeRunToTheSameResult() throws Exception {
        Path directory = folder.resolve("nd4j");
        Tiny.does(spark, sets(directory, "engine.kernels=nd4j"), false, Verbs::run);

        assertThat(json(directory.resolve("selection.json")).path("slices"))
                .isEqualTo(json(whole.resolve("selection.json")).path("slices"));
        assertThat(json(directory.resolve("metrics.json")).at("/grft/loss").asDouble())
                .isCloseTo(json(whole.resolve("metrics.json")).at("/grft/loss").asDouble(), within(1e-3));
    }

    @Test
    void classesWhoseNamesDifferInCaseOnlyCanBePredicted() throws Exception {
        Path cased = Tiny.images(folder.resolve("cased"), 2, 5);
        Files.move(cased.resolve("blue"), cased.resolve("Red"));
        Path directory = folder.resolve("run");
        List<String> sets = Tiny.sets(shared.pretrained(), cased, cased, directory, "tuning.method=linear");
        String output = folder.resolve("labels").toString();

        Tiny.does(spark, sets, false, Verbs::train);
        Tiny.does(spark, sets, false, verbs -> verbs.predict(cased.toString(), output + ".csv", List.of()));
        Tiny.does(spark, sets, false, verbs -> verbs.predict(cased.toString(), output, List.of()));

        assertThat(Files.exists(Path.of(output + ".csv/_SUCCESS"))).isTrue();
        assertThat(Files.exists(Path.of(output + "/_SUCCESS"))).isTrue();
    }

    @Test
    void everythingInTheRunDirectoryCanBeInspected() {
        Configuration hadoop = new Configuration();

        assertThat(Inspection.of(hadoop, shared.pretrained().toString()))
                .contains("sizes           2 blocks, width 16, 2 heads, MLP 32, patches of 4, images of 8 pixels")
                .contains("classes         no head");
        assertThat(Inspection.of(hadoop, whole + "/merged.safetensors"))
                .contains("classes         3: blue, green, red");
        assertThat(Inspection.of(hadoop, whole + "/selection.safetensors"))
                .contains("scores          of 9 matrices, over 18 examples")
                .contains("% of the matrix's score)");
        assertThat(Inspection.of(hadoop, whole + "/delta.safetensors"))
                .startsWith("delta           by grft, of the pretrained file ")
                .contains("trained         707 parameters, 51 of them in the head; ")
                .contains("(moved by ");
        assertThat(Inspection.of(hadoop, whole + "/state/step-00000004.safetensors"))
                .contains(
                        "checkpoint      after step 4",
                        "trained         707 parameters",
                        "updater         1,414 values");
    }

    @Test
    void localStepsComeToTheSameEveryTimeAndToSomethingElseThanExactSteps() throws Exception {
        Path one = folder.resolve("one");
        Path two = folder.resolve("two");

        Printed steps = Tiny.does(spark, sets(one, "training.syncEvery=3"), false, Verbs::train);
        Tiny.does(spark, sets(two, "training.syncEvery=3"), false, Verbs::train);

        Map<String, String> delta = Tiny.tensors(one.resolve("delta.safetensors"));
        assertThat(Tiny.tensors(two.resolve("delta.safetensors"))).isEqualTo(delta);
        assertThat(delta).isNotEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
        assertThat(delta.keySet())
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")).keySet());
        assertThat(steps.err()).contains("step 9/9");
        assertThat(Files.readAllLines(one.resolve("history.jsonl"))).hasSize(3);
    }

    @Test
    void everyMethodTrains() throws Exception {
        Path directory = folder.resolve("full");

        Printed full = Tiny.does(
                spark,
                sets(directory, "tuning.method=full", "selection.loss=fresh", "training.headInit=fresh"),
                false,
                Verbs::run);

        JsonNode metrics = json(directory.resolve("metrics.json")).path("full");
        assertThat(metrics.path("trained").asLong()).isEqualTo(Tiny.CONFIG.parameters() + 51);
        assertThat(metrics.path("share").asDouble()).isEqualTo(1);
        assertThat(full.out()).contains("100.000 %");
    }

    @Test
    void aMethodIsNotTrainedAgainForTheSettingsOfAnother() {
        Path again = folder.resolve("again");
        String made = again + "/delta.safetensors is up to date with its inputs";
        Tiny.does(spark, sets(again, "training.epochs=1"), false, Verbs::train);

        Printed lora = Tiny.does(spark, sets(again, "training.epochs=1", "tuning.lora.rank=2"), false, Verbs::train);
        Printed other =
                Tiny.does(spark, sets(again, "training.epochs=1", "selection.budget.count=3"), false, Verbs::train);

        assertThat(lora.err()).contains(made);
        assertThat(other.err()).doesNotContain(made);
    }

    @Test
    void aTrainingThatBeginsWithAFreshHeadDoesNotDependOnTheProbe() {
        Path again = folder.resolve("fresh");
        String made = again + "/delta.safetensors is up to date with its inputs";
        String[] more = {"tuning.method=bitfit", "training.epochs=1", "training.headInit=fresh"};
        Tiny.does(spark, sets(again, more), false, Verbs::train);

        more[2] = "probe.epochs=4"; // fresh is the default
        assertThat(Tiny.does(spark, sets(again, more), false, Verbs::train).err())
                .contains(made);
        more[2] = "run.seed=4";
        assertThat(Tiny.does(spark, sets(again, more), false, Verbs::train).err())
                .doesNotContain(made);
        more[2] = "training.headInit=probe";
        assertThat(Tiny.does(spark, sets(again, more), false, Verbs::train).err())
                .doesNotContain(made);
    }

    @ParameterizedTest
    @CsvSource({"selection.loss=fresh", "selection.loss=contrastive", "selection.score=weight-activation"})
    void scoresThatDoNotUseTheProbeDoNotDependOnIt(String setting) {
        Path again = folder.resolve("scores");
        String made = again + "/selection.safetensors is up to date with its inputs";
        Tiny.does(spark, sets(again, setting), false, Verbs::select);

        assertThat(Tiny.does(spark, sets(again, setting, "probe.epochs=4"), false, Verbs::select)
                        .err())
                .contains(made);
        assertThat(Tiny.does(spark, sets(again, setting, "run.seed=4"), false, Verbs::select)
                        .err())
                .doesNotContain(made);
        assertThat(Tiny.does(spark, sets(again, "probe.epochs=4"), false, Verbs::select)
                        .err())
                .doesNotContain(made);
    }

    @Test
    void scoresThatUseTheProbeDependOnIt() {
        Path again = folder.resolve("scores");
        Tiny.does(spark, sets(again), false, Verbs::select);

        assertThat(Tiny.does(spark, sets(again, "probe.epochs=4"), false, Verbs::select)
                        .err())
                .doesNotContain("selection.safetensors is up to date with its inputs");
    }

    @Test
    void theEntriesOfGpsAreSelectedOnce() throws Exception {
        Path directory = folder.resolve("gps");
        List<String> sets = sets(directory, "tuning.method=gps", "training.epochs=1");
        Tiny.does(spark, sets, false, Verbs::train);
        Map<String, String> delta = Tiny.tensors(directory.resolve("delta.safetensors"));
        Files.delete(directory.resolve("delta.safetensors"));

        Printed again = Tiny.does(spark, sets, false, Verbs::train);

        assertThat(again.err())
                .contains(directory + "/entries.safetensors is up to date with its inputs")
                .doesNotContain("select entries");
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors"))).isEqualTo(delta);
        assertThat(Inspection.of(new Configuration(), directory + "/entries.safetensors"))
                .contains("1 entries of each row of blocks.0.attn.qkv.weight");
    }

    @Test
    void batchesThatDoNotFitInMemoryAreReducedAndTold() {
        String[] sets = {"selection.batchSize=1000000000", "evaluation.batchSize=1000000000"};

        Printed selected = Tiny.does(spark, sets(folder.resolve("fit"), sets), false, Verbs::select);

        assertThat(selected.err())
                .containsOnlyOnce("selection.batchSize is ")
                .containsOnlyOnce("evaluation.batchSize is ")
                .contains(" in place of 1000000000: more do not fit in a task's memory");
    }

    @Test
    void pretrainingMakesACheckpointThatCanBeFineTuned() throws Exception {
        Path directory = folder.resolve("pretrain");

        Printed done = Tiny.does(spark, sets(directory, "training.epochs=1"), false, Verbs::pretrain);
        Printed checked = Tiny.does(
                spark,
                Tiny.sets(directory, shared.train(), shared.test(), folder.resolve("check")),
                false,
                Verbs::check);

        assertThat(done.out()).startsWith("method").endsWith("run directory: " + directory + "\n");
        assertThat(Tiny.tensors(directory.resolve("model.safetensors"))).containsKey("head.weight");
        assertThat(json(directory.resolve("metrics.json"))
                        .path("pretrain")
                        .path("accuracy")
                        .isNumber())
                .isTrue();
        assertThat(checked.out())
                .contains("ViT of 2 blocks, width 16, 2 heads")
                .contains("18 images of 3 classes, 0 broken")
                .contains("selection 9 matrices, axis row, 2 slices of each matrix");
        try (Stream<Path> left = Files.list(folder.resolve("check"))) {
            assertThat(left).noneMatch(file -> file.toString().endsWith("check.txt"));
        }
    }

    @Test
    void theFolderOfThePretrainedModelIsNoRunDirectory() throws Exception {
        Path model = Tiny.pretrained(folder.resolve("model"), 1);
        String config = Files.readString(model.resolve("config.json"));
        for (String pretrained : List.of(model.toString(), model + "/model.safetensors", "file://" + model)) {
            List<String> sets = Tiny.sets(
                    Path.of("unused"), shared.train(), shared.test(), model, "model.pretrained=" + pretrained);
            for (Consumer<Verbs> verb : List.<Consumer<Verbs>>of(Verbs::check, Verbs::train, Verbs::run)) {
                assertThatThrownBy(() -> Tiny.does(spark, sets, false, verb))
                        .isInstanceOf(UserError.class)
                        .hasMessage("run.directory " + model + ": is the folder of the pretrained model " + pretrained
                                + ", whose config.json would be replaced; choose another folder");
            }
        }
        assertThat(model.resolve("config.json")).content().isEqualTo(config);
        try (Stream<Path> files = Files.list(model)) {
            assertThat(files).hasSize(2);
        }
    }

    @Test
    void checkCoversTheMethodsThatAreComparedAtEachBudget() {
        String said = Tiny.does(
                        spark,
                        sets(folder.resolve("check"), "compare.methods=[full, lora]", "compare.budgets=[1, 3]"),
                        false,
                        Verbs::check)
                .out();

        assertThat(said)
                .contains("compared  full\nmemory    ")
                .contains("%,d trainable parameters".formatted(Tiny.CONFIG.parameters() + 51))
                .contains("compared  lora\nmemory    ", "compared  lora at the budget 1.0\nmemory    ")
                .contains("compared  lora at the budget 3.0", "compared  grft at the budget 3.0")
                .doesNotContain("full at the budget");
        assertThat(said.lines().filter(line -> line.startsWith("memory ")))
                .as("each of another size")
                .hasSize(7)
                .doesNotHaveDuplicates();
        assertThat(folder.resolve("check/budget-1.0")).doesNotExist();
    }

    @Test
    void checkCoversAPretrainingOfANewModel() {
        List<String> sets = Tiny.sets(shared.train(), shared.train(), shared.test(), folder.resolve("check"));
        sets.addAll(List.of("model.pretrained=null", "model.preset=vit_tiny_patch16_224"));

        String said = Tiny.does(spark, sets, false, Verbs::check).out();

        assertThat(said)
                .contains("model     a new vit_tiny_patch16_224: ViT of 12 blocks, width 192, 3 heads")
                .contains("18 images of 3 classes, 0 broken")
                .contains("%,d trainable parameters"
                        .formatted(VitConfig.preset("vit_tiny_patch16_224", 3).parameters()))
                .doesNotContain("selection");
        sets.add("model.preset=vit_large_patch16_224");
        sets.add("training.shards=8");
        sets.add("training.batchSize=8");
        assertThatThrownBy(() -> Tiny.does(spark, sets, false, Verbs::check))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("memory: the driver's heap has ")
                .hasMessageContaining("303,304,707 trained parameters needs ");
    }

    @Test
    void aRunWithoutTestImagesIsRefusedBeforeAnythingIsTrained() {
        for (String test : List.of("data.test=null", "data.test=" + folder.resolve("nowhere"))) {
            Path directory = folder.resolve("no-test-images");
            for (Consumer<Verbs> verb : List.<Consumer<Verbs>>of(Verbs::run, Verbs::compare)) {
                assertThatThrownBy(() -> Tiny.does(spark, sets(directory, test), false, verb))
                        .isInstanceOf(UserError.class)
                        .hasMessageContaining(test.equals("data.test=null") ? "data.test is not set" : "nowhere");
            }
            assertThat(directory.resolve("linear")).doesNotExist();
            assertThat(directory.resolve("selection.safetensors")).doesNotExist();
        }
    }

    @Test
    void aPretrainedModelIsMeasuredAndRoundedLaterWithoutATraining() throws Exception {
        Path directory = folder.resolve("pretrain-later");
        String[] sets = {"training.epochs=1", "data.test=null", "training.keep=100"};
        Tiny.does(spark, sets(directory, sets), false, Verbs::pretrain);
        byte[] model = Files.readAllBytes(directory.resolve("model.safetensors"));
        assertThat(directory.resolve("evaluation.json")).doesNotExist();

        sets[1] = "data.test=" + shared.test();
        sets[2] = "training.keep=1";
        Printed measured = Tiny.does(spark, sets(directory, sets), false, Verbs::pretrain);
        Printed again = Tiny.does(spark, sets(directory, sets), false, Verbs::pretrain);

        assertThat(measured.err()).contains("model.safetensors is up to date with its inputs", "pretrain: accuracy");
        assertThat(again.err())
                .contains("evaluation.json is up to date with its inputs")
                .doesNotContain("pretrain: accuracy");
        assertThat(Files.readAllBytes(directory.resolve("model.safetensors"))).isEqualTo(model);
        assertThat(json(directory.resolve("metrics.json"))
                        .path("pretrain")
                        .path("accuracy")
                        .isNumber())
                .isTrue();

        sets[2] = "model.saveType=fp16";
        Printed rounded = Tiny.does(spark, sets(directory, sets), false, Verbs::pretrain);

        assertThat(rounded.err()).contains("resuming after step 3, from").doesNotContain("step 3/3");
        assertThat(Files.size(directory.resolve("model.safetensors"))).isLessThan(model.length * 2L / 3);
    }

    @Test
    void checkSaysIfThereAreFewerShardsThanTasksThatRunAtATime() {
        Path directory = folder.resolve("fewer");
        String few = Tiny.does(spark, sets(directory, "training.shards=1"), false, Verbs::check)
                .out();
        String smallBatch = Tiny.does(
                        spark, sets(directory, "training.shards=1", "training.batchSize=1"), false, Verbs::check)
                .out();
        String enough = Tiny.does(spark, sets(directory, "training.shards=2"), false, Verbs::check)
                .out();

        assertThat(few)
                .contains("training.shards is 1, but 2 tasks run at a time: 1 of them have nothing to do in a step of"
                        + " training; set training.shards=2 before the first training");
        assertThat(smallBatch).contains("; raise training.batchSize (1) to use more");
        assertThat(enough).doesNotContain("tasks run at a time");
    }
}
