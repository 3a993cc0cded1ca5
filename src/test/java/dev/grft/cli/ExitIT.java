package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.spark.verbs.Tiny;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How {@code jobs/submit.sh} ends: what a scheduler sees, the exit code and the last line of standard output. */
@Tag("thorough")
class ExitIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long
    private static final List<String> HERE = List.of("--master", "local[2]");

    @TempDir
    Path folder;

    private Tiny.Shared shared;
    private int seconds = 8; // in which a training gets somewhere; more on a slow machine

    @BeforeEach
    void write() throws Exception {
        shared = Tiny.Shared.in(folder);
    }

    /** The exit code, the summary and all that was printed. */
    private record Ended(int code, JsonNode summary, String printed) {}

    private Ended ended(Process process, Path log) throws Exception {
        int code = Submitted.exitCode(process, log, SECONDS);
        String printed = Files.readString(log);
        List<String> summaries =
                printed.lines().filter(line -> line.startsWith("{\"verb\"")).toList();
        assertThat(summaries).as(printed).hasSize(1);
        return new Ended(code, new ObjectMapper().readTree(summaries.get(0)), printed);
    }

    private void assertEnded(Ended ended, int code, String status, String message) {
        assertThat(ended.code()).as(ended.printed()).isEqualTo(code);
        assertThat(ended.summary().path("exit").asInt()).isEqualTo(code);
        assertThat(ended.summary().path("status").asText()).isEqualTo(status);
        assertThat(ended.summary().path("message").asText()).contains(message);
    }

    private Ended train(String name, List<String> options, String... more) throws Exception {
        Path log = folder.resolve(name + ".log");
        List<String> sets = shared.sets(folder.resolve("run"), more);
        return ended(Submitted.verb("train", log, options, sets), log);
    }

    /** Trains for as long as it takes to get later states than these. */
    private Ended stopped(String name, int after) throws Exception {
        while (true) {
            Ended ended = train(
                    name + seconds,
                    List.of("--master", "local[2]", "--max-time", seconds + "s"),
                    "training.epochs=100000",
                    "training.checkpointEvery=100000");
            assertEnded(ended, 5, "stopped", "--max-time is over");
            assertThat(ended.summary().path("seconds").asDouble()).isBetween((double) seconds, seconds + 60.0);
            if (!States.steps(folder.resolve("run")).tailSet(after + 1).isEmpty() || seconds > 100) {
                return ended;
            }
            seconds *= 2;
        }
    }

    @Test
    void aTimeLimitStopsATrainingWithAStateFromWhichTheSameCommandGoesOn() throws Exception {
        stopped("first", 0);
        int step = States.steps(folder.resolve("run")).last();

        Ended second = stopped("second", step);

        assertThat(second.printed()).contains("resuming after step " + step + ",");
        assertThat(States.steps(folder.resolve("run")).last()).isGreaterThan(step);
    }

    @Test
    void aMistakeOfTheUserEndsWithTwoAndOneOfTheProgramWithThree() throws Exception {
        assertEnded(train("user", HERE, "model.pretrained=" + folder.resolve("none")), 2, "refused", "none");
        assertEnded(
                train("ours", List.of("--master", "local[2]", "--conf", "spark.serializer=none.Such")),
                3,
                "failed",
                "none.Such");
    }

    @Test
    void aClusterWithoutExecutorsEndsWithFourAndNamesTheTimeout() throws Exception {
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), 0)) {
            assertEnded(
                    train("lost", cluster.options(List.of()), "engine.timeoutSeconds=3"),
                    4,
                    "lost",
                    "engine.timeoutSeconds, 3.0 s");
        }
    }
}
