package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.report.FakeMlflow;
import dev.grft.spark.verbs.Tiny;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** No secret that a run is given stands in anything that it prints or leaves. */
class SecretsIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long
    private static final String SECRET = "hunter2-";

    @TempDir
    Path folder;

    private int run(Path log, List<String> options, List<String> sets, Map<String, String> environment)
            throws Exception {
        return Submitted.exitCode(Submitted.verb("run", log, options, sets, environment), log, SECONDS);
    }

    @Test
    void secretsOfSparkTheStoreAndTheTrackingServerAreNeitherPrintedNorLeft() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path images = Tiny.images(folder.resolve("images"), 6, 2);
        Path run = folder.resolve("run");
        Path log = folder.resolve("log");
        Path events = Files.createDirectory(folder.resolve("events"));
        try (FakeMlflow server = new FakeMlflow()) {
            int exit = run(
                    log,
                    List.of(
                            "--conf", "spark.hadoop.fs.s3a.access.key=" + SECRET + "access",
                            "--conf", "spark.hadoop.fs.s3a.secret.key=" + SECRET + "key",
                            "--conf", "spark.hadoop.fs.s3a.session.token=" + SECRET + "session",
                            "--conf", "spark.executorEnv.MLFLOW_TRACKING_PASSWORD=" + SECRET + "executor",
                            "--conf", "spark.authenticate=true",
                            "--conf", "spark.authenticate.secret=" + SECRET + "authenticate",
                            "--conf", "spark.eventLog.enabled=true",
                            "--conf", "spark.eventLog.dir=" + events.toUri(),
                            "--conf", "spark.logConf=true",
                            "--conf", "spark.log.level=INFO"),
                    Tiny.sets(
                            folder.resolve("pretrained"),
                            images,
                            images,
                            run,
                            "training.epochs=1",
                            "tracking.uri=" + server.uri(),
                            "lineage.uri=" + folder.resolve("lineage")),
                    Map.of(
                            "MLFLOW_TRACKING_TOKEN", SECRET + "token",
                            "OPENLINEAGE_API_KEY", SECRET + "lineage",
                            "AWS_ACCESS_KEY_ID", SECRET + "id",
                            "AWS_SECRET_ACCESS_KEY", SECRET + "aws"));

            assertThat(exit).as(Files.readString(log)).isZero();
            assertThat(server.authorizations).containsOnly("Bearer " + SECRET + "token");
            assertThat(server.run("run").parameters.values()).noneMatch(value -> value.contains(SECRET));
        }
        assertThat(log)
                .content()
                .contains("spark.authenticate", "\"status\":\"done\""); // the configuration was printed
        assertThat(with(SECRET, run)).isEmpty();
        assertThat(with("runId", folder.resolve("lineage"))).hasSize(2);
        assertThat(with(SECRET, folder.resolve("lineage"))).isEmpty();
        assertThat(with(SECRET, log)).isEmpty();
        assertThat(with("spark.hadoop.fs.s3a.secret.key", events))
                .as("Spark's events tell its settings")
                .isNotEmpty();
        assertThat(with(SECRET, events)).isEmpty();
        assertThat(run.resolve("merged.safetensors")).isRegularFile();
        assertThat(run.resolve("report.html")).isRegularFile();

        int refused = run(log, List.of(), List.of("tracking.uri=http://me:" + SECRET + "@127.0.0.1:1"), Map.of());
        assertThat(refused).isEqualTo(2);
        assertThat(log).content().contains("error: the command line: has an address with a password in it");
        assertThat(with(SECRET, log)).isEmpty();
    }

    /** Returns the files below a path that have some text. */
    private static List<Path> with(String text, Path path) throws Exception {
        List<Path> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                if (new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1).contains(text)) {
                    found.add(file);
                }
            }
        }
        return found;
    }
}
