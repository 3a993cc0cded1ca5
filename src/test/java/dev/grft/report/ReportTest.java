package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.SelectionFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** What somebody may call a class to make a page do something. */
    private static final String HOSTILE = "</script><script>alert(1)</script><!-- {{script}} $1 \\ \" ' & \u2028";

    @TempDir
    Path folder;

    private void write(String name, String text) throws Exception {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private ObjectNode data() {
        return new Report(new Configuration(), new org.apache.hadoop.fs.Path(folder.toString())).data();
    }

    private String page() throws Exception {
        Report.write(new Configuration(), new org.apache.hadoop.fs.Path(folder.toString()));
        return Files.readString(folder.resolve(Report.NAME));
    }

    private static SelectionFile selection(Selection selection) {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        shapes.put("patch_embed.proj.weight", new MatrixShape(2, 2));
        shapes.put("blocks.0.mlp.fc1.weight", new MatrixShape(4, 2));
        Scores scores = Scores.zero(shapes);
        scores.add("patch_embed.proj.weight", new double[] {3, 1}, new double[] {2, 2});
        scores.add("blocks.0.mlp.fc1.weight", new double[] {1, 8, 2, 1}, new double[] {9, 3});
        scores.countExamples(5);
        return new SelectionFile(selection, scores, "0".repeat(64), 12, "settings", "{}");
    }

    private static Slices rows(int... indices) {
        return new Slices("blocks.0.mlp.fc1.weight", new MatrixShape(4, 2), Axis.ROW, indices);
    }

    @Test
    void theMapTellsSharesSpectraAndWhatThePicksHold() {
        JsonNode map = SelectionMap.of(selection(new Selection(List.of(rows(1, 2)))));

        assertThat(map.path("slices").asInt()).isEqualTo(2);
        assertThat(map.path("trained").asInt()).isEqualTo(4);
        assertThat(map.path("examples").asInt()).isEqualTo(5);
        JsonNode patches = map.path("matrices").get(0);
        assertThat(patches.path("block").asText()).isEqualTo("-");
        assertThat(patches.path("score_share").asDouble()).isEqualTo(4.0 / 16, within(1e-12));
        assertThat(patches.has("picks")).isFalse();
        JsonNode fc1 = map.path("matrices").get(1);
        assertThat(fc1.path("block").asText()).isEqualTo("0");
        assertThat(fc1.path("kind").asText()).isEqualTo("mlp.fc1");
        assertThat(fc1.path("score_share").asDouble()).isEqualTo(12.0 / 16, within(1e-12));
        assertThat(fc1.path("axis").asText()).isEqualTo("rows");
        assertThat(fc1.path("picks").asInt()).isEqualTo(2);
        assertThat(fc1.path("held").asDouble()).isEqualTo(10.0 / 12, within(1e-12));
        assertThat(fc1.path("indices").toString()).isEqualTo("[1,2]");
        // Means: 3 of the rows, 6 of the columns.
        assertThat(fc1.path("rows").toString()).isEqualTo("[[1,2.67],[2,0.667],[3,0.333],[4,0.333]]");
        assertThat(fc1.path("columns").toString()).isEqualTo("[[1,1.5],[2,0.5]]");
    }

    @Test
    void aLongHistoryIsDrawnByMeansOfEquallyManySteps() {
        StringBuilder lines = new StringBuilder();
        for (int step = 1; step <= 801; step++) {
            lines.append("{\"step\":%d,\"epoch\":1,\"loss\":%d,\"penalty\":0,\"learningRate\":0.5,\"seconds\":2,"
                            .formatted(step, step))
                    .append("\"inputSeconds\":1}\n");
        }
        lines.append(
                "{\"step\":801,\"epoch\":2,\"split\":\"validation\",\"accuracy\":0.75,\"loss\":1,\"best\":true}\n");

        JsonNode curves = Curves.of("h", () -> lines.toString().lines());

        assertThat(curves.path("steps")).hasSize(267); // by three
        assertThat(curves.path("steps").get(0).toString()).isEqualTo("[3,2.0,0.5,2.0,1.0]");
        assertThat(curves.path("steps").get(266).toString()).isEqualTo("[801,800.0,0.5,2.0,1.0]");
        assertThat(curves.path("epochs")).hasSize(1);
        assertThat(curves.path("epochs").get(0).path("accuracy").asDouble()).isEqualTo(0.75);
    }

    @Test
    void aDivergedStepOfAHistoryHasNoNumberThatWouldBeDrawn() {
        JsonNode curves = Curves.of("h", () -> """
                {"step":1,"loss":2.5,"learningRate":0.5,"seconds":2,"inputSeconds":1}
                {"step":2,"loss":null,"learningRate":0.5,"seconds":2,"inputSeconds":1}
                """.lines());

        assertThat(curves.path("steps").toString()).isEqualTo("[[1,2.5,0.5,2.0,1.0],[2,null,0.5,2.0,1.0]]");
    }

    @Test
    void theConfusionIsSparseAndNamesTheMostFrequentMistakes() throws Exception {
        JsonNode confusion = Confusion.of(MAPPER.readTree("""
                {"classes": {"a": {"precision": 0.5, "recall": 0.75, "f1": 0.6, "auroc": 0.875}, "b": {"precision": 1, "recall": 0, "f1": 0, "auroc": null},
                             "c": {"precision": 1, "recall": 1, "f1": 1}},
                 "confusion": [[3, 1, 0], [2, 0, 5], [0, 0, 4]]}"""));

        assertThat(confusion.path("classes").toString())
                .isEqualTo("[[\"a\",4,0.5,0.75,0.6,0.875],[\"b\",7,1.0,0.0,0.0,null],[\"c\",4,1.0,1.0,1.0,null]]");
        assertThat(confusion.path("shown").toString()).isEqualTo("[\"a\",\"b\",\"c\"]");
        assertThat(confusion.path("cells").toString()).isEqualTo("[[0,0,3],[0,1,1],[1,0,2],[1,2,5],[2,2,4]]");
        assertThat(confusion.path("confused").toString())
                .isEqualTo("[[\"b\",\"c\",5],[\"b\",\"a\",2],[\"a\",\"b\",1]]");
    }

    @Test
    void theConfusionOfManyClassesIsReadFromItsCells() throws Exception {
        String classes = """
                {"classes": {"a": {"precision": 0.5, "recall": 0.75, "f1": 0.6, "auroc": 0.875}, "b": {"precision": 1, "recall": 0, "f1": 0, "auroc": null},
                             "c": {"precision": 1, "recall": 1, "f1": 1}},""";
        JsonNode dense = Confusion.of(MAPPER.readTree(classes + "\"confusion\": [[3, 1, 0], [2, 0, 5], [0, 0, 4]]}"));

        assertThat(Confusion.of(MAPPER.readTree(
                        classes + "\"confusion_cells\": [[0, 0, 3], [0, 1, 1], [1, 0, 2], [1, 2, 5], [2, 2, 4]]}")))
                .isEqualTo(dense);
        assertThatThrownBy(() -> Confusion.of(MAPPER.readTree(classes + "\"confusion_cells\": [[0, 3, 1]]}")))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "evaluation.json: confusion_cells must be rows [actual, predicted, images] of 3 classes, got"
                                + " [0,3,1]; run evaluate --force to make it again");
    }

    @Test
    void ofThousandsOfClassesThoseRecognizedWorstHaveARow() {
        ObjectNode evaluation = MAPPER.createObjectNode();
        ObjectNode classes = evaluation.putObject("classes");
        ArrayNode cells = evaluation.putArray("confusion_cells");
        for (int k = 0; k < 21_843; k++) {
            classes.putObject("k" + k).put("recall", k % 4 == 0 ? 0.5 : 1);
            if (k < 20_000) {
                cells.addArray().add(k).add(k).add(1);
                if (k % 4 == 0) {
                    cells.addArray().add(k).add(k + 1).add(k == 19_996 ? 7 : 1);
                }
            }
        }

        JsonNode confusion = Confusion.of(evaluation);

        assertThat(confusion.path("total").asInt()).isEqualTo(21_843);
        assertThat(confusion.path("classes")).hasSizeBetween(1000, 1040);
        assertThat(confusion.path("classes").toString())
                .contains("[\"k19996\",8,0.0,0.5,0.0,null]", "[\"k3996\",2")
                .doesNotContain("\"k4000\"", "\"k21842\"");
        assertThat(confusion.path("confused").get(0).toString()).isEqualTo("[\"k19996\",\"k19997\",7]");
        assertThat(confusion.toString().length()).isLessThan(60_000);
    }

    @Test
    void ofManyClassesThoseWithTheMostMistakesAreShown() {
        ObjectNode evaluation = MAPPER.createObjectNode();
        ObjectNode classes = evaluation.putObject("classes");
        ArrayNode rows = evaluation.putArray("confusion");
        for (int k = 0; k < 50; k++) {
            classes.putObject("k" + k);
            ArrayNode row = rows.addArray();
            for (int p = 0; p < 50; p++) {
                int images = k == p ? 9 : k == 49 && p == 47 ? 3 : k == 10 && p == 11 ? 2 : k == 20 && p < 15 ? 1 : 0;
                row.add(images);
            }
        }

        JsonNode confusion = Confusion.of(evaluation);

        assertThat(confusion.path("shown")).hasSize(40);
        assertThat(confusion.path("shown").toString())
                .contains("k47", "k49", "k10", "k20")
                .doesNotContain("k48");
        assertThat(confusion.path("classes")).hasSize(50);
        assertThat(confusion.path("confused").get(0).toString()).isEqualTo("[\"k49\",\"k47\",3]");
    }

    @Test
    void aRunIsToldByItsFiles() throws Exception {
        write("manifest.json", "{\"seed\": 7, \"settings\": {\"tuning\": {\"method\": \"grft\"}}}");
        write(
                "metrics.json",
                "{\"linear\": {\"accuracy\": 0.25, \"test_images\": 4}, \"grft\": {\"accuracy\": 0.5, \"test_images\": 4},"
                        + " \"gone\": {}}");
        write("evaluation.json", "{\"loss\": 1.5, \"classes\": {\"a\": {}}, \"confusion\": [[2]]}");
        write("linear/evaluation.json", "{\"loss\": 2.5, \"classes\": {\"a\": {}}, \"confusion\": [[3]]}");
        write("mistakes.json", "[{\"id\": 1}]");
        write("broken-images.json", "{\"data.train\": {\"path\": \"p\", \"images\": 3, \"broken\": {\"x\": \"why\"}}}");
        write(
                "predict-0123456789abcdef.json",
                "{\"output\": \"out\", \"data\": {\"images\": 2}, \"broken\": {\"images\": 9, \"count\": 7, \"broken\": {\"y\":"
                        + " \"empty\"}}}");
        selection(new Selection(List.of(rows(1, 2))))
                .write(new Configuration(), new org.apache.hadoop.fs.Path(folder + "/selection.safetensors"));
        selection(new Selection(List.of(rows(1, 3))))
                .write(new Configuration(), new org.apache.hadoop.fs.Path(folder + "/part-2/selection.safetensors"));

        JsonNode data = data();

        JsonNode linear = data.path("methods").get(0);
        assertThat(linear.path("main").asBoolean()).isFalse();
        assertThat(linear.at("/evaluation/loss").asDouble()).isEqualTo(2.5);
        assertThat(linear.at("/confusion/classes").toString()).isEqualTo("[[\"a\",3,0.0,0.0,0.0,null]]");
        assertThat(linear.has("mistakes")).isFalse();
        JsonNode grft = data.path("methods").get(1);
        assertThat(grft.path("main").asBoolean()).isTrue();
        assertThat(grft.at("/evaluation/loss").asDouble()).isEqualTo(1.5);
        assertThat(grft.at("/mistakes/0/id").asInt()).isEqualTo(1);
        assertThat(data.path("methods").get(2).has("evaluation"))
                .as("that of another method")
                .isFalse();
        assertThat(data.at("/broken/data.train/first").toString()).isEqualTo("[[\"x\",\"why\"]]");
        assertThat(data.at("/broken/data.train/count").asInt()).isEqualTo(1);
        assertThat(data.at("/data/predict out/images").asInt()).isEqualTo(2);
        assertThat(data.at("/broken/predict out/count").asInt()).isEqualTo(7);
        assertThat(data.at("/broken/predict out/first").toString()).isEqualTo("[[\"y\",\"empty\"]]");
        assertThat(data.at("/selection/again/0/jaccard").asDouble()).isEqualTo(1.0 / 3, within(1e-12));
        assertThat(data.at("/manifest/seed").asInt()).isEqualTo(7);
    }

    @Test
    void theEvaluationOfADeltaThatWasReplacedIsNotShown() throws Exception {
        write("manifest.json", "{\"settings\": {\"tuning\": {\"method\": \"grft\"}}}");
        write("metrics.json", "{\"grft\": {\"steps\": 9}}");
        write("evaluation.json", "{\"loss\": 1.5, \"classes\": {\"a\": {}}, \"confusion\": [[2]]}");
        write("mistakes.json", "[{\"id\": 1}]");

        JsonNode grft = data().path("methods").get(0);

        assertThat(grft.path("metrics").path("steps").asInt()).isEqualTo(9);
        assertThat(grft.fieldNames()).toIterable().doesNotContain("evaluation", "confusion", "mistakes");
    }

    @Test
    void onlyTheLatestOutputsOfPredictAreShown() throws Exception {
        write("metrics.json", "{\"grft\": {}}");
        for (int i = 0; i < 23; i++) {
            String name = String.format("predict-%016x.json", 99 - i);
            write(
                    name,
                    i < 3
                            ? "no JSON: it is not read"
                            : "{\"output\": \"out" + i
                                    + "\", \"data\": {}, \"broken\": {\"images\": 1, \"count\": 0, \"broken\": {}}}");
            Files.setLastModifiedTime(folder.resolve(name), FileTime.fromMillis(1_000_000 + 1000 * i));
        }

        JsonNode data = data();

        assertThat(data.path("data").fieldNames())
                .toIterable()
                .hasSize(20)
                .startsWith("predict out22", "predict out21")
                .endsWith("predict out3");
        assertThat(data.path("earlier").asInt()).isEqualTo(3);
    }

    @Test
    void namesCannotLeaveTheBlockOfData() throws Exception {
        ObjectNode metrics = MAPPER.createObjectNode();
        metrics.putObject("grft").put("note", HOSTILE).put("test_images", 1);
        write("metrics.json", metrics.toString());
        write("manifest.json", "{\"settings\": {\"tuning\": {\"method\": \"grft\"}}}");
        ObjectNode evaluation = MAPPER.createObjectNode();
        evaluation.putObject("classes").putObject(HOSTILE);
        evaluation.putArray("confusion").addArray().add(1);
        write("evaluation.json", evaluation.toString());

        String page = page();

        Matcher block = Pattern.compile("<script type=\"application/json\" id=\"data\">(.*?)</script>", Pattern.DOTALL)
                .matcher(page);
        assertThat(block.find()).isTrue();
        JsonNode read = MAPPER.readTree(block.group(1));
        assertThat(read.at("/methods/0/metrics/note").asText()).isEqualTo(HOSTILE);
        assertThat(read.at("/methods/0/confusion/classes/0/0").asText()).isEqualTo(HOSTILE);
        assertThat(block.group(1)).doesNotContain("<");
        assertThat(page.split("</script>", -1))
                .as("no script but the page's own three")
                .hasSize(4);
        assertThat(page).doesNotContain("alert(1)</script>");
    }

    @Test
    void thePageIsWholeAndLoadsNothing() throws Exception {
        write("metrics.json", "{\"grft\": {\"accuracy\": 0.5}}");

        String page = page();

        assertThat(page).contains("default-src 'none'", "Apache Software Foundation", "prefers-color-scheme: dark");
        assertThat(page).doesNotContain("{{").doesNotContainPattern("<(script|link|img)[^>]+(src|href)=\"https?:");
        assertThat(page.length()).isBetween(1_000_000, 1_300_000);
    }

    @Test
    void aDirectoryWithNothingInItIsRefused() {
        assertThatThrownBy(this::data)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + ": there is nothing to report, neither metrics.json nor");
        assertThat(folder.resolve(Report.NAME)).doesNotExist();
    }

    @Test
    void aFileThatIsNoJsonIsNamed() throws Exception {
        write("metrics.json", "{");

        assertThatThrownBy(this::data)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + "/metrics.json: is not valid JSON (");
    }

    @Test
    void aComparisonIsReportedWithTheManifestOfItsFirstRun() throws Exception {
        write("comparison.json", "{\"cells\": [], \"selections\": {}}");
        write("budget-0.01/seed-1/manifest.json", "{\"seed\": 1}");
        write("budget-0.01/seed-2/manifest.json", "{\"seed\": 2}");

        JsonNode data = data();

        assertThat(data.path("comparison").has("cells")).isTrue();
        assertThat(data.at("/manifest/seed").asInt()).isEqualTo(1);
        assertThat(data.path("methods")).isEmpty();

        write("manifest.json", "{\"seed\": 3}"); // of a run in the same directory
        write("comparison.json", "{\"cells\": [], \"selections\": {}, \"first\": \"budget-0.01/seed-2\"}");
        assertThat(data().at("/manifest/seed").asInt())
                .as("not of an earlier comparison")
                .isEqualTo(2);
    }
}
