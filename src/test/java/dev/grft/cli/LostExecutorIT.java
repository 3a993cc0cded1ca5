package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A training whose executors are processes of their own, one of which is killed without a warning. */
class LostExecutorIT {
    private static final long SECONDS = 240;

    @TempDir
    Path folder;

    private Process train(String master, Path directory, Path log) throws IOException {
        Path images = folder.resolve("images");
        List<String> command = new ArrayList<>(List.of(
                "jobs/submit.sh",
                "--master",
                master,
                "--driver-memory",
                "1g",
                "--conf",
                "spark.ui.enabled=false",
                "--conf",
                "spark.driver.bindAddress=127.0.0.1",
                "--conf",
                "spark.driver.host=127.0.0.1",
                "train"));
        for (String set : Tiny.sets(folder.resolve("pretrained"), images, images, directory, "training.epochs=60")) {
            command.addAll(List.of("--set", set));
        }
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().remove("SPARK_HOME");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        return builder.start();
    }

    private static void end(Process process, Path log) throws Exception {
        assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS))
                .as("ends in time:\n%s", Files.readString(log))
                .isTrue();
        assertThat(process.exitValue()).as(Files.readString(log)).isZero();
    }

    private static Optional<ProcessHandle> executor(Process driver) {
        return driver.descendants()
                .filter(process -> commandLine(process).contains("CoarseGrainedExecutorBackend"))
                .findFirst();
    }

    private static String commandLine(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc", Long.toString(process.pid()), "cmdline"));
        } catch (IOException e) {
            return ""; // it has ended
        }
    }

    @Test
    void aLostExecutorChangesNoBit() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Tiny.images(folder.resolve("images"), 6, 2);
        Path undisturbed = folder.resolve("undisturbed");
        Path disturbed = folder.resolve("disturbed");
        Path log = folder.resolve("disturbed.log");

        Process local = train("local[2]", undisturbed, folder.resolve("undisturbed.log"));
        try {
            end(local, folder.resolve("undisturbed.log"));
        } finally {
            local.destroyForcibly();
        }
        Process driver = train("local-cluster[2,1,1024]", disturbed, log);
        try {
            States.awaitFirst(driver, disturbed, log, SECONDS);
            assertThat(executor(driver).orElseThrow().destroyForcibly()).isTrue();
            end(driver, log);
        } finally {
            driver.descendants().forEach(ProcessHandle::destroyForcibly);
            driver.destroyForcibly();
        }

        assertThat(log).content().contains("Lost executor");
        assertThat(Tiny.tensors(disturbed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(undisturbed.resolve("delta.safetensors")));
        assertThat(Files.readAllLines(disturbed.resolve("history.jsonl"))).hasSize(180);
    }
}
