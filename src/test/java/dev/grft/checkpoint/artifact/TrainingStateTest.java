package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingStateTest {
    @TempDir
    Path directory;

    @Test
    void anAverageComesBack() {
        TrainingState state =
                new TrainingState(3, new float[] {1, 2}, new float[] {3}, new float[] {4, 5}, "mine", Map.of());
        org.apache.hadoop.fs.Path file = state.write(Golden.HADOOP, Golden.hadoop(directory));

        assertThat(TrainingState.read(Golden.HADOOP, file).average()).containsExactly(4, 5);
    }

    @Test
    void aStateComesBack() {
        TrainingState written = new TrainingState(
                120, new float[] {1, -0f, Float.NaN}, new float[] {Float.MIN_VALUE}, "f", Map.of("loss", "0x1.8p3"));

        org.apache.hadoop.fs.Path file = written.write(Golden.HADOOP, Golden.hadoop(directory));
        TrainingState read = TrainingState.read(Golden.HADOOP, file);

        assertThat(file.getName()).isEqualTo("step-00000120.safetensors");
        assertThat(read.step()).isEqualTo(120);
        assertThat(read.parameters()).containsExactly(1, -0f, Float.NaN);
        assertThat(read.updater()).containsExactly(Float.MIN_VALUE);
        assertThat(read.fingerprint()).isEqualTo("f");
        assertThat(read.sums()).containsExactly(Map.entry("loss", "0x1.8p3"));
    }

    @Test
    @Tag("thorough")
    void noChangedBitOfAFileMakesAnotherState() throws Exception {
        org.apache.hadoop.fs.Path file = new TrainingState(
                        9, new float[] {1, 2}, new float[] {3}, "0af3", Map.of("loss", "0x1.8p3", "steps", "9"))
                .write(Golden.HADOOP, Golden.hadoop(directory));
        Path path = Path.of(file.toUri().getPath());
        byte[] whole = Files.readAllBytes(path);
        int refused = 0;
        for (int bit = 0; bit < 8 * whole.length; bit++) {
            byte[] changed = whole.clone();
            changed[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(path, changed);
            try {
                TrainingState read = TrainingState.read(Golden.HADOOP, file);
                assertThat(read.step()).as("bit %d", bit).isEqualTo(9);
                assertThat(read.parameters()).as("bit %d", bit).containsExactly(1, 2);
                assertThat(read.updater()).as("bit %d", bit).containsExactly(3);
                assertThat(read.fingerprint()).as("bit %d", bit).isEqualTo("0af3");
                assertThat(read.sums()).as("bit %d", bit).isEqualTo(Map.of("loss", "0x1.8p3", "steps", "9"));
            } catch (UserError e) {
                refused++;
            }
        }
        assertThat(refused).as("but for the spaces that fill the header up").isGreaterThan(8 * (whole.length - 16));
    }

    @Test
    void aStepBelowZeroIsRefused() {
        assertThatThrownBy(() -> new TrainingState(-1, new float[1], new float[1], "mine", Map.of()))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
