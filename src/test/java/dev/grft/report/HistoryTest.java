package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.train.Trainer;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.function.LongConsumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.util.Progressable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HistoryTest {
    @TempDir
    Path folder;

    private History history(long step) {
        return history(step, new Storage(new Configuration()), folder.toString());
    }

    private static History history(long step, Storage storage, String folder) {
        org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(folder + "/history.jsonl");
        Settings settings = Config.load(List.of(), List.of(), new Configuration());
        Tracking none = new Tracking(settings.tracking(), storage, new Progress(System.err), "");
        return new History(storage, path, step, none.run(path.getParent(), settings, true));
    }

    private List<String> lines() throws Exception {
        return Files.readAllLines(folder.resolve("history.jsonl"));
    }

    private static Trainer.Step step(long number, double loss, double norm) {
        return new Trainer.Step(number, 20, number / 4.0, loss, 1e-5, 0.001, norm, 32, 0.25, 0.01);
    }

    private void writeSteps(int count) {
        History history = history(0);
        for (int i = 1; i <= count; i++) {
            history.add(step(i, 1.0 / i, 2));
        }
        history.write();
    }

    @Test
    void eachStepIsALineOfJson() throws Exception {
        writeSteps(3);

        assertThat(lines()).hasSize(3);
        JsonNode second = new ObjectMapper().readTree(lines().get(1));
        assertThat(second.path("step").asLong()).isEqualTo(2);
        assertThat(second.path("epoch").asDouble()).isEqualTo(0.5);
        assertThat(second.path("loss").asDouble()).isEqualTo(0.5);
        assertThat(second.path("penalty").asDouble()).isEqualTo(1e-5);
        assertThat(second.path("learningRate").asDouble()).isEqualTo(0.001);
        assertThat(second.path("gradientNorm").asDouble()).isEqualTo(2);
        assertThat(second.path("examples").asLong()).isEqualTo(32);
        assertThat(second.path("seconds").asDouble()).isEqualTo(0.25);
        assertThat(second.path("inputSeconds").asDouble()).isEqualTo(0.01);
    }

    @Test
    void aResumedHistoryDropsTheStepsThatAreMadeAgain() throws Exception {
        writeSteps(12);
        List<String> before = lines();

        History resumed = history(9);
        resumed.add(step(10, 7, 2));
        resumed.write();

        assertThat(lines()).hasSize(10);
        assertThat(lines().subList(0, 9)).isEqualTo(before.subList(0, 9));
        assertThat(lines().get(9)).startsWith("{\"step\":10,").contains("\"loss\":7.0,");
    }

    @Test
    void aHistoryFromTheBeginningForgetsAnEarlierOne() throws Exception {
        writeSteps(5);

        history(0).write();

        assertThat(folder.resolve("history.jsonl")).isEmptyFile();
    }

    @Test
    void aHistoryWithoutAFileBeginsEmpty() throws Exception {
        History history = history(9);
        history.add(step(10, 7, 2));
        history.write();

        assertThat(lines()).hasSize(1);
    }

    /** Counts the bytes that are written anew and those that are appended. */
    public static final class Counted extends RawLocalFileSystem {
        private static long created;
        private static long appended;

        private static OutputStream counted(OutputStream out, LongConsumer bytes) {
            return new FilterOutputStream(out) {
                @Override
                public void write(byte[] some, int from, int length) throws IOException {
                    bytes.accept(length);
                    out.write(some, from, length);
                }
            };
        }

        @Override
        public URI getUri() {
            return URI.create("appended:///");
        }

        @Override
        public FSDataOutputStream create(org.apache.hadoop.fs.Path path, boolean overwrite) throws IOException {
            return new FSDataOutputStream(counted(super.create(path, overwrite), n -> created += n), null);
        }

        @Override
        public FSDataOutputStream append(org.apache.hadoop.fs.Path path, int buffer, Progressable progress)
                throws IOException {
            return new FSDataOutputStream(counted(super.append(path, buffer, progress), n -> appended += n), null);
        }
    }

    private History counted() {
        Configuration hadoop = new Configuration();
        hadoop.setClass("fs.appended.impl", Counted.class, FileSystem.class);
        return history(0, new Storage(hadoop), "appended:" + folder);
    }

    @Test
    void aHistoryGrowsByWhatIsNew() throws Exception {
        History history = counted();
        Counted.created = 0;
        Counted.appended = 0;
        for (int i = 1; i <= 50; i++) {
            history.add(step(i, 1.0 / i, 2));
            history.write();
        }
        long bytes = Files.size(folder.resolve("history.jsonl"));
        assertThat(lines()).hasSize(50);
        assertThat(Counted.appended).isGreaterThan(bytes * 9 / 10);
        assertThat(Counted.created + Counted.appended).isEqualTo(bytes);
    }

    @Test
    void aFileThatSomethingElseHasChangedIsWrittenWhole() throws Exception {
        History history = history(0);
        history.add(step(1, 1, 2));
        history.write();
        Files.writeString(folder.resolve("history.jsonl"), "{\"step\":1,\"ep"); // what a crash in an append leaves
        history.add(step(2, 1, 2));
        history.write();
        assertThat(lines()).hasSize(2).allMatch(line -> line.endsWith("}"));
        Files.delete(folder.resolve("history.jsonl"));
        history.add(step(3, 1, 2));
        history.write();
        assertThat(lines()).hasSize(3);
    }

    @Test
    void aLineThatWasNotWrittenToItsEndIsNoLine() throws Exception {
        writeSteps(3);
        Files.writeString(folder.resolve("history.jsonl"), "{\"step\":4,\"epoch\":1,\"lo", StandardOpenOption.APPEND);
        History resumed = history(4);
        resumed.write();
        assertThat(lines()).hasSize(3);
    }

    @Test
    void aLongHistoryTakesSeveralFilesAndTheMemoryOfOne() throws Exception {
        writeSteps(2 * History.LINES + 5);

        assertThat(lines()).hasSize(History.LINES);
        assertThat(Files.readAllLines(folder.resolve("history-2.jsonl")))
                .hasSize(History.LINES)
                .first()
                .asString()
                .startsWith("{\"step\":10001,");
        assertThat(Files.readAllLines(folder.resolve("history-3.jsonl"))).hasSize(5);
        assertThat(folder.resolve("history-4.jsonl")).doesNotExist();
    }

    @Test
    void aLongHistoryThatIsResumedGoesOnInTheFileOfItsStep() throws Exception {
        writeSteps(3 * History.LINES);

        History resumed = history(History.LINES + 7);
        resumed.add(step(History.LINES + 8, 7, 2));
        resumed.write();

        assertThat(lines()).hasSize(History.LINES);
        assertThat(Files.readAllLines(folder.resolve("history-2.jsonl"))).hasSize(8);
        assertThat(folder.resolve("history-3.jsonl")).doesNotExist();
    }

    @Test
    void aResumedHistoryOfFullFilesBeginsTheNext() throws Exception {
        writeSteps(2 * History.LINES);

        History resumed = history(2 * History.LINES);
        resumed.add(step(2 * History.LINES + 1, 7, 2));
        resumed.write();

        assertThat(Files.readAllLines(folder.resolve("history-2.jsonl"))).hasSize(History.LINES);
        assertThat(Files.readAllLines(folder.resolve("history-3.jsonl"))).hasSize(1);
    }

    @Test
    void whatIsNoNumberIsNullSinceJsonHasNoNaN() throws Exception {
        History history = history(0);
        history.add(step(1, Double.NaN, Double.POSITIVE_INFINITY));
        history.write();

        JsonNode line = new ObjectMapper().readTree(lines().get(0));
        assertThat(line.path("loss").isNull()).isTrue();
        assertThat(line.path("gradientNorm").isNull()).isTrue();
    }
}
