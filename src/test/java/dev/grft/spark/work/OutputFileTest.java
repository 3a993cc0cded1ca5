package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputFileTest {
    private static final float[] ONE = {1, -0.0f, Float.MIN_VALUE};
    private static final float[] TWO = {Float.NaN, 1e30f, -2};

    @TempDir
    private Path folder;

    private final Limit limit = new Limit(24);

    /** Room for so many bytes. */
    private static final class Limit implements OutputFile.Room {
        private long left;
        private int asked;

        Limit(long left) {
            this.left = left;
        }

        @Override
        public boolean take(File parent, long bytes) {
            asked++;
            if (left < bytes) {
                return false;
            }
            left -= bytes;
            return true;
        }

        @Override
        public void give(long bytes) {
            left += bytes;
        }
    }

    private File path() {
        return folder.resolve("outputs").toFile();
    }

    private OutputFile file() {
        return new OutputFile(path(), 5, 3, limit);
    }

    @Test
    void arraysAreReadBackBitForBitInAnyOrder() {
        try (OutputFile file = file()) {
            assertThat(file.read(4)).isNull();
            file.write(4, ONE);
            file.write(0, TWO);
            assertThat(file.read(0)).containsExactly(TWO);
            assertThat(file.read(4)).containsExactly(ONE);
            assertThat(file.read(1)).isNull();
        }
    }

    @Test
    void anArrayIsWrittenOnceAndOnlyIfThereIsRoom() {
        try (OutputFile file = file()) {
            file.write(1, ONE);
            file.write(1, TWO);
            file.write(2, TWO);
            file.write(3, ONE);
            assertThat(file.read(1)).containsExactly(ONE);
            assertThat(file.read(2)).containsExactly(TWO);
            assertThat(file.read(3)).isNull();
            assertThat(path()).hasSize(24);
            assertThat(limit.left).isZero();
        }
    }

    @Test
    void closingDeletesTheFileAndGivesItsRoomBack() {
        OutputFile file = file();
        file.write(1, ONE);
        file.close();
        file.write(2, ONE); // by a task that goes on
        assertThat(file.read(1)).isNull();
        assertThat(file.read(2)).isNull();
        assertThat(path()).doesNotExist();
        assertThat(limit.left).isEqualTo(24);
    }

    @Test
    void afterAFailedReadNothingIsThereAnyMore() throws IOException {
        try (OutputFile file = file()) {
            file.write(1, ONE);
            file.write(2, TWO);
            try (RandomAccessFile cut = new RandomAccessFile(path(), "rw")) {
                cut.setLength(20);
            }
            assertThat(file.read(2)).isNull();
            assertThat(file.read(1)).isNull();
            assertThat(path()).doesNotExist();
            assertThat(limit.left).isEqualTo(24);
        }
    }

    @Test
    void whatCannotBeWrittenIsNotThere() throws IOException {
        Files.createDirectory(path().toPath());
        try (OutputFile file = file()) {
            file.write(1, ONE);
            file.write(2, TWO);
            assertThat(file.read(1)).isNull();
            assertThat(limit.asked).as("not tried again").isEqualTo(1);
            assertThat(limit.left).isEqualTo(24);
        }
    }
}
