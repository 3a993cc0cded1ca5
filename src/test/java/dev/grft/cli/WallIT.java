package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.FreePorts;
import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trainings on a cluster of which some executors reach the driver, but not the port of standing tasks. */
@Tag("thorough")
class WallIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long
    private static final String LONG = "training.epochs=40"; // an executor comes while it lasts

    @TempDir
    Path folder;

    private Tiny.Shared shared;
    private Cluster cluster;
    private int port;

    @BeforeEach
    void write() throws Exception {
        shared = Tiny.Shared.in(folder);
        cluster = Cluster.of(folder.resolve("cluster"), 3);
        port = FreePorts.inARow(1);
    }

    @AfterEach
    void end() {
        cluster.close();
    }

    private record Ended(int code, String printed) {}

    private Ended train(String name, List<String> options, String... more) throws Exception {
        Path log = folder.resolve(name + ".log");
        Process process = Submitted.verb("train", log, options, shared.sets(folder.resolve(name), more));
        int code = Submitted.exitCode(process, log, SECONDS);
        return new Ended(code, Files.readString(log));
    }

    /** Trains on the cluster, where executors from a number on are behind the wall. */
    private Ended behindTheWall(String name, int from, List<String> properties, String... more) throws Exception {
        List<String> all = new ArrayList<>(List.of(
                "spark.executor.memory=640m",
                "spark.executor.extraClassPath=" + Submitted.classes(),
                "spark.executor.extraJavaOptions=-Djava.security.manager=" + Wall.class.getName()
                        + " -Dwall.executor={{EXECUTOR_ID}} -Dwall.from=" + from + " -Dwall.port=" + port,
                "spark.grft.port=" + port,
                "spark.scheduler.minRegisteredResourcesRatio=1.0",
                "spark.cores.max=3"));
        all.addAll(properties);
        return train(name, cluster.options(all), more);
    }

    private void assertTheBitsOfLocalMode(String name, String... more) throws Exception {
        Ended local = train("local", List.of("--master", "local[2]"), more);
        assertThat(local.code()).as(local.printed()).isZero();
        assertThat(Tiny.tensors(delta(name))).isEqualTo(Tiny.tensors(delta("local")));
    }

    private Path delta(String name) throws IOException {
        return folder.resolve(name).resolve("delta.safetensors");
    }

    /** Returns what is said of one executor. */
    private String unreached(String executor) {
        return "executor " + executor + " on (127.0.0.1|localhost): the driver cannot be reached at 127.0.0.1:" + port
                + " \\(the wall lets nothing pass to port " + port + "\\)";
    }

    private static List<String> lines(Ended ended, String pattern) {
        return ended.printed().lines().filter(line -> line.matches(pattern)).toList();
    }

    @Test
    void whoeverWantsStandingTasksIsToldWhichExecutorDoesNotReachTheDriver() throws Exception {
        Ended ended = behindTheWall("run", 2, List.of(), "engine.rounds=standing");
        assertThat(ended.code()).as(ended.printed()).isEqualTo(2);
        assertThat(
                        lines(
                                ended,
                                ".*engine.rounds is standing, but " + unreached("2")
                                        + "; let executors connect to that port \\(spark.grft.port fixes it\\), or set engine.rounds to jobs.*"))
                .as(ended.printed())
                .isNotEmpty();
    }

    @Test
    void withoutAWishATrainingGoesByJobsWhereAnExecutorDoesNotReachTheDriver() throws Exception {
        Ended ended = behindTheWall("run", 2, List.of(), "engine.rounds=auto");
        assertThat(ended.code()).as(ended.printed()).isZero();
        assertThat(lines(ended, "train: " + unreached("2") + ", so a job of Spark for each step from now on; .*"))
                .as(ended.printed())
                .hasSize(1);
        assertTheBitsOfLocalMode("run");
    }

    @Test
    void anExecutorThatComesLaterAndDoesNotReachTheDriverEndsNoTraining() throws Exception {
        Ended ended = behindTheWall(
                "run",
                3,
                List.of(
                        "spark.extraListeners=" + Killer.class.getName(),
                        "spark.driver.extraClassPath=" + Submitted.classes(),
                        "spark.grft.kills=kill:steps from 1/;pause:steps from",
                        "spark.dynamicAllocation.enabled=true", // so that a task waits for the executor that comes
                        "spark.dynamicAllocation.shuffleTracking.enabled=true",
                        "spark.dynamicAllocation.minExecutors=3",
                        "spark.dynamicAllocation.maxExecutors=3",
                        "spark.locality.wait=100ms"),
                "engine.rounds=standing",
                LONG);
        assertThat(ended.code()).as(ended.printed()).isZero();
        assertThat(lines(ended, "train: standing tasks .*")).hasSize(1);
        assertThat(lines(ended, "train: " + unreached("\\d+") + ", so a job of Spark for each step from now on; .*"))
                .as(ended.printed())
                .hasSize(1);
        assertTheBitsOfLocalMode("run", LONG);
    }
}
