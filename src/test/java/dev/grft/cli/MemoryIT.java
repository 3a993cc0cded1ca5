package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.spark.verbs.Tiny;
import dev.grft.tuning.Method;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process whose heap really runs out ends as one that the user can mend, whichever thread was the one. */
@Tag("thorough")
class MemoryIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long

    @TempDir
    Path folder;

    /** The program, with a method whose tasks take all memory that there is. */
    static final class Hungry {
        private Hungry() {}

        public static void main(String[] arguments) throws Exception {
            Method.register(new Method("hungry", List.of(), Method.Needs.PROBE, 1e-3, null, from -> new Hog()));
            Main.main(arguments);
        }
    }

    private static final class Hog implements Tuning {
        private static final long serialVersionUID = 1L;

        @Override
        public Trainable trainable() {
            return new Trainable() {
                @Override
                public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
                    return null;
                }

                @Override
                public boolean whole(String parameter) {
                    return parameter.startsWith("head.");
                }

                @Override
                public void begin(long[] seeds) {
                    Object[] held = {};
                    while (true) {
                        held = new Object[] {held, new long[1 << 20]};
                    }
                }
            };
        }

        @Override
        public Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256) {
            return SliceTuning.headOnly().delta(layout, trained, labels, pretrainedSha256);
        }
    }

    @Test
    void aTaskThatRunsOutOfHeapIsRefusedAndNotStopped() throws Exception {
        Tiny.Shared shared = Tiny.Shared.in(folder);
        Path log = folder.resolve("log");
        Process process =
                Submitted.train(Hungry.class, "512m", log, shared.sets(folder.resolve("run"), "tuning.method=hungry"));
        int exit = Submitted.exitCode(process, log, SECONDS);
        String printed = Files.readString(log);
        assertThat(exit).as(printed).isEqualTo(2);
        List<String> summaries =
                printed.lines().filter(line -> line.startsWith("{\"verb\"")).toList();
        assertThat(summaries).as(printed).hasSize(1);
        JsonNode summary = new ObjectMapper().readTree(summaries.get(0));
        assertThat(summary.path("exit").asInt()).isEqualTo(2);
        assertThat(summary.path("status").asText()).isEqualTo("refused");
        assertThat(summary.path("message").asText())
                .startsWith(
                        "the driver is out of memory (Java heap space), its heap has 537 MB; raise --driver-memory");
        assertThat(printed).doesNotContain("run the same command again");
    }
}
