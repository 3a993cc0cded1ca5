package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.run.InUse;
import dev.grft.spark.run.Session;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
            OutputFolder writes = output(first, table);
            writes.claim();
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

    private static OutputFolder output(Session session, Path table) {
        return new OutputFolder(session, table.toString(), "_note", Pattern.compile("part.*"));
    }

    @Test
    void aDriverThatWritesOnAfterATakeoverMixesNothingIn() throws IOException {
        Path place = Files.createDirectory(folder.resolve("out"));
        Path table = place.resolve("table");
        try (Session first = session(sets(folder.resolve("run")))) {
            OutputFolder sleeper = output(first, table);
            sleeper.claim();
            assertThatThrownBy(() -> sleeper.write(
                            old -> {
                                put(old.path(), "part-old");
                                takeOver(table, old.path());
                                return old;
                            },
                            Map.of()))
                    .isInstanceOf(InUse.class)
                    .hasMessageContaining(table + ": another driver, which has ended, has taken this folder over");
        }
        assertThat(names(table)).containsExactlyInAnyOrder("part-0", "_note");
        assertThat(names(place)).containsExactly("table");
    }

    /** Writes a table by another driver, while the first writes one more file. */
    private void takeOver(Path table, org.apache.hadoop.fs.Path old) {
        try (Session second = session(sets(folder.resolve("run")))) {
            Files.delete(table.resolveSibling("._lease-table")); // as expired
            OutputFolder writes = output(second, table);
            writes.claim();
            writes.write(
                    whole -> {
                        put(whole.path(), "part-0");
                        put(old, "part-late");
                        return whole;
                    },
                    Map.of());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void put(org.apache.hadoop.fs.Path at, String name) {
        try {
            Path directory = Path.of(at.toUri().getPath());
            Files.writeString(Files.createDirectories(directory).resolve(name), name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void imagesThatArePackedAlreadyNeedNoLease() throws IOException {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path packed = folder.resolve("packed");
        assertThat(pack(images, packed, false)).contains("packed 3 images");
        try (Session other = session(sets(folder.resolve("run")))) {
            output(other, packed).claim();
            assertThat(pack(images, packed, false)).contains("is up to date with its images");
            assertThatThrownBy(() -> pack(images, packed, true)).isInstanceOf(InUse.class);
        }
    }

    private String pack(Path images, Path packed, boolean force) {
        return Tiny.does(
                        spark,
                        sets(folder.resolve("run")),
                        force,
                        verbs -> verbs.pack(images.toString(), packed.toString(), true))
                .err();
    }

    @Test
    void aPredictionThatIsRefusedLeavesNothing() {
        Path table = folder.resolve("new/table");
        assertThatThrownBy(() -> predict(folder.resolve("untrained"), table)).isInstanceOf(UserError.class);
        assertThat(table.getParent()).doesNotExist();
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
