package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.checkpoint.artifact.TrainingStates.Wanted;
import dev.grft.checkpoint.file.Golden;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.SocketException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.security.AccessControlException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainingStatesTest {
    private static final Wanted ALL = new Wanted("f", 0, Long.MAX_VALUE, 1);

    @TempDir
    Path folder;

    private final List<String> said = new ArrayList<>();

    private Path directory() {
        return folder.resolve("state");
    }

    private TrainingStates states(Configuration hadoop, String scheme) {
        return new TrainingStates(
                hadoop,
                new org.apache.hadoop.fs.Path(scheme + directory()),
                new org.apache.hadoop.fs.Path(scheme + folder.resolve("history.jsonl")),
                said::add);
    }

    private TrainingStates states() {
        return states(Golden.HADOOP, "");
    }

    private Path write(long step) {
        org.apache.hadoop.fs.Path file = new TrainingState(step, new float[20_000], new float[] {1}, "f", Map.of())
                .write(Golden.HADOOP, Golden.hadoop(directory()));
        return directory().resolve(file.getName());
    }

    private static @Nullable Long step(@Nullable TrainingState state) {
        return state == null ? null : state.step();
    }

    private List<String> names(String of) throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve(of))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theNewestIsTheOneWithTheMostSteps() {
        write(1_000_000_000);
        write(99_999_999);
        write(5);

        assertThat(step(states().latest(ALL))).isEqualTo(1_000_000_000);
        assertThat(said).isEmpty();
    }

    @Test
    void anEmptyOrMissingDirectoryHasNone() throws Exception {
        assertThat(states().latest(ALL)).isNull();
        Files.createDirectories(directory());
        assertThat(states().latest(ALL)).isNull();
        Files.writeString(directory().resolve("notes.txt"), "");
        assertThat(states().latest(ALL)).isNull();
        states().moveAside("--force");
        assertThat(names("")).containsExactly("state");
        assertThat(said).isEmpty();
    }

    @Test
    void whatIsCutOffOrDamagedIsMovedAside() throws Exception {
        write(1);
        Path cut = write(2);
        Path empty = write(3);
        Path flipped = write(4);
        Path other = write(5);
        byte[] bytes = Files.readAllBytes(cut);
        Files.write(cut, Arrays.copyOf(bytes, bytes.length - 1));
        Files.write(empty, new byte[0]);
        byte[] changed = Files.readAllBytes(flipped);
        changed[changed.length - 1] ^= 1;
        Files.write(flipped, changed);
        Files.copy(Golden.path("tiny/model.safetensors"), other, StandardCopyOption.REPLACE_EXISTING);

        assertThat(step(states().latest(ALL))).isEqualTo(1);
        assertThat(names("state")).containsExactly("step-00000001.safetensors");
        assertThat(names("state-old-1")).hasSize(4);
        assertThat(Files.readAllBytes(folder.resolve("state-old-1/step-00000004.safetensors")))
                .isEqualTo(changed);
        assertThat(said)
                .hasSize(4)
                .allSatisfy(sentence -> assertThat(sentence)
                        .endsWith(" Moved to " + folder + "/state-old-1; resuming from the one before"))
                .anySatisfy(sentence -> assertThat(sentence).startsWith(flipped + ": its content has the checksum "));
    }

    /** Counted from the end of an earlier part, an exchange every four steps is after 7, 11, 15. */
    @ParameterizedTest
    @CsvSource({"20, 4, 15", "16, 4, 16", "14, 4, 11", "14, 1, 11", "20, 1, 16", "7, 4, 7", "5, 1, "})
    void onlyWhatLiesOnTheWayToTheEndIsGoneOnFrom(long end, int every, @Nullable Long expected) throws Exception {
        for (int step : new int[] {7, 11, 15, 16}) {
            write(step);
        }
        Files.writeString(folder.resolve("history.jsonl"), "all");

        TrainingStates states = states();
        assertThat(step(states.latest(new Wanted("f", 3, end, every)))).isEqualTo(expected);

        boolean moved = expected == null || expected != 16;
        assertThat(states.isHistoryCopied()).isEqualTo(moved);
        assertThat(folder.resolve("state-old-1/history.jsonl").toFile().exists())
                .isEqualTo(moved);
        assertThat(said).hasSize(moved ? 1 : 0);
        assertThat(folder.resolve("state-old-1/step-00000016.safetensors")
                        .toFile()
                        .exists())
                .isEqualTo(moved);
    }

    @Test
    void whatIsMovedAsideNeverReplacesWhatWasMovedBefore() throws Exception {
        for (int i = 1; i <= 3; i++) {
            write(i);
            assertThat(states().latest(new Wanted("other", 0, 9, 1))).isNull();
        }

        assertThat(names("")).containsExactly("state-old-1", "state-old-2", "state-old-3");
        assertThat(names("state-old-2")).containsExactly("step-00000002.safetensors");
        assertThat(said)
                .contains("the checkpoints in " + directory() + " are of a training with other inputs; moved to "
                        + folder + "/state-old-3, starting over");
    }

    @Test
    void aDeniedOrUnreadableCheckpointIsRefusedAndNothingIsMoved() throws Exception {
        write(1);
        write(2);
        Configuration hadoop = new Configuration();
        hadoop.setClass("fs.lockedstate.impl", Locked.class, org.apache.hadoop.fs.FileSystem.class);

        hadoop.set("locked.by", "denied");
        assertThatThrownBy(() -> states(hadoop, "lockedstate://").latest(ALL))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(
                        "step-00000002.safetensors: cannot be read, access is denied; check its owner and rights");
        hadoop.set("locked.by", "disk");
        assertThatThrownBy(() -> states(hadoop, "lockedstate://").latest(ALL))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(
                        "step-00000002.safetensors: cannot be read (Input/output error); make it readable,"
                                + " or start over with --force, which moves it aside");
        hadoop.set("locked.by", "network");
        assertThatThrownBy(() -> states(hadoop, "lockedstate://").latest(ALL))
                .as("the same command goes on from it later")
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageEndingWith("step-00000002.safetensors: cannot be read");
        assertThat(names("")).containsExactly("state");
        assertThat(names("state")).hasSize(2);

        states(hadoop, "lockedstate://").moveAside("--force");
        assertThat(names("")).containsExactly("state-old-1");
    }

    /** A file system whose second checkpoint cannot be opened. */
    public static final class Locked extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("lockedstate:///");
        }

        @Override
        public FSDataInputStream open(org.apache.hadoop.fs.Path path, int bufferSize) throws IOException {
            if (path.getName().equals("step-00000002.safetensors")) {
                throw switch (getConf().get("locked.by", "")) {
                    case "denied" -> new AccessControlException("no");
                    case "network" -> new SocketException("Connection reset");
                    default -> new IOException("Input/output error");
                };
            }
            return super.open(path, bufferSize);
        }
    }

    @Test
    void whatAKilledDriverWasWritingIsDeleted() throws Exception {
        write(1);
        String uuid = "._tmp-01234567-89ab-cdef-0123-456789abcdef-";
        for (String name : List.of(
                uuid + "step-00000002.safetensors",
                uuid + "old-step-00000001.safetensors",
                uuid + "notes.txt",
                "._x")) {
            Files.writeString(directory().resolve(name), "");
        }

        states().deleteUnfinished();

        assertThat(names("state"))
                .containsExactly(
                        uuid + "notes.txt", uuid + "old-step-00000001.safetensors", "._x", "step-00000001.safetensors");
    }

    @Test
    void theNewestStay() throws Exception {
        for (int step : new int[] {10, 20, 30, 40}) {
            write(step);
        }
        Files.writeString(directory().resolve("notes.txt"), "");

        states().prune(2, Set.of());
        states().prune(9, Set.of());

        assertThat(names("state"))
                .containsExactly("notes.txt", "step-00000030.safetensors", "step-00000040.safetensors");
        assertThatThrownBy(() -> states().prune(0, Set.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("keep must be at least 1, got 0");
    }
}
