package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A training in a process of its own, told to end, then killed without a warning. */
@Tag("thorough")
class KilledIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long

    @TempDir
    Path folder;

    private Process train(Path directory, Path log) throws IOException {
        Path images = folder.resolve("images");
        return Submitted.train(
                Main.class,
                "1g",
                log,
                Tiny.sets(folder.resolve("pretrained"), images, images, directory, "training.epochs=40"));
    }

    private void trainToTheEnd(Path directory, Path log) throws Exception {
        Process process = train(directory, log);
        assertThat(Submitted.exitCode(process, log, SECONDS))
                .as(Files.readString(log))
                .isZero();
    }

    @Test
    void aTrainingThatWasToldToEndOrKilledGoesOnToTheSameBits() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Tiny.images(folder.resolve("images"), 6, 2);
        Path killed = folder.resolve("killed");
        Path undisturbed = folder.resolve("undisturbed");
        Path log = folder.resolve("killed.log");

        Process told = train(killed, log);
        try {
            States.awaitFirst(told, killed, log, SECONDS);
            told.destroy(); // SIGTERM
            assertThat(told.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
        } finally {
            told.destroyForcibly();
        }
        assertThat(told.exitValue()).as(Files.readString(log)).isEqualTo(143);
        assertThat(log)
                .content()
                .contains("stopped: the process was told to end; run the same command again to resume")
                .contains("\"status\":\"stopped\",\"exit\":143");
        int lastStep = States.steps(killed).last();
        assertThat(Files.readAllLines(killed.resolve("history.jsonl")))
                .as("the last step was kept")
                .hasSize(lastStep);

        Process process = train(killed, log);
        try {
            States.awaitAfter(lastStep, process, killed, log, SECONDS);
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as("killed").isEqualTo(137);
        assertThat(log).content().contains("resuming after step " + lastStep + ",");
        assertThat(killed.resolve("delta.safetensors")).doesNotExist();

        trainToTheEnd(killed, log);
        trainToTheEnd(undisturbed, folder.resolve("undisturbed.log"));

        assertThat(log).content().contains("resuming after step ").contains("step 120/120");
        assertThat(folder.resolve("undisturbed.log")).content().doesNotContain("resuming after step ");
        assertThat(Tiny.tensors(killed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(undisturbed.resolve("delta.safetensors")));
        assertThat(Files.readAllLines(killed.resolve("history.jsonl"))).hasSize(120);
    }
}
