package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.spark.verbs.Tiny;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the user gets wrong ends with 2 and a sentence, and leaves nothing half-done. */
class MainTest {
    private static final Map<String, String> SPARK = Map.of(
            "spark.master", "local[1]",
            "spark.ui.enabled", "false",
            "spark.driver.host", "127.0.0.1",
            "spark.driver.bindAddress", "127.0.0.1");

    @TempDir
    private static Path shared;

    private static Path images;

    @TempDir
    Path folder;

    private Path pretrained = Path.of("");
    private Path directory = Path.of("");

    @BeforeAll
    static void configureSpark() throws IOException {
        Tiny.noSpark();
        SPARK.forEach(System::setProperty);
        images = Tiny.images(shared.resolve("images"), 4, 2);
    }

    @AfterAll
    static void leaveNothingBehind() {
        SPARK.keySet().forEach(System::clearProperty);
    }

    @BeforeEach
    void makeACheckpoint() {
        pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        directory = folder.resolve("run");
    }

    private record Result(int code, String out, String err) {}

    private static Result execute(String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
        try {
            int code = Main.execute(arguments);
            return new Result(
                    code, outBytes.toString(StandardCharsets.UTF_8), errBytes.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** Does a verb with the checkpoint, the images and these changes; the head alone trains. */
    private Result does(String verb, String... sets) {
        return does(images, verb, sets);
    }

    private Result does(Path train, String verb, String... sets) {
        List<String> arguments = new ArrayList<>(List.of(verb));
        List<String> all = Tiny.sets(pretrained, train, train, directory, "tuning.method=linear");
        all.addAll(Arrays.asList(sets));
        for (String set : all) {
            arguments.addAll(List.of("--set", set));
        }
        return execute(arguments.toArray(String[]::new));
    }

    @Test
    @Tag("thorough")
    void theProtocolOfGpsCanBeChosenByAnOption() {
        List<String> arguments = new ArrayList<>(List.of("run", "--protocol", "gps-paper"));
        for (String set : Tiny.sets(pretrained, images, images, directory, "training.epochs=1")) {
            arguments.addAll(List.of("--set", set));
        }

        Result result = execute(arguments.toArray(String[]::new));

        assertThat(result.code()).as(result.err()).isZero();
        assertThat(result.out()).contains("grft: chosen on test, not comparable");
        arguments.set(2, "test");
        assertThat(last(execute(arguments.toArray(String[]::new)).err()))
                .isEqualTo("error: --set: evaluation.protocol must be one of validation, gps-paper, got 'test'");
    }

    @Test
    void patienceWithoutHeldOutImagesIsTheUsersToMend() throws Exception {
        Result result = does("train", "training.patience=3", "tuning.method=bitfit");

        assertThat(result.code()).isEqualTo(2);
        assertThat(last(result.err()))
                .isEqualTo("error: training.patience is 3, but data.validation is not set; set"
                        + " data.validation to held-out images, or training.patience to null");
    }

    private List<String> made() throws IOException {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> directory.relativize(file).toString())
                    .sorted()
                    .toList();
        }
    }

    /** The user's mistake, told in one line that ends what is printed, and nothing made. */
    private void assertRefused(Result result, String... words) throws IOException {
        assertThat(result.code()).as(result.err()).isEqualTo(2);
        assertThat(last(result.err())).startsWith("error: ").contains(words);
        assertThat(result.err()).doesNotContain("\tat ", "Exception");
        if (!result.out().isEmpty()) { // of a verb
            assertSummary(result, "refused", last(result.err()).substring("error: ".length()));
            assertThat(result.out().lines()).hasSize(1);
        }
        assertThat(made()).isEmpty();
    }

    private static JsonNode assertSummary(Result result, String status, String message) throws IOException {
        JsonNode summary = new ObjectMapper().readTree(last(result.out()));
        assertThat(summary.path("status").asText()).as(result.out()).isEqualTo(status);
        assertThat(summary.path("exit").asInt()).isEqualTo(result.code());
        assertThat(summary.path("message").asText()).isEqualTo(message);
        assertThat(summary.path("seconds").asDouble()).isPositive();
        return summary;
    }

    private static void assertNotUnderstood(String words, String... arguments) {
        Result result = execute(arguments);
        assertThat(result.code()).as(words).isEqualTo(2);
        assertThat(result.err()).startsWith(words);
        assertThat(result.out()).isEmpty();
    }

    private static String last(String text) {
        List<String> lines = text.lines().toList();
        return lines.get(lines.size() - 1);
    }

    private void rewrite(UnaryOperator<byte[]> change) throws IOException {
        Path file = pretrained.resolve("model.safetensors");
        Files.write(file, change.apply(Files.readAllBytes(file)));
    }

    private void replace(String name, Tensor tensor) throws IOException {
        Path file = pretrained.resolve("model.safetensors");
        Safetensors old = Safetensors.read(new Configuration(), new org.apache.hadoop.fs.Path(file.toString()));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        old.names().forEach(each -> tensors.put(each, each.equals(name) ? tensor : old.tensor(each)));
        assertThat(tensors).containsEntry(name, tensor);
        try (OutputStream out = Files.newOutputStream(file)) {
            Safetensors.write(out, old.metadata(), tensors);
        }
    }

    @Test
    void aVerbThatIsDoneEndsWithZeroAndTheRunDirectory() throws Exception {
        Result result = does("train");

        assertThat(result.code()).as(result.err()).isZero();
        assertThat(result.out()).startsWith("run directory: " + directory + "\n{");
        JsonNode summary = assertSummary(result, "done", "null");
        assertThat(summary.path("verb").asText()).isEqualTo("train");
        assertThat(summary.path("directory").asText()).isEqualTo(directory.toString());
        assertThat(summary.path("application").asText()).startsWith("local-");
        assertThat(summary.path("made")).extracting(JsonNode::asText).containsExactly(directory + "/delta.safetensors");
        assertThat(assertSummary(does("train"), "done", "null").path("made")).isEmpty();
        assertThat(assertSummary(does("report"), "done", "null").path("made"))
                .extracting(JsonNode::asText)
                .containsExactly(directory + "/report.html");
        assertThat(made()).contains("delta.safetensors", "metrics.json").noneMatch(name -> name.contains("_tmp"));
        assertThat(execute("inspect", directory + "/delta.safetensors").out()).startsWith("delta           by linear");
    }

    @Test
    void aTimeLimitStopsTheVerbWhichGoesOnLater() throws Exception {
        List<String> arguments = new ArrayList<>(List.of("train", "--max-time", "0s"));
        for (String set : Tiny.sets(pretrained, images, images, directory, "tuning.method=linear")) {
            arguments.addAll(List.of("--set", set));
        }

        Result stopped = execute(arguments.toArray(String[]::new));

        assertThat(stopped.code()).as(stopped.err()).isEqualTo(5);
        assertThat(last(stopped.err())).isEqualTo("stopped: --max-time is over; run the same command again to resume");
        assertSummary(stopped, "stopped", "--max-time is over");
        assertThat(directory.resolve("delta.safetensors")).doesNotExist();
        arguments.set(2, "1h30m");
        assertThat(execute(arguments.toArray(String[]::new)).code()).isZero();
        arguments.set(2, "soon");
        assertThat(execute(arguments.toArray(String[]::new)))
                .satisfies(result -> assertThat(result.code()).isEqualTo(2))
                .satisfies(result -> assertThat(result.err())
                        .startsWith("Invalid value for option '--max-time': 'soon' is no time such as 45s"));
    }

    @Test
    void helpAndVersionAreNoMistake() {
        assertThat(execute("--help"))
                .satisfies(help -> assertThat(help.code()).isZero())
                .satisfies(help -> assertThat(help.out()).contains("check", "select", "pretrain"));
        assertThat(execute("--version").out()).startsWith("grft ").contains(", commit ");
    }

    @Test
    void whatIsNoVerbIsRefused() {
        assertNotUnderstood("Missing required subcommand");
        assertNotUnderstood("Unmatched argument at index 0: 'fly'", "fly");
        assertNotUnderstood("Unknown options: '--sed', 'x'", "train", "--sed", "x");
        assertNotUnderstood("Missing required options: '--images=PATH', '--output=PATH'", "predict");
        assertNotUnderstood("Missing required parameter: 'PATH'", "inspect");
    }

    @Test
    void aMissingConfigurationFileIsNamed() throws Exception {
        assertRefused(
                execute("train", "--config", folder + "/none.yaml"), folder + "/none.yaml: there is no such file");
    }

    @Test
    void anUnknownKeyIsAnsweredWithTheNearest() throws Exception {
        assertRefused(does("train", "training.epoch=5"), "training.epoch", "training.epochs");
    }

    @Test
    void aValueOutOfRangeIsRefused() throws Exception {
        assertRefused(does("train", "training.shards=0"), "training.shards");
    }

    @Test
    void aModelThatIsNotConfiguredIsAskedFor() throws Exception {
        assertRefused(does("train", "model.pretrained=null"), "model.pretrained is not set");
    }

    @Test
    void imagesThatAreNotConfiguredAreAskedFor() throws Exception {
        assertRefused(does("train", "data.train=null"), "data.train is not set");
    }

    @Test
    void aModelThatIsNotThereIsNamed() throws Exception {
        assertRefused(
                does("train", "model.pretrained=" + folder + "/none"), folder + "/none/model.safetensors: no such");
    }

    @Test
    void aModelWithoutItsConfigurationIsRefused() throws Exception {
        Files.delete(pretrained.resolve("config.json"));

        assertRefused(does("train"), pretrained + "/config.json: no such file");
    }

    @Test
    void aConfigurationThatIsNoJsonIsRefused() throws Exception {
        Files.writeString(pretrained.resolve("config.json"), "{\"architecture\": ");

        assertRefused(does("train"), pretrained + "/config.json");
    }

    @Test
    void aTruncatedModelIsRefused() throws Exception {
        rewrite(bytes -> Arrays.copyOf(bytes, bytes.length / 2));

        assertRefused(does("train"), "model.safetensors: ", "the file is cut off, copy it again");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 40, 100_000_000})
    void aHostileLengthOfTheHeaderIsRefused(long length) throws Exception {
        rewrite(bytes -> {
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
            return bytes;
        });

        assertRefused(does("train"), "model.safetensors: the header claims to have " + Long.toUnsignedString(length));
    }

    @Test
    void weightsOfWholeNumbersAreRefused() throws Exception {
        replace("norm.weight", Tensor.ofInts(new long[] {16}, new int[16]));

        assertRefused(does("train"), "norm.weight is of I32, expected F32, F16, BF16 or F64");
    }

    @Test
    void aWeightOfAnotherShapeIsRefused() throws Exception {
        replace("blocks.1.mlp.fc2.weight", Tensor.ofFloats(new long[] {32, 16}, new float[512]));

        assertRefused(does("train"), "blocks.1.mlp.fc2.weight has shape [32, 16]", "needs [16, 32]");
    }

    @Test
    void aWeightThatIsNoNumberIsRefused() throws Exception {
        float[] weight = new float[16];
        weight[3] = Float.NaN;
        replace("norm.weight", Tensor.ofFloats(new long[] {16}, weight));

        assertRefused(does("train"), "number 3 of norm.weight is NaN");
    }

    @Test
    void aFolderWithoutImagesIsRefused() throws Exception {
        Path empty = Files.createDirectories(folder.resolve("empty/cat"));

        assertRefused(does(empty.getParent(), "train"), empty.getParent() + ": ", "images");
    }

    @Test
    void oneClassIsRefused() throws Exception {
        Path one = folder.resolve("one");
        Files.createDirectories(one.resolve("red"));
        Files.copy(images.resolve("red/0.png"), one.resolve("red/0.png"));

        assertRefused(
                does(one, "train"),
                one + ": found one class only (red), expected two classes or more; check the folders of the classes, or"
                        + " data.labelColumn");
    }

    @Test
    void aPathWithNothingThereIsRefused() throws Exception {
        assertRefused(does(folder.resolve("none"), "train"), folder + "/none: there is no such file or folder");
    }

    @Test
    void aFileInPlaceOfTheImagesIsRefused() throws Exception {
        Path text = Files.writeString(folder.resolve("images.txt"), "cats");

        assertRefused(does(text, "train"), text + ": ");
    }

    @Test
    void aRunDirectoryThatIsAFileIsRefused() throws Exception {
        Files.writeString(directory, "in the way");

        Result result = does("train");

        assertThat(result.code()).as(result.err()).isEqualTo(2);
        assertThat(last(result.err())).startsWith("error: " + directory + "/").contains("cannot be written");
        assertThat(directory).hasContent("in the way");
    }

    @ParameterizedTest
    @ValueSource(strings = {"evaluate", "merge"})
    void whatNeedsADeltaAsksForTheTraining(String verb) throws Exception {
        assertRefused(does(verb), directory + "/delta.safetensors: there is no delta to " + verb + "; train first");
    }

    @Test
    void aDeltaOfAnotherModelIsNeitherEvaluatedNorMergedNorPredictedWith() throws Exception {
        assertThat(does("train").code()).isZero();
        List<String> before = made();
        pretrained = Tiny.pretrained(folder.resolve("other"), 2);

        for (String verb : new String[] {"evaluate", "merge"}) {
            Result result = does(verb);
            assertThat(result.code()).as(result.err()).isEqualTo(2);
            assertThat(last(result.err())).startsWith("error: ").contains(pretrained + "/model.safetensors");
        }
        Result predicted = predict(folder + "/labels");
        assertThat(predicted.code()).as(predicted.err()).isEqualTo(2);
        assertThat(folder.resolve("labels")).doesNotExist();
        assertThat(made()).isEqualTo(before);
    }

    private Result predict(String output) throws Exception {
        return execute(
                "predict",
                "--set",
                "run.directory=" + directory,
                "--set",
                "model.pretrained=" + pretrained,
                "--images",
                images.toString(),
                "--output",
                output);
    }

    @Test
    void whatIsMadeOutsideTheRunDirectoryIsInTheSummary() throws Exception {
        assertThat(does("train").code()).isZero();
        String packed = folder + "/packed";
        String labels = folder + "/labels";

        for (int times = 0; times < 2; times++) {
            Result result = execute(
                    "pack", "--set", "run.directory=" + directory, "--images", images.toString(), "--output", packed);
            assertThat(assertSummary(result, "done", "null").path("made"))
                    .extracting(JsonNode::asText)
                    .isEqualTo(times == 0 ? List.of(packed) : List.of());
        }
        Result predicted = predict(labels);
        assertThat(assertSummary(predicted, "done", "null").path("made"))
                .extracting(JsonNode::asText)
                .containsExactly(labels);
    }

    @Test
    void tooManyBrokenImagesEndTheRunAndAreListed() throws Exception {
        Path some = Tiny.images(folder.resolve("some"), 4, 3);
        Files.writeString(some.resolve("red/2.png"), "not an image");

        Result refused = does(some, "train");

        assertThat(refused.code()).as(refused.err()).isEqualTo(2);
        assertThat(last(refused.err()))
                .contains("1 of 12 images (8.3333 %) are broken [red/2.png: ", "data.maxBroken allows 1.0 %");
        assertThat(made()).containsExactly("broken-images.json");
        assertThat(directory.resolve("broken-images.json")).content().contains("red/2.png", "\"images\" : 12");

        Result accepted = does(some, "run", "data.maxBroken=0.1");

        assertThat(accepted.code()).as(accepted.err()).isZero();
        assertThat(accepted.err()).contains("read 11 images of 3 classes, 1 of 12 images (8.3333 %) are broken");
        assertThat(directory.resolve("metrics.json")).content().contains("\"test_images\" : 11");
    }

    @Test
    void fewerImagesThanShardsAreRefused() throws Exception {
        for (String verb : new String[] {"check", "train"}) {
            Result result = does(verb, "training.shards=13", "training.batchSize=13");
            assertThat(result.code()).as(result.err()).isEqualTo(2);
            assertThat(last(result.err()))
                    .isEqualTo(
                            "error: training.shards is 13, but data.train has 12 images; use fewer shards than images");
            assertThat(made()).as("before any work").containsExactly("broken-images.json", "data.json", "images.json");
        }
    }

    @Test
    void whatIsNoSafetensorsFileCannotBeInspected() throws Exception {
        Path text = Files.writeString(folder.resolve("notes.txt"), "remember the milk");

        assertRefused(execute("inspect", text.toString()), text + ": the header claims");
        assertRefused(execute("inspect", folder + "/none"), folder + "/none: no such file");
    }

    /** A file system of its own scheme, which Hadoop finds only if it is told. */
    public static final class Elsewhere extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("elsewhere:///");
        }

        @Override
        public String getScheme() {
            return "elsewhere";
        }
    }

    @Test
    void everyVerbReachesTheFileSystemsThatSparkIsTold() throws Exception {
        assertThat(does("select").code()).isZero();
        Path config = Files.writeString(folder.resolve("my.yaml"), "run:\n  seed: 7\n");
        String file = "elsewhere://" + directory + "/selection.safetensors";
        Result unknown = execute("inspect", file);
        assertThat(unknown.code()).as(unknown.err()).isEqualTo(2);
        assertThat(unknown.err()).contains("selection.safetensors", "elsewhere");

        System.setProperty("spark.hadoop.fs.elsewhere.impl", Elsewhere.class.getName());
        try {
            Result inspected = execute("inspect", file);
            assertThat(inspected.code()).as(inspected.err()).isZero();
            assertThat(inspected.out()).contains("selection");
            Result planned = execute(
                    "inspect",
                    "elsewhere://" + pretrained,
                    "--config",
                    "elsewhere://" + config,
                    "--plan",
                    "--gflops",
                    "80");
            assertThat(planned.code()).as(planned.err()).isZero();
            Result trained = does("run", "evaluation.batchSize=4");
            assertThat(trained.code()).as(trained.err()).isZero();
            Result exported = execute(
                    "export",
                    "--format",
                    "timm",
                    "--run",
                    "elsewhere://" + directory,
                    "--output",
                    folder + "/exported");
            assertThat(exported.code()).as(exported.err()).isZero();
        } finally {
            System.clearProperty("spark.hadoop.fs.elsewhere.impl");
        }
    }

    /** Returns the last line that a verb has printed. */
    private static JsonNode summary(Result result) throws IOException {
        return new ObjectMapper().readTree(last(result.out()));
    }

    @Test
    void aVerbWithoutSparkEndsWithASummaryToo() throws Exception {
        JsonNode done = summary(execute("inspect", pretrained.toString()));
        assertThat(done.path("verb").asText()).isEqualTo("inspect");
        assertThat(done.path("status").asText()).isEqualTo("done");
        JsonNode refused = summary(execute("inspect", folder + "/none"));
        assertThat(refused.path("status").asText()).isEqualTo("refused");
        assertThat(refused.path("message").asText()).contains("no such file");
        JsonNode export =
                summary(execute("export", "--format", "timm", "--run", folder + "/none", "--output", folder + "/out"));
        assertThat(export.path("verb").asText()).isEqualTo("export");
        assertThat(export.path("exit").asInt()).isEqualTo(2);
        assertThat(export.path("directory").asText()).isEqualTo(folder + "/none");
    }

    @Test
    void aVerbWithoutSparkEndsWithFourIfTheFileSystemIsLost() throws Exception {
        System.setProperty("spark.hadoop.fs.lost.impl", Lost.class.getName());
        try {
            for (String reason : List.of("Connection reset", "Read timed out", "Connection refused")) {
                Lost.reason = reason;
                for (Result result : List.of(
                        execute("inspect", "lost://host/delta.safetensors"),
                        execute("train", "--config", "lost://host/run.yaml"),
                        execute(
                                "export",
                                "--format",
                                "timm",
                                "--run",
                                "lost://host/run",
                                "--output",
                                folder + "/out"))) {
                    assertThat(result.code()).as(result.err()).isEqualTo(4);
                    assertThat(summary(result).path("status").asText()).isEqualTo("lost");
                    assertThat(result.err()).contains(reason, "run the same command again to resume");
                }
            }
        } finally {
            System.clearProperty("spark.hadoop.fs.lost.impl");
        }
    }

    /** A file system whose server does not answer. */
    public static final class Lost extends RawLocalFileSystem {
        private static String reason = "";

        @Override
        public URI getUri() {
            return URI.create("lost://host/");
        }

        @Override
        public void initialize(URI uri, Configuration conf) {}

        @Override
        public boolean exists(org.apache.hadoop.fs.Path path) throws IOException {
            return getFileStatus(path).isFile();
        }

        @Override
        public FileStatus getFileStatus(org.apache.hadoop.fs.Path path) throws IOException {
            throw reason.contains("timed") ? new SocketTimeoutException(reason) : new ConnectException(reason);
        }

        @Override
        public FSDataInputStream open(org.apache.hadoop.fs.Path path, int bufferSize) throws IOException {
            throw reason.contains("timed") ? new SocketTimeoutException(reason) : new SocketException(reason);
        }
    }

    @Test
    void aPlanNeedsNoMoreThanTheNameOfAModel() throws Exception {
        Result plan = execute("inspect", "vit_base_patch16_224", "--plan", "--gflops", "80", "--executors", "1,8");
        assertThat(plan.code()).as(plan.err()).isZero();
        assertThat(plan.out())
                .contains("417,892 parameters train")
                .contains("raise training.shards")
                .contains("80.0 GFLOP/s of a task, given")
                .containsPattern("decoding +[\\d.,]+ images/s of a core, measured here");
        assertRefused(execute("inspect", "vit_huge", "--plan", "--gflops", "1"), "vit_huge", "vit_base_patch16_224");
        assertRefused(
                execute("inspect", "vit_base_patch16_224", "--plan", "--gflops", "-1"), "--gflops", "must be > 0");
        assertRefused(
                execute("inspect", "vit_base_patch16_224", "--plan", "--gflops", "80", "--tasks", "0"),
                "--tasks",
                "got");
        assertRefused(
                execute("inspect", "vit_base_patch16_224", "--plan", "--tflops", "80000"), "--tflops is in 10^12");
        String tf32 = "engine.precision=tf32";
        assertRefused(
                execute("inspect", "vit_base_patch16_224", "--plan", "--set", tf32),
                "--gflops is missing",
                "engine.precision tf32");
        assertThat(execute("inspect", "vit_base_patch16_224", "--plan", "--gflops", "80", "--set", tf32)
                        .code())
                .isZero();
    }

    @Test
    void aPlanIsOfTheMethodAndItsOwnSettings() throws Exception {
        String all = "selection.matrices=[patch_embed.proj, attn.qkv, attn.proj, mlp.fc1, mlp.fc2]";

        assertThat(plan("tuning.method=gps", "run.seed=1"))
                .isEqualTo(plan("tuning.method=gps", all))
                .isNotEqualTo(plan("tuning.method=gps", "selection.matrices=[attn.qkv]"));
        assertThat(plan("tuning.method=lora", "methods.lora.tuning.lora.rank=2"))
                .isEqualTo(plan("tuning.method=lora", "tuning.lora.rank=2"));
    }

    private static String plan(String method, String key) throws Exception {
        Result plan = execute(
                "inspect",
                "vit_base_patch16_224",
                "--plan",
                "--gflops",
                "80",
                "--decode",
                "300",
                "--prepare",
                "2000",
                "--round",
                "20",
                "--set",
                method,
                "--set",
                key);
        assertThat(plan.code()).as(plan.err()).isZero();
        return plan.out().replace(last(plan.out()), ""); // a summary, with seconds
    }

    @Test
    void whatTheUserCannotMendEndsWithThree() throws Exception {
        System.setProperty("spark.extraListeners", "dev.moon.Listener"); // fails in Spark's own start
        try {
            Result result = does("train");

            assertThat(result.code()).isEqualTo(3);
            assertThat(result.err()).contains("internal error, please report it:", "dev.moon", "\tat ");
            assertThat(new ObjectMapper()
                            .readTree(last(result.out()))
                            .path("status")
                            .asText())
                    .isEqualTo("failed");
        } finally {
            System.clearProperty("spark.extraListeners");
        }
    }
}
