package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Golden;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EntriesFileTest {
    private static final String SHA = "ab".repeat(32);

    @TempDir
    Path directory;

    @Test
    void entriesComeBackInTheirOrder() {
        org.apache.hadoop.fs.Path path = Golden.hadoop(directory.resolve("entries.safetensors"));
        Entries b = Entries.largest("b.weight", new MatrixShape(2, 3), new float[] {1, -3, 2, 5, 5, 0}, 2);
        Entries a = Entries.largest("a.weight", new MatrixShape(1, 2), new float[] {0, 1}, 1);

        new EntriesFile(List.of(b, a), SHA, "tuning: x", "{}").write(Golden.HADOOP, path);
        EntriesFile read = EntriesFile.read(Golden.HADOOP, path);

        assertThat(read).isEqualTo(new EntriesFile(List.of(b, a), SHA, "tuning: x", "{}"));
        assertThat(read.entries().get(0).columns()).containsExactly(1, 0, 2, 1);
        assertThatThrownBy(() -> SelectionFile.read(Golden.HADOOP, path))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("has the format grft.entries, expected grft.selection; is it another file?");
    }

    @Test
    void theLargestOfASmallerBudgetComeFirst() {
        float[] gradient = {1, -3, 2, 5, 5, 0};
        MatrixShape shape = new MatrixShape(2, 3);

        for (int perRow = 1; perRow <= 3; perRow++) {
            assertThat(Entries.largest("w", shape, gradient, 3).first(perRow))
                    .isEqualTo(Entries.largest("w", shape, gradient, perRow));
        }
        assertThat(Entries.largest("w", shape, gradient, 2).first(3).perRow()).isEqualTo(2);
    }
}
