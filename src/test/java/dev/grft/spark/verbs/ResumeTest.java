package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.verbs.Tiny.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
        Path train = shared.resolve("train");
        return Tiny.does(
                spark, Tiny.sets(shared.resolve("pretrained"), train, train, directory, more), false, Verbs::train);
    }

    /** Makes the folder that a training leaves which was killed between the steps 6 and 8, but for a later history. */
    @BeforeEach
    void interrupt() throws IOException {
        directory = folder.resolve("interrupted");
        try (Stream<Path> files = Files.walk(undisturbed)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = directory.resolve(undisturbed.relativize(file).toString());
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy, StandardCopyOption.COPY_ATTRIBUTES);
            }
        }
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

    @Test
    void anInterruptedTrainingGoesOnToTheSameBits() throws Exception {
        Printed printed = train(directory);

        assertThat(printed.err())
                .contains("going on after step 6, from " + directory + "/state")
                .contains("selection.safetensors has been made of the same inputs");
        assertTheSameBits();
        assertThat(Files.readAllLines(directory.resolve("history.jsonl")))
                .extracting(line -> Integer.parseInt(line.substring(8, line.indexOf(','))))
                .isEqualTo(IntStream.rangeClosed(1, 9).boxed().toList());
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

        assertThat(printed.err()).contains("going on after step 4");
        assertTheSameBits();
    }

    @Test
    void aTrainingWithoutAnyReadableStateBeginsAnew() throws Exception {
        for (int step : new int[] {2, 4, 6}) {
            Files.write(state(step), new byte[] {1, 2, 3});
        }

        Printed printed = train(directory);

        assertThat(printed.err()).doesNotContain("going on").contains("step 9/9");
        assertTheSameBits();
    }

    @Test
    @Tag("thorough")
    void aStateOfOtherInputsIsPassedOver() throws Exception {
        Printed printed = train(directory, "training.learningRate=0.002");

        assertThat(printed.err())
                .contains("the state in " + directory + "/state is of a training with other inputs; beginning anew")
                .doesNotContain("going on");
        Path fresh = folder.resolve("fresh");
        train(fresh, "training.learningRate=0.002");
        assertThat(Tiny.tensors(directory.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(fresh.resolve("delta.safetensors")))
                .isNotEqualTo(Tiny.tensors(undisturbed.resolve("delta.safetensors")));
        assertThat(losses(directory)).isEqualTo(losses(fresh));
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
