package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs on a cluster of processes that are killed without a warning, or come and go, beside one that nothing disturbs. */
@Tag("thorough")
class FaultsIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long

    @TempDir
    private static Path shared;

    private static Path undisturbed;

    @TempDir
    Path folder;

    @BeforeAll
    static void runOnce() throws Exception {
        Tiny.pretrained(shared.resolve("pretrained"), 1);
        Tiny.images(shared.resolve("images"), 6, 2);
        undisturbed = shared.resolve("undisturbed");
        run(undisturbed, shared.resolve("undisturbed.log"), List.of("--master", "local[2]"));
    }

    private static void run(Path directory, Path log, List<String> options, String... sets) throws Exception {
        Path images = shared.resolve("images");
        Process process = Submitted.verb(
                "run",
                log,
                options,
                Tiny.sets(
                        shared.resolve("pretrained"),
                        images,
                        images,
                        directory,
                        Stream.concat(Stream.of("training.epochs=10"), Stream.of(sets))
                                .toArray(String[]::new)));
        assertThat(Submitted.exitCode(process, log, SECONDS))
                .as(Files.readString(log))
                .isZero();
    }

    /**
     * Runs on three workers and returns what was printed.
     *
     * @param kills what the {@link Killer} does
     * @param properties more of Spark's
     */
    private List<String> disturbed(Cluster cluster, String kills, String... properties) throws Exception {
        return disturbed(cluster, kills, List.of("engine.rounds=jobs"), properties);
    }

    private List<String> disturbed(Cluster cluster, String kills, List<String> sets, String... properties)
            throws Exception {
        List<String> all = new ArrayList<>(List.of(
                "spark.extraListeners=" + Killer.class.getName(),
                "spark.driver.extraClassPath=" + Submitted.classes(),
                "spark.grft.kills=" + kills,
                "spark.executor.memory=640m"));
        all.addAll(List.of(properties));
        Path log = folder.resolve("disturbed.log");
        run(folder.resolve("disturbed"), log, cluster.options(all), sets.toArray(String[]::new));

        List<String> lines = Files.readAllLines(log);
        assertThat(lines.stream().filter(line -> line.startsWith("KILLER")))
                .as(Files.readString(log))
                .hasSameSizeAs(kills.split(";"));
        return lines;
    }

    private void assertTheSameBits() throws IOException {
        Path disturbed = folder.resolve("disturbed");
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

    @Test
    void lostExecutorsAndWorkersChangeNoBit() throws Exception {
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), 3)) {
            disturbed(
                    cluster,
                    "kill:Decoding;kill:probe: features;piece:select: scoring;kill:step 3;all:step 6;pause:step 9;"
                            + "worker:step 20;kill:evaluate",
                    "spark.serializer=org.apache.spark.serializer.KryoSerializer",
                    "spark.broadcast.blockSize=1k", // so that the weights come in many pieces
                    "spark.locality.wait=100ms", // so that a step's tasks are not all on the executor that stands still
                    "spark.speculation=true",
                    "spark.speculation.minTaskRuntime=500ms",
                    "spark.speculation.quantile=0.5");
            assertThat(cluster.workers()).as("one was killed").hasSize(2);
        }
        assertTheSameBits();
    }

    @Test
    void lostExecutorsOfStandingTasksChangeNoBit() throws Exception {
        List<String> printed;
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), 3)) {
            printed = disturbed(
                    cluster,
                    "kill:steps from 1/;later:steps from;later:steps from;pause:steps from;later:steps from;all:steps from",
                    List.of("engine.rounds=standing"),
                    "spark.locality.wait=100ms");
        }
        assertThat(printed).anyMatch(line -> line.contains("standing tasks (engine.rounds)"));
        assertTheSameBits();
    }

    @Test
    void executorsThatComeAndGoDuringATrainingChangeNoBit() throws Exception {
        comeAndGo("jobs", "pause:step 3/;pause:step 12/");
    }

    @Test
    void executorsThatComeAndGoDuringATrainingOfStandingTasksChangeNoBit() throws Exception {
        comeAndGo("standing", "pause:steps from;later:steps from;pause:steps from");
    }

    private void comeAndGo(String rounds, String kills) throws Exception {
        List<String> printed;
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), 3)) {
            // While one executor stands still, tasks wait and others come for them, or the others have nothing to do
            // and go.
            printed = disturbed(
                    cluster,
                    kills,
                    List.of("engine.rounds=" + rounds),
                    "spark.dynamicAllocation.enabled=true",
                    "spark.dynamicAllocation.shuffleTracking.enabled=true",
                    "spark.dynamicAllocation.shuffleTracking.timeout=1s",
                    "spark.dynamicAllocation.minExecutors=1",
                    "spark.dynamicAllocation.maxExecutors=3",
                    "spark.dynamicAllocation.executorIdleTimeout=1s",
                    "spark.dynamicAllocation.cachedExecutorIdleTimeout=1s",
                    "spark.locality.wait=100ms");
        }
        assertThat(printed)
                .anyMatch(line -> line.startsWith("EXECUTOR comes in step"))
                .anyMatch(line -> line.startsWith("EXECUTOR goes in step"));
        assertTheSameBits();
    }
}
