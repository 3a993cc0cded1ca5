package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.data.Sha256;
import dev.grft.spark.run.InUse;
import dev.grft.spark.run.Session;
import dev.grft.spark.verbs.Tiny.Printed;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResumeTest extends OnSpark {
    @TempDir
    private static Path shared;

    /** A training of 9 steps that nothing has disturbed, with its states after 2, 4, 6, 8 and 9. */
    private static Path undisturbed;

    @TempDir
    Path folder;

    private Path directory = Path.of("");

    @BeforeAll
    static void trainOnce() throws IOException {
        Tiny.pretrained(shared.resolve("pretrained"), 1);
        Tiny.images(shared.resolve("train"), 6, 2);
        undisturbed = shared.resolve("undisturbed");
        train(undisturbed);
    }

    private static Printed train(Path directory, String... more) {
        return train(directory, false, more);
    }

    private static Printed force(Path directory) {
        return train(directory, true);
    }

    private static Printed train(Path directory, boolean force, String... more) {
        Path train = shared.resolve("train");
        return Tiny.does(
                spark, Tiny.sets(shared.resolve("pretrained"), train, train, directory, more), force, Verbs::train);
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = to.resolve(from.relativize(file).toString());
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy, StandardCopyOption.COPY_ATTRIBUTES, StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    /** Returns the SHA-256 of each file at any depth, by its path. */
    private static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.put(folder.relativize(file).toString(), Sha256.of(Files.readAllBytes(file)));
            }
        }
        return all;
    }

    private static String[] names(int... steps) {
        return IntStream.of(steps)
                .mapToObj(step -> "step-0000000" + step + ".safetensors")
                .toArray(String[]::new);
    }

    private static Path aside(Path directory, int number) {
        return directory.resolve("state-old-" + number);
    }

    private Path aside(int number) {
        return aside(directory, number);
    }

    /** Makes the folder that a training leaves which was killed between the steps 6 and 8, but for a later history. */
    @BeforeEach
    void interrupt() throws IOException {
        directory = folder.resolve("interrupted");
        copy(undisturbed, directory);
        Files.delete(directory.resolve("delta.safetensors"));
        Files.delete(state(8));
        Files.delete(state(9));
    }

    private Path state(int step) {
        return directory.resolve("state/step-0000000" + step + ".safetensors");
    }

    private void assertTheSameBits() throws IOException {
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(undisturbed.resolve("delta.safetensors")));
        assertThat(Tiny.tensors(state(9)))
                .isEqualTo(Tiny.tensors(undisturbed.resolve("state/step-00000009.safetensors")));
        assertThat(losses(directory)).isEqualTo(losses(undisturbed));
    }

    /** Returns the steps and losses of a history. */
    private static List<String> losses(Path directory) throws IOException {
        return Files.readAllLines(directory.resolve("history.jsonl")).stream()
                .map(line -> line.substring(0, line.indexOf("\"examples\"")))
                .toList();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"num_heads\" : 2 -> \"num_heads\" : 4",
                "\"model_args\" : { -> \"layer_norm_eps\" : 1e-5, \"model_args\" : {",
                "\"num_heads\" : 2 -> \"num_heads\" : 2, \"act_layer\" : \"quick_gelu\""
            })
    void aNetworkWhoseDescriptionWasCorrectedTrainsFromTheStart(String change) throws Exception {
        Path pretrained = folder.resolve("pretrained");
        copy(shared.resolve("pretrained"), pretrained);
        Path config = pretrained.resolve("config.json");
        String[] replaced = change.split(" -> ", -1);
        String text = Files.readString(config);
        assertThat(text).contains(replaced[0]);
        Files.writeString(config, text.replace(replaced[0], replaced[1]));

        Printed printed = train(directory, "model.pretrained=" + pretrained);

        assertThat(printed.err()).doesNotContain("up to date", "resuming").contains("state-old-1");
        Files.writeString(config, text);
        assertThat(train(undisturbed, "model.pretrained=" + pretrained).err())
                .contains("delta.safetensors is up to date");
    }

    @ParameterizedTest
    @ValueSource(strings = {"grft", "linear"})
    void aDeltaThatWasWrittenAndNotNotedIsNotTakenForTheOneBefore(String method) throws Exception {
        String tuning = "tuning.method=" + method;
        List<String> other =
                List.of(tuning, method.equals("linear") ? "probe.learningRate=0.02" : "training.learningRate=0.001");
        directory = folder.resolve("several");
        train(directory, tuning);
        Map<String, String> first = Tiny.tensors(directory.resolve("delta.safetensors"));
        evaluate(tuning);
        String metrics = Files.readString(directory.resolve("metrics.json"));
        assertThat(metrics).contains("\"accuracy\"", "\"trained\"");
        Files.writeString(directory.resolve("metrics.json"), "{"); // which ends a verb after the delta is written
        assertThatThrownBy(() -> train(directory, other.toArray(String[]::new)))
                .hasMessageContaining("metrics.json: is not valid JSON");
        Files.writeString(directory.resolve("metrics.json"), metrics);
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors"))).isNotEqualTo(first);

        assertThat(train(directory, other.toArray(String[]::new)).err())
                .doesNotContain("delta.safetensors is up to date");
        assertThat(Files.readString(directory.resolve("metrics.json"))).doesNotContain("\"accuracy\"", "\"trained\"");

        Files.writeString(directory.resolve("metrics.json"), "{");
        assertThatThrownBy(() -> train(directory, tuning)).hasMessageContaining("metrics.json: is not valid JSON");
        Files.delete(directory.resolve("metrics.json"));
        assertThat(train(directory, other.toArray(String[]::new)).err())
                .doesNotContain("delta.safetensors is up to date");
        assertThat(train(directory, tuning).err()).doesNotContain("delta.safetensors is up to date");
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors"))).isEqualTo(first);
        assertThat(evaluate(tuning).err()).doesNotContain("evaluation.json is up to date");
        assertThat(Files.readString(directory.resolve("metrics.json"))).contains("\"accuracy\"");
    }

    private Printed evaluate(String... more) {
        Path train = shared.resolve("train");
        return Tiny.does(
                spark, Tiny.sets(shared.resolve("pretrained"), train, train, directory, more), false, Verbs::evaluate);
    }

    @Test
    void anInterruptedTrainingGoesOnToTheSameBits() throws Exception {
        Printed printed = train(directory);

        assertThat(printed.err())
                .contains("resuming after step 6, from " + directory + "/state")
                .contains("selection.safetensors is up to date with its inputs");
        assertTheSameBits();
        assertThat(Files.readAllLines(directory.resolve("history.jsonl")))
                .extracting(line -> Integer.parseInt(line.substring(8, line.indexOf(','))))
                .isEqualTo(IntStream.rangeClosed(1, 9).boxed().toList());
    }

    @Test
    void aRunDirectoryHasOneDriverAtATime() throws Exception {
        Path train = shared.resolve("train");
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8);
        Settings settings = Tiny.settings(Tiny.sets(shared.resolve("pretrained"), train, train, directory));
        try (Session first = Session.in(spark, settings, nowhere, nowhere)) {
            first.claim();
            assertThatThrownBy(() -> train(directory))
                    .isInstanceOf(InUse.class)
                    .hasMessageContaining("is at work in this run directory; wait until it has ended");
        }
        train(directory);

        assertTheSameBits();
        assertThat(directory.resolve("lease.json")).doesNotExist();
    }

    /** What a crash or a disk may leave of a state: the length of the header (8 bytes), the header, the numbers. */
    private enum Damage {
        EMPTY,
        CUT_IN_THE_LENGTH,
        CUT_AFTER_THE_LENGTH,
        CUT_IN_THE_HEADER,
        CUT_IN_THE_NUMBERS,
        WITHOUT_ITS_LAST_BYTE,
        WITH_A_BYTE_MORE,
        A_BIT_OF_THE_LENGTH,
        A_BIT_OF_THE_HEADER,
        A_BIT_OF_THE_NUMBERS,
        ZEROS_AT_THE_END;

        byte[] of(byte[] whole) {
            byte[] same = whole.clone();
            return switch (this) {
                case EMPTY -> new byte[0];
                case CUT_IN_THE_LENGTH -> Arrays.copyOf(whole, 5);
                case CUT_AFTER_THE_LENGTH -> Arrays.copyOf(whole, 8);
                case CUT_IN_THE_HEADER -> Arrays.copyOf(whole, 100);
                case CUT_IN_THE_NUMBERS -> Arrays.copyOf(whole, whole.length - whole.length / 8);
                case WITHOUT_ITS_LAST_BYTE -> Arrays.copyOf(whole, whole.length - 1);
                case WITH_A_BYTE_MORE -> Arrays.copyOf(whole, whole.length + 1);
                case A_BIT_OF_THE_LENGTH -> changed(same, 0);
                case A_BIT_OF_THE_HEADER -> changed(same, 60);
                case A_BIT_OF_THE_NUMBERS -> changed(same, whole.length - 100);
                case ZEROS_AT_THE_END -> Arrays.copyOf(Arrays.copyOf(whole, whole.length - 512), whole.length);
            };
        }

        private static byte[] changed(byte[] bytes, int at) {
            bytes[at] ^= 1;
            return bytes;
        }
    }

    @ParameterizedTest
    @EnumSource
    void aDamagedStateIsPassedOverForTheOneBefore(Damage damage) throws Exception {
        byte[] whole = Files.readAllBytes(state(6));
        byte[] damaged = damage.of(whole);
        assertThat(damaged).isNotEqualTo(whole);
        Files.write(state(6), damaged);

        Printed printed = train(directory);

        assertThat(printed.err()).contains("resuming after step 4");
        assertTheSameBits();
    }

    @Test
    void aDamagedCheckpointIsMovedAsideAndNamed() throws Exception {
        Files.write(state(6), new byte[] {1, 2, 3});

        Printed printed = train(directory, "training.keep=1");

        assertThat(printed.err())
                .contains(state(6) + ": has 3 bytes")
                .contains("Moved to " + aside(1) + "; resuming from the one before");
        assertThat(aside(1).resolve("step-00000006.safetensors")).hasBinaryContent(new byte[] {1, 2, 3});
        assertTheSameBits();
    }

    @Test
    void aTrainingWithoutAnyReadableCheckpointIsRefused() throws Exception {
        for (int step : new int[] {2, 4, 6}) {
            Files.write(state(step), new byte[] {1, 2, 3});
        }
        Map<String, String> before = files(directory);

        assertThatThrownBy(() -> train(directory))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "%s/state: none of the 3 checkpoints can be read; the newest: %s: has 3 bytes, expected at least 8;"
                                + " is it a safetensors file? Put a copy in its place, or start over with --force, which"
                                + " moves them aside",
                        directory, state(6));
        assertThat(files(directory)).isEqualTo(before);

        Printed printed = force(directory);
        assertThat(printed.err()).contains("--force: the checkpoints in " + directory + "/state moved to " + aside(1));
        assertTheSameBits();
    }

    @Test
    void aCheckpointOfANewerProgramIsRefusedAndStays() throws Exception {
        byte[] bytes = Files.readAllBytes(state(6));
        String header = new String(bytes, StandardCharsets.ISO_8859_1);
        Files.write(
                state(6),
                header.replaceFirst("\"version\":\"2\"", "\"version\":\"9\"").getBytes(StandardCharsets.ISO_8859_1));
        Map<String, String> before = files(directory);

        assertThatThrownBy(() -> train(directory))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "%s: has version 9 of grft.state, this program reads version 2; a newer program wrote it, use that"
                                + " one, or start over with --force, which moves it aside",
                        state(6));
        assertThat(files(directory)).isEqualTo(before);
    }

    @Test
    void aStateOfOtherInputsIsMovedAsideWithItsHistory() throws Exception {
        Map<String, String> before = files(directory.resolve("state"));
        String history = Files.readString(directory.resolve("history.jsonl"));

        Printed printed = train(directory, "training.learningRate=0.002");

        assertThat(printed.err())
                .contains("the checkpoints in " + directory + "/state are of a training with other inputs; moved to "
                        + aside(1) + ", starting over")
                .doesNotContain("resuming");
        Path fresh = folder.resolve("fresh");
        train(fresh, "training.learningRate=0.002");
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(fresh.resolve("delta.safetensors")))
                .isNotEqualTo(Tiny.tensors(undisturbed.resolve("delta.safetensors")));
        assertThat(losses(directory)).isEqualTo(losses(fresh));
        before.put("history.jsonl", Sha256.of(history.getBytes(StandardCharsets.UTF_8)));
        assertThat(files(aside(1))).isEqualTo(before);

        train(directory);
        assertThat(aside(2)).as("each gets a folder of its own").isDirectory();
        assertTheSameBits();
    }

    @Test
    void whatChangesNoResultLeavesAFinishedTrainingAsItIs() throws Exception {
        Path finished = folder.resolve("finished");
        copy(undisturbed, finished);
        Map<String, String> before = files(finished);
        Path test = Tiny.images(folder.resolve("test"), 2, 9);

        for (String change :
                List.of("training.keep=1", "training.checkpointEvery=5", "data.test=" + test, "model.saveType=fp16")) {
            Printed printed = train(finished, change);

            assertThat(printed.err())
                    .as(change)
                    .contains("delta.safetensors is up to date with its inputs")
                    .doesNotContain("resuming", "starting over", "step 9/9");
            assertThat(files(finished)).as(change).isEqualTo(before);
        }
    }

    @Test
    void anInterruptedTrainingGoesOnWithOtherCheckpoints() throws Exception {
        Printed printed = train(directory, "training.checkpointEvery=7");

        assertThat(printed.err()).contains("resuming after step 6");
        assertTheSameBits();
        assertThat(files(directory.resolve("state")).keySet()).containsExactlyInAnyOrder(names(2, 4, 6, 7, 9));
        assertThat(aside(1)).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void aShortTrainingGoesOnToTheBitsOfALongOne(int syncEvery) throws Exception {
        Path grown = folder.resolve("grown");
        // With pretrained values in the updater, on the driver or in the tasks.
        List<String> sets = List.of(
                "training.syncEvery=" + syncEvery,
                "training.updater=adamw",
                "training.weightDecay=0.1",
                "training.decayAll=true",
                "tuning.biases=true");
        train(grown, with(sets, "training.maxSteps=6"));
        Printed printed = train(grown, with(sets));

        Path whole = folder.resolve("whole");
        train(whole, with(sets));
        // Four local steps, then two: an exchange that the long training does not make
        assertThat(printed.err()).contains("resuming after step " + (syncEvery == 1 ? 6 : 4) + ", from");
        assertThat(Tiny.tensors(grown.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
        assertThat(losses(grown)).isEqualTo(losses(whole));
        assertThat(aside(grown, 1).resolve("step-00000006.safetensors").toFile().exists())
                .isEqualTo(syncEvery == 4);
    }

    private static String[] with(List<String> sets, String... others) {
        return Stream.concat(sets.stream(), Stream.of(others)).toArray(String[]::new);
    }

    @Test
    void aShorterTrainingMovesTheCheckpointsBeyondItsEndAside() throws Exception {
        copy(undisturbed, directory);
        Map<String, String> before = files(directory);

        Printed printed = train(directory, "training.maxSteps=5");

        assertThat(printed.err())
                .contains("the checkpoints after step 4 in " + directory
                        + "/state do not lie on the way to step 5, with which" + " this training ends; moved to "
                        + aside(1))
                .contains("resuming after step 4");
        Path fresh = folder.resolve("fresh");
        train(fresh, "training.maxSteps=5");
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(fresh.resolve("delta.safetensors")));
        assertThat(losses(directory)).isEqualTo(losses(fresh)).hasSize(5);
        assertThat(files(directory.resolve("state")).keySet()).containsExactlyInAnyOrder(names(2, 4, 5));
        assertThat(files(aside(1)))
                .hasSize(4)
                .containsEntry("history.jsonl", before.get("history.jsonl"))
                .containsEntry("step-00000009.safetensors", before.get("state/step-00000009.safetensors"));

        train(directory);
        assertTheSameBits();
    }

    @Test
    void forcedATrainingBeginsAnewAndLosesNoCheckpoint() throws Exception {
        Map<String, String> before = files(directory.resolve("state"));

        Printed printed = force(directory);

        assertThat(printed.err())
                .contains("--force: the checkpoints in " + directory + "/state moved to " + aside(1))
                .doesNotContain("resuming");
        assertThat(files(aside(1))).containsAllEntriesOf(before);
        assertTheSameBits();
    }

    @Test
    void aStateIsKeptOnlyAfterTheHistoryOfItsSteps() throws Exception {
        Path fresh = folder.resolve("fresh");
        Files.createDirectories(fresh.resolve("history.jsonl")); // so that it cannot be written

        assertThatThrownBy(() -> train(fresh)).isInstanceOf(UserError.class).hasMessageContaining("history.jsonl");

        assertThat(fresh.resolve("state")).doesNotExist();
    }

    @Test
    void onlyAsManyStatesAreKeptAsAskedFor() throws Exception {
        train(directory, "training.keep=2");

        try (Stream<Path> states = Files.list(directory.resolve("state"))) {
            assertThat(states).containsExactlyInAnyOrder(state(8), state(9));
        }
    }
}
