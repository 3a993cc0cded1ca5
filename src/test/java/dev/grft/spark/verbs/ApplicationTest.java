package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.run.InUse;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How a verb that needs no Spark application ends. */
class ApplicationTest {
    @TempDir
    Path folder;

    private static String ended(int code, Duration limit, Supplier<List<String>> work) {
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            assertThat(Application.alone("export", "runs/a", limit, stopped -> work.get()))
                    .isEqualTo(code);
        } finally {
            System.setOut(out);
        }
        return printed.toString(StandardCharsets.UTF_8).strip();
    }

    @Test
    void itTellsWhatItHasMade() {
        assertThat(ended(0, Duration.ofHours(1), () -> List.of("a", "b")))
                .contains("\"status\":\"done\"", "\"directory\":\"runs/a\"", "\"made\":[\"a\",\"b\"]");
    }

    @Test
    void whenItsTimeIsOverItWritesNoMoreFiles() {
        org.apache.hadoop.fs.Path file = new org.apache.hadoop.fs.Path(folder + "/a.txt");
        Storage storage = new Storage(new Configuration());
        assertThat(ended(5, Duration.ofMillis(50), () -> {
                    long begins = System.nanoTime();
                    while (!Thread.currentThread().isInterrupted() && System.nanoTime() - begins < 60e9) {
                        Thread.onSpinWait(); // it computes, and notices nothing
                    }
                    storage.writeAtomically(file, "too late");
                    return List.of();
                }))
                .contains("\"status\":\"stopped\",\"exit\":5", "--max-time is over");
        assertThat(storage.exists(file)).isFalse();
        assertThat(Thread.currentThread().isInterrupted()).isFalse();
    }

    @Test
    void itsErrorsAreToldAsThoseOfOtherVerbs() {
        assertThat(ended(2, Duration.ofHours(1), () -> {
                    throw new UserError("mend it");
                }))
                .contains("\"status\":\"refused\",\"exit\":2", "mend it");
        assertThat(ended(4, Duration.ofHours(1), () -> {
                    throw new InUse("later");
                }))
                .contains("\"status\":\"refused\",\"exit\":4", "later");
        assertThat(ended(3, Duration.ofHours(1), () -> {
                    throw new IllegalStateException("a bug");
                }))
                .contains("\"status\":\"failed\",\"exit\":3");
    }
}
