package dev.grft.checkpoint.artifact;

import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Orientation;
import dev.grft.Scores;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Scores that were computed elsewhere, {@code selection.scores}: a safetensors file with {@code <matrix>.rows.score} {@code [out]} and
 * {@code <matrix>.columns.score} {@code [in]} for each eligible matrix, such as {@code blocks.0.mlp.fc1.weight.rows.score}, of the types
 * F64, F32, F16 or BF16. An axis from which nothing is selected may be left out. A {@link SelectionFile} is such a file.
 *
 * @param sha256 of the file
 */
public record ScoresFile(Scores scores, String sha256) {

    /**
     * Returns the scores of a file.
     *
     * @param matrices the names of the model's matrices, of which the file may score more than compete
     * @param eligible the shapes of those that compete
     * @param orientation decides which axes a matrix needs
     * @throws UserError if the file cannot be read, a score is missing, or is not finite and at least 0, or the model has no such matrix
     */
    public static ScoresFile read(
            Configuration hadoop,
            Path path,
            Set<String> matrices,
            Map<String, MatrixShape> eligible,
            Orientation orientation) {
        Safetensors file = Safetensors.read(hadoop, path);
        Scores scores = Scores.zero(eligible);
        for (String name : file.names()) {
            String matrix = name.replaceFirst("\\.(rows|columns)\\.score$", "");
            if (!matrix.equals(name) && !matrices.contains(matrix)) {
                throw UserError.of(
                        "selection.scores: %s has %s, but the model has no matrix %s; matrices have timm's names, such as %s",
                        file.file(), name, matrix, eligible.keySet().iterator().next());
            }
        }
        eligible.forEach((matrix, shape) -> scores.add(
                matrix,
                sums(file, matrix, shape, Axis.ROW, orientation),
                sums(file, matrix, shape, Axis.COLUMN, orientation)));
        return new ScoresFile(scores, file.sha256());
    }

    private static double[] sums(
            Safetensors file, String matrix, MatrixShape shape, Axis axis, Orientation orientation) {
        String name = matrix + (axis == Axis.ROW ? ".rows.score" : ".columns.score");
        int count = axis.count(shape);
        if (!file.has(name)) {
            if (orientation.mayTake(axis, shape)) {
                throw UserError.of(
                        "selection.scores: %s has no %s, expected %d scores; write it, or leave the matrix out of selection.matrices",
                        file.file(), name, count);
            }
            return new double[count];
        }
        Tensor tensor = file.tensor(name);
        if (!tensor.dtype().fractional() || !Arrays.equals(tensor.shape(), new long[] {count})) {
            throw UserError.of(
                    "selection.scores: %s: %s is %s, expected F64, F32, F16 or BF16 [%d]",
                    file.file(), name, tensor, count);
        }
        double[] sums = tensor.doubles();
        for (int i = 0; i < count; i++) {
            if (!(sums[i] >= 0 && sums[i] < Double.POSITIVE_INFINITY)) {
                throw UserError.of(
                        "selection.scores: %s: number %d of %s is %s, expected a finite number >= 0",
                        file.file(), i, name, sums[i]);
            }
        }
        return sums;
    }
}
