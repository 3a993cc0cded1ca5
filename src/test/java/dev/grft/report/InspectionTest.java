package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.checkpoint.artifact.TrainingState;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectionTest {
    private static final String SHA = "ab".repeat(32);
    private static final MatrixShape SHAPE = new MatrixShape(20, 2);
    private static final Slices MANY =
            new Slices("m.weight", SHAPE, Axis.ROW, IntStream.range(0, 13).toArray());
    private static final Slices ONE = new Slices("n.weight", new MatrixShape(1, 2), Axis.COLUMN, 1);

    @TempDir
    Path folder;

    private final Configuration hadoop = new Configuration();

    private org.apache.hadoop.fs.Path file(String name) {
        return new org.apache.hadoop.fs.Path(folder + "/" + name);
    }

    private String inspected(String name) {
        return Inspection.of(hadoop, folder + "/" + name);
    }

    private void writeSelection(Scores scores) {
        new SelectionFile(new Selection(List.of(MANY, ONE)), scores, SHA, 1000, "", "here")
                .write(hadoop, file("selection.safetensors"));
    }

    @Test
    void aSelectionTellsItsSlicesAndHowMuchOfTheScoreTheyHave() {
        Scores scores = Scores.zero(Map.of("m.weight", SHAPE, "n.weight", new MatrixShape(1, 2)));
        double[] rows = new double[20];
        java.util.Arrays.fill(rows, 1);
        scores.add("m.weight", rows, new double[] {10, 10});
        scores.add("n.weight", new double[] {4}, new double[] {1, 3});
        scores.countExamples(50);
        writeSelection(scores);

        assertThat(inspected("selection.safetensors"))
                .contains(", of the pretrained file " + SHA)
                .contains("share           2.7000 % of the backbone's 1,000 parameters")
                .contains("scores          of 2 matrices, over 50 examples")
                .contains(": 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (65.0 % of the matrix's score)\n")
                .contains(": 1 (75.0 % of the matrix's score)\n");
    }

    @Test
    void aSelectionMayHaveNoScoresOrScoresOfZero() {
        writeSelection(Scores.zero(Map.of()));
        assertThat(inspected("selection.safetensors")).contains(": 1\n").doesNotContain("of the matrix's score");

        writeSelection(Scores.zero(Map.of("m.weight", SHAPE, "n.weight", new MatrixShape(1, 2))));
        assertThat(inspected("selection.safetensors"))
                .contains(": 1 (0.0 % of the matrix's score)\n")
                .doesNotContain("NaN");
    }

    @Test
    void aDeltaTellsHowFarEverythingHasMoved() {
        Delta delta = new Delta(
                new Selection(List.of(ONE)),
                Map.of("n.weight", new float[] {-2}),
                new float[] {1, 2},
                new float[] {3, 4},
                List.of("cat", "dog"),
                SHA,
                Map.of("norm.bias", new float[] {3, 4}));
        new DeltaFile(delta, "grft", "", "there").write(hadoop, file("delta.safetensors"));

        assertThat(inspected("delta.safetensors"))
                .startsWith("delta           by grft, of the pretrained file " + SHA + "\n")
                .contains("trained         7 parameters, 4 of them in the head; ")
                .contains("classes         2: cat, dog\n")
                .contains("provenance      there\n")
                .contains(": 1 (moved by 2.000)\n")
                .contains("  norm.bias: whole (moved by 5.000)\n");
    }

    @Test
    void aStateTellsItsStep() {
        new TrainingState(7, new float[3], new float[6], "inputs", Map.of()).write(hadoop, file("state"));

        assertThat(inspected("state/step-00000007.safetensors")).isEqualTo("""
                checkpoint      after step 7
                trained         3 parameters
                updater         6 values
                average         none
                inputs          inputs
                """);
    }

    @Test
    void anyOtherFileOfTensorsIsListed() throws Exception {
        try (OutputStream out = Files.newOutputStream(folder.resolve("some.safetensors"))) {
            Safetensors.write(
                    out, Map.of("made", "by hand"), Map.of("t", Tensor.ofFloats(new long[] {2, 3}, new float[6])));
        }

        assertThat(inspected("some.safetensors"))
                .isEqualTo("safetensors     " + folder + "/some.safetensors, {made=by hand}\n  t: F32 [2, 3]\n");
    }
}
