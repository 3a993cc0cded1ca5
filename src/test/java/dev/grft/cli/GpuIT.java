package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Spark's scheduling of GPUs, on a worker that takes two for its own because {@code nvidia-smi} says so. */
@Tag("thorough")
class GpuIT {
    private static final long SECONDS = 300;
    private static final Pattern ASSIGNED = Pattern.compile("Spark has assigned the GPU (\\d) to this executor");

    @TempDir
    Path folder;

    private String nvidiaSmi() throws IOException {
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Path fake = Files.writeString(
                bin.resolve("nvidia-smi"),
                "#!/bin/sh\nprintf 'GPU 0: L4 (UUID: GPU-a)\\nGPU 1: L4 (UUID: GPU-b)\\n'\n");
        Files.setPosixFilePermissions(fake, PosixFilePermissions.fromString("rwxr-xr-x"));
        return bin + ":" + System.getenv("PATH");
    }

    /** Returns the numbers of the GPUs that the executors of a worker were assigned, each once for an executor. */
    private static List<String> assigned(Path worker) throws IOException {
        try (Stream<Path> files = Files.walk(worker)) {
            return files.filter(file -> file.endsWith("stderr"))
                    .flatMap(file -> ASSIGNED.matcher(read(file)).results())
                    .map((MatchResult found) -> found.group(1))
                    .sorted()
                    .toList();
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void twoExecutorsOfAWorkerComputeOnAGpuEachAndOneTaskAtATimeWhileAllCoresDecode() throws Exception {
        Tiny.Shared shared = Tiny.Shared.in(folder);
        Path log = folder.resolve("train.log");
        String script = Path.of("jobs/gpus.sh").toAbsolutePath().toString();
        try (Cluster cluster = Cluster.of(
                folder.resolve("cluster"),
                1,
                4,
                Map.of("spark.worker.resource.gpu.amount", "2", "spark.worker.resource.gpu.discoveryScript", script),
                Map.of("PATH", nvidiaSmi()))) {
            Process process = Submitted.verb(
                    "train",
                    log,
                    cluster.options(List.of(
                            "spark.executor.memory=640m",
                            "spark.executor.cores=2",
                            "spark.executor.resource.gpu.amount=1",
                            "spark.scheduler.minRegisteredResourcesRatio=1",
                            "spark.extraListeners=" + Profiles.class.getName(),
                            "spark.driver.extraClassPath=" + Submitted.classes())),
                    shared.sets(folder.resolve("run"), "training.shards=6"));
            assertThat(Submitted.exitCode(process, log, SECONDS))
                    .as(Files.readString(log))
                    .isZero();
            assertThat(assigned(folder.resolve("cluster/worker-1"))).containsExactly("0", "1");
        }
        assertThat(log)
                .content()
                .contains("resource gpu limiting the number of runnable tasks per executor to: 1")
                .contains(
                        "PROFILES Decoding [0]\n",
                        "PROFILES probe [1]\n",
                        "PROFILES select [1]\n",
                        "PROFILES steps [1]\n");
    }
}
