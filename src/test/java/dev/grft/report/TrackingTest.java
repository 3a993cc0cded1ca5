package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.FreePorts;
import dev.grft.Task;
import dev.grft.checkpoint.artifact.SparkModel;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.measures.Measure;
import dev.grft.train.Trainer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(120)
class TrackingTest {
    private static final String SECRET = "hunter2";

    @TempDir
    java.nio.file.Path folder;

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    private static Settings settings(String uri) {
        return settings(uri, 60); // a loaded machine takes long
    }

    private static Settings settings(String uri, int timeoutSeconds) {
        return Config.load(
                List.of(),
                List.of("tracking.uri=" + uri, "tracking.timeoutSeconds=" + timeoutSeconds),
                new Configuration());
    }

    private Tracking tracking(String uri, Map<String, String> environment) {
        return tracking(settings(uri).tracking(), environment);
    }

    private Tracking tracking(Settings.Tracking settings, Map<String, String> environment) {
        return new Tracking(
                settings,
                new Storage(new Configuration()),
                new Progress(new PrintStream(said, true, StandardCharsets.UTF_8)),
                "grft train",
                environment::get);
    }

    private String said() {
        return said.toString(StandardCharsets.UTF_8);
    }

    private Path path(String... names) {
        return new Path(folder.toString() + "/" + String.join("/", names));
    }

    private static Trainer.Step step(long number) {
        return new Trainer.Step(number, 2000, number / 4.0, 1.0 / number, 0.5, 0.25, Double.NaN, 32, 0.125, 0.01);
    }

    @Test
    void aRunHasParametersNumbersFilesAndAnEnd() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            Files.writeString(folder.resolve("README.md"), "a card");
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                Tracking.Run run = tracking.run(path(), settings(server.uri()), false);
                run.step(step(1));
                run.step(step(2));
                run.epoch(2, "validation", Map.of(Measure.ACCURACY, 0.75, Measure.LOSS, 0.5));
                run.results(new ObjectMapper().readTree("{\"accuracy\":0.5,\"note\":\"x\",\"phases\":{\"train\":3}}"));
                run.files(path("README.md"), path("not there"));
            }

            FakeMlflow.Run told = server.run(folder.getFileName().toString());
            assertThat(told.parameters)
                    .containsEntry("training.epochs", "20")
                    .containsEntry("selection.budget.count", "4")
                    .containsEntry("data.train", "null");
            assertThat(told.metrics)
                    .contains(
                            "loss@1=1.0",
                            "loss@2=0.5",
                            "penalty@1=0.5",
                            "learning_rate@1=0.25",
                            "epoch@2=0.5",
                            "images_per_second@1=256.0",
                            "validation.accuracy@2=0.75",
                            "validation.loss@2=0.5",
                            "result.accuracy@0=0.5",
                            "result.phases.train@0=3.0")
                    .as("no NaN, no text")
                    .noneMatch(metric -> metric.startsWith("gradient_norm") || metric.contains("note"));
            assertThat(told.files).isEqualTo(Map.of("README.md", 6));
            assertThat(told.statuses).containsExactly("FINISHED");
            assertThat(told.tags).containsEntry("mlflow.source.name", "grft train");
            assertThat(server.authorizations).containsOnly("");
            assertThat(said()).isEmpty();
        }
    }

    @Test
    void whatGoesOnGoesOnInTheSameRunAndWhatBeginsAnewInAnother() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            for (boolean goesOn : new boolean[] {false, true, false}) {
                try (Tracking tracking = tracking(server.uri(), Map.of())) {
                    tracking.run(path("run"), settings(server.uri()), goesOn).step(step(1));
                    tracking.outcome(Tracking.Outcome.KILLED);
                }
            }
            assertThat(server.runs.get("run1").statuses).containsExactly("KILLED", "RUNNING", "KILLED");
            assertThat(server.runs.get("run1").metrics).hasSize(10);
            assertThat(server.runs.get("run2").statuses).containsExactly("KILLED");
            assertThat(server.runs).hasSize(2);

            server.runs.clear(); // deleted there
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                tracking.run(path("run"), settings(server.uri()), true).step(step(3));
            }
            assertThat(server.run("run").metrics).contains("epoch@3=0.75");
            assertThat(said()).isEmpty();
        }
    }

    @Test
    void aServerThatIsBusyForAWhileIsToldEverythingInTheEnd() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            server.failing = 2;
            Tracking.Run run;
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                run = tracking.run(path("run"), settings(server.uri()), false);
                for (int i = 1; i <= 1500; i++) {
                    run.step(step(i));
                }
                while (server.runs.isEmpty()) {
                    Thread.sleep(50);
                }
            }
            assertThat(server.run("run").metrics).hasSize(5 * 1500);
            assertThat(server.calls.stream().filter(call -> call.endsWith("log-batch")))
                    .as("together, up to 1000 at a time")
                    .hasSizeLessThan(20);
            assertThat(said().lines())
                    .containsExactly("tracking: " + server.uri()
                            + " cannot be reached (java.io.IOException: status 503); will try again; the run continues"
                            + " without it");
        }
    }

    @Test
    void aServerThatIsBusyAtTheEndIsToldEverything() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                Tracking.Run run = tracking.run(path("run"), settings(server.uri()), false);
                while (server.runs.isEmpty()) {
                    Thread.sleep(50);
                }
                server.failing = 3;
                run.step(step(1));
            }
            assertThat(server.run("run").metrics).hasSize(5);
            assertThat(server.run("run").statuses).containsExactly("FINISHED");
            assertThat(said()).contains("will try again").doesNotContain("not everything");
        }
    }

    @Test
    void theEndDoesNotWaitForAPauseToBeOver() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            server.failing = 5; // the fifth pause is of 16 s
            long began = System.nanoTime();
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                tracking.run(path("run"), settings(server.uri()), false).step(step(1));
                while (server.failing > 2) {
                    Thread.sleep(20);
                }
            }
            assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(12));
            assertThat(server.run("run").statuses).containsExactly("FINISHED");
        }
    }

    @Test
    void aServerThatIsBackAtTheEndIsToldEverything() throws Exception {
        int port = FreePorts.inARow(1);
        String uri = "http://127.0.0.1:" + port;
        Tracking tracking = tracking(uri, Map.of());
        tracking.run(path("run"), settings(uri), false).step(step(1));
        while (!said().contains("cannot be reached (java.net.ConnectException")) {
            Thread.sleep(20);
        }
        Thread.sleep(3500); // now in the pause of 4 s
        try (FakeMlflow server = new FakeMlflow(port)) {
            tracking.close();
            assertThat(server.run("run").statuses).containsExactly("FINISHED");
        }
    }

    @Test
    void aServerThatIsAwayCostsNoTimeAndIsSaidOnce() throws Exception {
        try (Socket nobody = FreePorts.refusing()) {
            tellsWithoutWaiting(
                    "http://127.0.0.1:" + nobody.getLocalPort(), "cannot be reached (java.net.ConnectException");
        }
        assertThat(said().lines()).hasSize(2);
        assertThat(said()).contains("not everything was sent to the server");
    }

    @Test
    @Tag("thorough")
    void aServerThatDoesNotAnswerCostsNoTimeButALittleAtTheEnd() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            tellsWithoutWaiting(
                    "http://127.0.0.1:" + silent.getLocalPort(),
                    "does not answer within tracking.timeoutSeconds; will try again");
        }
        assertThat(said()).contains("not everything was sent to the server");
    }

    /** Tells a server that is not there, and ends after the complaint about it, which comes in its own time. */
    private void tellsWithoutWaiting(String uri, String complaint) throws InterruptedException {
        int seconds = 10;
        long before = System.nanoTime();
        Tracking tracking = tracking(settings(uri, seconds).tracking(), Map.of());
        Tracking.Run run = tracking.run(path("run"), settings(uri, seconds), false);
        for (int i = 1; i <= 25_000; i++) { // more than may wait
            run.step(step(i));
        }
        run.files(path("README.md"));
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(seconds));
        while (!said().contains(complaint)) {
            Thread.sleep(20);
        }
        before = System.nanoTime();
        tracking.outcome(Tracking.Outcome.KILLED);
        tracking.close();
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(3 * seconds));
        assertThat(folder.resolve("run")).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({"hunter2,,,Bearer hunter2", ",me,hunter2,Basic bWU6aHVudGVyMg==", ",me,,''"})
    void credentialsAreOfTheEnvironmentAndNeverSaid(String token, String user, String password, String expected)
            throws IOException {
        Map<String, String> environment = new java.util.HashMap<>();
        environment.put("MLFLOW_TRACKING_TOKEN", token);
        environment.put("MLFLOW_TRACKING_USERNAME", user);
        environment.put("MLFLOW_TRACKING_PASSWORD", password);
        try (FakeMlflow server = new FakeMlflow()) {
            server.always = 403;
            try (Tracking tracking = tracking(server.uri(), environment)) {
                tracking.run(path("run"), settings(server.uri()), false).step(step(1));
            }
            assertThat(server.authorizations).isNotEmpty().containsOnly(expected);
            assertThat(said().lines())
                    .containsExactly(
                            "tracking: " + server.uri() + " refuses (status 403, no); the run continues without it",
                            "tracking: not everything was sent to the server");
            assertThat(said()).doesNotContain(SECRET);
        }
    }

    @Test
    void aTokenThatIsNoneIsRefusedAndNotRepeated() throws IOException {
        try (FakeMlflow server = new FakeMlflow();
                Tracking tracking = tracking(server.uri(), Map.of("MLFLOW_TRACKING_TOKEN", "a\n" + SECRET))) {
            tracking.run(path("run"), settings(server.uri()), false).step(step(1));
        }
        assertThat(said())
                .contains("refuses (MLFLOW_TRACKING_TOKEN must be one line of ASCII)")
                .doesNotContain(SECRET);
    }

    @Test
    void filesThatTheServerDoesNotTakeAreSaidOnce() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            server.artifacts = "s3://bucket/";
            Files.writeString(folder.resolve("README.md"), "a card");
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                Tracking.Run run = tracking.run(path(), settings(server.uri()), false);
                run.files(path("README.md"), path("README.md"));
            }
            assertThat(said().lines())
                    .containsExactly(
                            "tracking: files are not sent; the server does not proxy artifacts, it stores them at"
                                    + " s3://bucket/run1/artifacts");
            assertThat(server.runs.get("run1").statuses).containsExactly("FINISHED");
        }
    }

    @Test
    void aModelIsSentAgainAfterAFailureAndRegisteredOnce() throws Exception {
        Files.writeString(folder.resolve("merged.safetensors"), "weights");
        Files.writeString(folder.resolve("config.json"), "{\"model_type\":\"dinov2\"}");
        Files.writeString(folder.resolve("preprocessor_config.json"), "{}");
        Files.writeString(folder.resolve("delta.safetensors"), "delta");
        MlflowModel model = new MlflowModel(
                path("merged.safetensors"),
                new SparkModel(path("delta.safetensors"), "file:/models/vit", "0a", "3.5.5"),
                Task.MULTI_LABEL,
                List.of("a", "b"),
                List.of(0.5f, 0.25f),
                "transpose",
                true);
        try (FakeMlflow server = new FakeMlflow()) {
            Settings.Tracking settings = new Settings.Tracking(server.uri(), "grft", true, "many tags", 60);
            try (Tracking tracking = tracking(settings, Map.of())) {
                Tracking.Run run = tracking.run(path(), settings(server.uri()), false);
                server.failing = 3;
                run.model(model);
                run.model(model);
                while (server.registry.isEmpty()) {
                    Thread.sleep(20);
                }
            }
            FakeMlflow.Run told = server.run(folder.getFileName().toString());
            assertThat(told.inModels)
                    .containsKeys("model/data/preprocessor_config.json", "model/MLmodel")
                    .containsEntry("model/data/model.safetensors", "weights".getBytes(StandardCharsets.UTF_8))
                    .containsEntry(
                            "model/sparkml/stages/0_grft/delta.safetensors", "delta".getBytes(StandardCharsets.UTF_8));
            assertThat(new String(told.inModels.get("model/data/grft.json"), StandardCharsets.UTF_8))
                    .contains("0.25")
                    .contains("transpose")
                    .contains("\"flip\" : true");
            assertThat(told.models).hasSize(1);
            assertThat(told.models.get(0)).contains("\\\"labels\\\",\\\"type\\\":\\\"array\\\"");
            assertThat(server.registry).containsExactly("many tags/1: run1 mlflow-artifacts:/0/run1/artifacts/model");
            assertThat(server.calls.indexOf("PUT /api/2.0/mlflow-artifacts/artifacts/0/run1/artifacts/model/MLmodel"))
                    .as("last, so that half a model is none")
                    .isGreaterThan(server.calls.indexOf(
                            "PUT /api/2.0/mlflow-artifacts/artifacts/0/run1/artifacts/model/data/model.safetensors"));
        }
    }

    @Test
    void aFileSystemThatIsTooSlowIsSaidOnce() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            Tracking tracking = new Tracking(
                    settings(server.uri(), 5).tracking(),
                    new Storage(SlowFileSystem.configuration()),
                    new Progress(new PrintStream(said, true, StandardCharsets.UTF_8)),
                    "grft train");
            tracking.run(new Path("slow:" + folder), settings(server.uri()), false);
            while (server.runs.isEmpty()) {
                Thread.sleep(20);
            }
            tracking.outcome(Tracking.Outcome.KILLED);
            tracking.close();
        }
        assertThat(said().lines())
                .containsExactly(
                        "tracking: not everything was sent to the server in 5.0 s; raise tracking.timeoutSeconds");
    }

    @Test
    void withoutAServerNothingIsDone() {
        Set<Thread> before = threads();
        Tracking tracking = new Tracking(
                new Settings.Tracking(null, "grft", false, null, 5),
                new Storage(new Configuration()),
                new Progress(new PrintStream(said, true, StandardCharsets.UTF_8)),
                "grft");
        tracking.run(path("run"), settings("http://localhost"), false).step(step(1));
        tracking.close();
        assertThat(threads()).isSubsetOf(before);
        assertThat(said()).isEmpty();
    }

    private static Set<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("grft-tracking"))
                .collect(Collectors.toSet());
    }

    @Test
    void epochsComeToTheHistoryAndToTheServer() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            try (Tracking tracking = tracking(server.uri(), Map.of())) {
                History history = new History(
                        new Storage(new Configuration()),
                        path("history.jsonl"),
                        0,
                        tracking.run(path("run"), settings(server.uri()), false));
                history.add(step(4));
                history.add(4, 1, "test", Map.of(Measure.ACCURACY, 0.5, Measure.LOSS, 0.25), Measure.ACCURACY, true);
            }
            assertThat(server.run("run").metrics).contains("loss@4=0.25", "test.accuracy@4=0.5");
        }
    }
}
