package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run on a cluster of processes that are killed without a warning, beside one that nothing disturbs. */
class FaultsIT {
    private static final long SECONDS = 300;

    @TempDir
    Path folder;

    private Process run(Path directory, Path log, String... options) throws IOException {
        Path images = folder.resolve("images");
        return Submitted.verb(
                "run",
                log,
                List.of(options),
                Tiny.sets(folder.resolve("pretrained"), images, images, directory, "training.epochs=10"));
    }

    private static void end(Process process, Path log) throws Exception {
        try {
            assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS))
                    .as("ends in time:\n%s", Files.readString(log))
                    .isTrue();
            assertThat(process.exitValue()).as(Files.readString(log)).isZero();
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void lostExecutorsAndWorkersChangeNoBit() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Tiny.images(folder.resolve("images"), 6, 2);
        Path undisturbed = folder.resolve("undisturbed");
        Path disturbed = folder.resolve("disturbed");
        Path log = folder.resolve("disturbed.log");
        String kills = "kill:Decoding;kill:probe: features;piece:select: scoring;kill:step 3;all:step 6;worker:step 12;"
                + "pause:step 20;kill:evaluate";

        end(
                run(undisturbed, folder.resolve("undisturbed.log"), "--master", "local[2]"),
                folder.resolve("undisturbed.log"));
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), 3)) {
            end(
                    run(
                            disturbed,
                            log,
                            "--master",
                            cluster.master(),
                            "--spark-conf",
                            cluster.properties().toString(),
                            "--conf",
                            "spark.extraListeners=" + Killer.class.getName(),
                            "--conf",
                            "spark.driver.extraClassPath="
                                    + Path.of("target/test-classes").toAbsolutePath(),
                            "--conf",
                            "spark.grft.kills=" + kills,
                            "--conf",
                            "spark.executor.memory=640m",
                            "--conf",
                            "spark.broadcast.blockSize=1k", // so that the weights come in many pieces
                            "--conf",
                            "spark.speculation=true",
                            "--conf",
                            "spark.speculation.minTaskRuntime=1s",
                            "--conf",
                            "spark.speculation.quantile=0.5"),
                    log);
            assertThat(cluster.workers()).as("one was killed").hasSize(2);
        }

        assertThat(Files.readAllLines(log).stream().filter(line -> line.startsWith("KILLER")))
                .as(Files.readString(log))
                .hasSameSizeAs(kills.split(";"));
        for (String file : List.of(
                "selection.safetensors", "linear/delta.safetensors", "delta.safetensors", "merged.safetensors")) {
            assertThat(Tiny.tensors(disturbed.resolve(file)))
                    .as(file)
                    .isEqualTo(Tiny.tensors(undisturbed.resolve(file)));
        }
        assertThat(disturbed.resolve("evaluation.json"))
                .hasSameTextualContentAs(undisturbed.resolve("evaluation.json"));
        assertThat(Files.readAllLines(disturbed.resolve("history.jsonl"))).hasSize(30);
    }
}
