package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.spark.run.InUse;
import dev.grft.spark.run.Session;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Two drivers that write in the same place. */
class OneDriverTest extends OnTiny {
    private static final PrintStream NOWHERE =
            new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8);

    private List<String> sets(Path directory, String... more) {
        List<String> sets = new ArrayList<>(shared.sets(directory, "tuning.method=linear"));
        sets.addAll(List.of(more));
        return sets;
    }

    private Session session(List<String> sets) {
        return Session.in(spark, Tiny.settings(sets), NOWHERE, NOWHERE);
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void aDriverThatWakesUpAfterTheOtherHasEndedWritesNothing() throws IOException {
        Path directory = folder.resolve("run");
        try (Session first = session(sets(directory))) {
            first.claim();
            Files.delete(directory.resolve("lease.json")); // as another that took over and has ended

            assertThatThrownBy(() -> first.run(() -> new Verbs(first, false).train()))
                    .isInstanceOf(InUse.class)
                    .hasMessageContaining("another driver, which has ended, has taken this run directory over");
            assertThatThrownBy(() -> first.storage()
                            .writeAtomically(first.main().directory().path("metrics.json"), "{}"))
                    .isInstanceOf(InUse.class);
        }
        assertThat(names(directory)).isEmpty();
    }
}
