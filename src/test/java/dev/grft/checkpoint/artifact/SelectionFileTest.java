package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Bytes;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SelectionFileTest {
    private static final String SHA = "cd".repeat(32);
    private static final MatrixShape SHAPE = new MatrixShape(3, 2);

    @TempDir
    Path directory;

    @Test
    void selectionAndScoresComeBack() {
        SelectionFile read = SelectionFile.read(file(some()).file());

        assertThat(read.selection()).isEqualTo(some().selection());
        assertThat(List.copyOf(read.selection().slices().keySet())).containsExactly("c", "b");
        assertThat(List.copyOf(read.scores().shapes().keySet())).containsExactly("b", "a", "c");
        assertThat(read.scores().shapes()).isEqualTo(some().scores().shapes());
        assertThat(read.scores().rows("a")).containsExactly(0, 0.1, 1e300);
        assertThat(read.scores().columns("a")).containsExactly(Double.MIN_VALUE, 3);
        assertThat(read.scores().examples()).isEqualTo(1000);
        assertThat(read.pretrainedSha256()).isEqualTo(SHA);
        assertThat(read.backboneParameters()).isEqualTo(100);
        assertThat(read.settings()).isEqualTo("selection: x");
        assertThat(read.provenance()).isEqualTo("{}");
    }

    @Property(tries = 50)
    void everyScoreComesBackToTheBit(@ForAll @DoubleRange(min = 0, max = 1e300) double score) throws Exception {
        Scores scores = Scores.zero(Map.of("m", new MatrixShape(1, 1)));
        scores.add("m", new double[] {score}, new double[] {score / 3});
        Path file = Files.createTempFile("selection", ".safetensors");
        try {
            new SelectionFile(Selection.none(), scores, SHA, 1, "", "").write(Golden.HADOOP, Golden.hadoop(file));
            Scores read = SelectionFile.read(Golden.HADOOP, Golden.hadoop(file)).scores();

            assertThat(read.rows("m")).containsExactly(score);
            assertThat(read.columns("m")).containsExactly(score / 3);
        } finally {
            Files.delete(file);
            Files.delete(Path.of(file.toString().replace(".safetensors", ".json")));
        }
    }

    @Test
    void aSelectionWithoutScoresComesBack() {
        SelectionFile read =
                SelectionFile.read(file(new SelectionFile(some().selection(), Scores.zero(Map.of()), SHA, 100, "", ""))
                        .file());

        assertThat(read.selection()).isEqualTo(some().selection());
        assertThat(read.scores().shapes()).isEmpty();
    }

    @Test
    void theTextTellsTheSelection() throws Exception {
        file(some());

        assertThat(Files.readString(directory.resolve("selection.json")))
                .isEqualToNormalizingNewlines("""
                    {
                      "pretrained_sha256" : "%s",
                      "examples" : 1000,
                      "slices" : 3,
                      "trained" : 7,
                      "parameters" : 100,
                      "share" : "7.000 %%",
                      "matrices" : {
                        "c" : {
                          "axis" : "row",
                          "indices" : [ 0, 2 ],
                          "trained" : 4,
                          "share" : "66.667 %%"
                        },
                        "b" : {
                          "axis" : "column",
                          "indices" : [ 1 ],
                          "trained" : 3,
                          "share" : "50.000 %%"
                        }
                      }
                    }
                    """.formatted(SHA));
    }

    @Test
    void aMalformedFileIsRefused() {
        refused(
                file -> file.metadata.put("format", "grft.delta"),
                "x: has the format grft.delta, expected grft.selection");
        refused(file -> file.metadata.remove("format"), "x: has the format of any safetensors file, expected");
        refused(file -> file.metadata.remove("examples"), "x: the header has no examples");
        refused(file -> file.metadata.put("examples", "-1"), "x: examples must be a whole number, at least 0, got -1");
        refused(
                file -> file.metadata.put("examples", "many"),
                "x: examples must be a whole number, at least 0, got many");
        refused(
                file -> file.metadata.put("selected", "[\"z\"]"),
                "x: selected names z, but matrices has no shape for it");
        refused(
                file -> file.metadata.put("selected", "[\"c\"]"),
                "x: the tensors [b.columns.selected] are not expected in this file");
        refused(file -> file.metadata.put("selected", "[\"c\",\"b\",\"c\"]"), "x: c is selected twice");
        refused(
                file -> file.metadata.put("selected", "[\"a\"]"),
                "x: needs either a.rows.selected or a.columns.selected");
        refused(file -> file.tensors.remove("a.rows.score"), "x: the tensor a.rows.score is missing");
        refused(scores("a.rows.score", 1, 2), "x: a.rows.score is F64 [2], expected F64 [3]");
        refused(scores("a.rows.score", 1, Double.NaN, 2), "x: number 1 of a.rows.score is NaN, expected a finite");
        refused(scores("a.columns.score", 1, -1), "x: number 1 of a.columns.score is -1.0, expected a finite");
        refused(
                file -> file.tensors.put("b.columns.selected", Tensor.ofInts(new long[] {1}, new int[] {2})),
                "x: b: index 2 is not in [0, 2)");
    }

    private static Consumer<Bytes> scores(String name, double... values) {
        return file -> file.tensors.put(name, Tensor.ofDoubles(new long[] {values.length}, values));
    }

    private void refused(Consumer<Bytes> damage, String message) {
        Bytes file = file(some());
        damage.accept(file);
        assertThatThrownBy(() -> SelectionFile.read(file.file()))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(message);
    }

    private Bytes file(SelectionFile selection) {
        org.apache.hadoop.fs.Path path = Golden.hadoop(directory.resolve("selection.safetensors"));
        selection.write(Golden.HADOOP, path);
        return new Bytes(Safetensors.read(Golden.HADOOP, path));
    }

    private static SelectionFile some() {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        shapes.put("b", SHAPE);
        shapes.put("a", SHAPE);
        shapes.put("c", SHAPE);
        Scores scores = Scores.zero(shapes);
        scores.add("a", new double[] {0, 0.1, 1e300}, new double[] {Double.MIN_VALUE, 3});
        scores.countExamples(1000);
        Selection selection =
                new Selection(List.of(new Slices("c", SHAPE, Axis.ROW, 0, 2), new Slices("b", SHAPE, Axis.COLUMN, 1)));
        return new SelectionFile(selection, scores, SHA, 100, "selection: x", "{}");
    }
}
