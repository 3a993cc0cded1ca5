package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.MatrixShape;
import dev.grft.Orientation;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScoresFileTest {
    private static final Map<String, MatrixShape> ELIGIBLE = Map.of("fc.weight", new MatrixShape(3, 2));

    @TempDir
    Path directory;

    private final Map<String, Tensor> tensors = new LinkedHashMap<>(Map.of(
            "fc.weight.rows.score", Tensor.ofDoubles(new long[] {3}, new double[] {1, 0, 1e300}),
            "fc.weight.columns.score", Tensor.ofFloats(Dtype.F16, new long[] {2}, new float[] {0.5f, 2})));

    @Test
    void scoresOfAnyTypeWithFractionsAreRead() throws IOException {
        tensors.put(
                "other.weight.rows.score", Tensor.ofFloats(new long[] {1}, new float[1])); // of the model, not eligible
        tensors.put("fc.weight.rows.selected", Tensor.ofInts(new long[] {1}, new int[] {2})); // as a selection has it

        ScoresFile read = read(Orientation.AUTO);

        assertThat(read.scores().rows("fc.weight")).containsExactly(1, 0, 1e300);
        assertThat(read.scores().columns("fc.weight")).containsExactly(0.5, 2);
        assertThat(read.sha256()).matches("[0-9a-f]{64}");
    }

    @Test
    void anAxisFromWhichNothingIsSelectedMayBeLeftOut() throws IOException {
        tensors.remove("fc.weight.rows.score");

        assertThat(read(Orientation.COLUMN).scores().columns("fc.weight")).containsExactly(0.5, 2);
        assertThat(read(Orientation.MIN_AXIS).scores().rows("fc.weight")).containsOnly(0);
        assertRefused(
                Orientation.ROW,
                "has no fc.weight.rows.score, expected 3 scores; write it, or leave the matrix out of selection.matrices");
        assertRefused(Orientation.AUTO, "has no fc.weight.rows.score");
    }

    @Test
    void anotherShapeOrTypeIsRefused() {
        tensors.put("fc.weight.rows.score", Tensor.ofFloats(new long[] {2}, new float[2]));
        assertRefused(Orientation.ROW, "fc.weight.rows.score is F32 [2], expected F64, F32, F16 or BF16 [3]");
        tensors.put("fc.weight.rows.score", Tensor.ofInts(new long[] {3}, new int[3]));
        assertRefused(Orientation.ROW, "fc.weight.rows.score is I32 [3], expected F64, F32, F16 or BF16 [3]");
    }

    @Test
    void aScoreThatCannotBeRankedIsRefused() {
        for (double bad : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
            tensors.put("fc.weight.rows.score", Tensor.ofDoubles(new long[] {3}, new double[] {1, bad, 1}));
            assertRefused(
                    Orientation.ROW, "number 1 of fc.weight.rows.score is " + bad + ", expected a finite number >= 0");
        }
    }

    @Test
    void aMatrixThatTheModelDoesNotHaveIsRefused() {
        tensors.put("fc1.weight.columns.score", Tensor.ofFloats(new long[] {2}, new float[2]));

        assertRefused(
                Orientation.ROW,
                "has fc1.weight.columns.score, but the model has no matrix fc1.weight; matrices have timm's names, such as"
                        + " fc.weight");
    }

    private void assertRefused(Orientation orientation, String message) {
        assertThatThrownBy(() -> read(orientation))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("selection.scores: ")
                .hasMessageContaining("scores.safetensors")
                .hasMessageContaining(message);
    }

    private ScoresFile read(Orientation orientation) throws IOException {
        Path file = directory.resolve("scores.safetensors");
        try (OutputStream out = Files.newOutputStream(file)) {
            Safetensors.write(out, Map.of(), tensors);
        }
        return ScoresFile.read(
                new Configuration(),
                new org.apache.hadoop.fs.Path(file.toString()),
                Set.of("fc.weight", "other.weight"),
                ELIGIBLE,
                orientation);
    }
}
