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
import java.util.regex.Pattern;
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

    @Test
    void aTableIsWrittenByOneDriverAtATime() throws IOException {
        Path directory = folder.resolve("run");
        Tiny.does(spark, sets(directory), false, Verbs::train);
        Path table = Files.createDirectory(folder.resolve("out")).resolve("table.parquet");
        try (Session first = session(sets(directory))) {
            OutputFolder writes = new OutputFolder(first, table.toString(), "_note", Pattern.compile("part.*"));
            assertThat(writes.exists()).isFalse();
            assertThatThrownBy(() -> predict(directory, table))
                    .isInstanceOf(InUse.class)
                    .hasMessageContaining(table + ": ")
                    .hasMessageEndingWith(
                            "is at work in this folder; wait until it has ended, or choose another --output");
        }
        predict(directory, table);
        assertThat(names(table.getParent())).containsExactly("table.parquet");
    }

    private void predict(Path directory, Path table) {
        Tiny.does(
                spark,
                sets(directory),
                false,
                verbs -> verbs.predict(shared.test().toString(), table.toString(), List.of()));
    }

    @Test
    void aComparisonLeavesACellToTheDriverThatIsAtWorkThere() {
        Path root = folder.resolve("comparison");
        List<String> sets = sets(root, "compare.seeds=[1]", "compare.methods=[]");
        Path cell = root.resolve("budget/seed-1");
        try (Session other = session(sets(cell))) {
            other.claim();
            assertThatThrownBy(() -> Tiny.does(spark, sets, false, Verbs::compare))
                    .isInstanceOf(InUse.class)
                    .hasMessageContaining(cell + ": ")
                    .hasMessageContaining("is at work in this run directory");
        }
        assertThat(root.resolve("lease.json")).doesNotExist();
        Tiny.does(spark, sets, false, Verbs::compare);
        assertThat(cell.resolve("delta.safetensors")).exists();
        assertThat(cell.resolve("lease.json")).doesNotExist();
    }
}
