package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import java.util.List;
import org.junit.jupiter.api.Test;

class ComparisonTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final MatrixShape SHAPE = new MatrixShape(8, 8);

    private static ObjectNode metrics(double accuracy) {
        ObjectNode node = MAPPER.createObjectNode();
        node.put("accuracy", accuracy);
        return node;
    }

    private static Slices rows(String matrix, int... indices) {
        return new Slices(matrix, SHAPE, Axis.ROW, indices);
    }

    private static Selection selection(Slices... slices) {
        return new Selection(List.of(slices));
    }

    private static Comparison some() {
        Comparison comparison = new Comparison();
        comparison.add("linear", null, 1, metrics(0.5));
        comparison.add("grft", 0.003, 1, metrics(0.8));
        comparison.add("grft", 0.003, 2, metrics(0.9));
        ObjectNode chosen = metrics(0.95);
        chosen.put("note", "chosen on test, not comparable");
        comparison.add("grft", 0.01, 1, chosen);
        Selection one = selection(rows("patch_embed.proj.weight", 0), rows("blocks.0.mlp.fc1.weight", 0, 1, 2));
        Selection two = selection(rows("blocks.0.mlp.fc1.weight", 0, 1), rows("blocks.1.mlp.fc1.weight", 5, 6));
        comparison.addSelections(
                0.003,
                List.of(one, two),
                List.of(new Comparison.Halves(one, one), new Comparison.Halves(one, selection(rows("c", 0)))));
        return comparison;
    }

    @Test
    void accuracyIsToldAgainstTheBudget() {
        assertThat(some().markdown()).contains("""

                | accuracy, % | at 0.3 % | at 1 % |
                |---|---|---|
                | linear, any budget | 50.00 | 50.00 |
                | grft (chosen on test, not comparable) | 85.00 ± 7.07 | 95.00 |
                """);
    }

    @Test
    void ofTooManyClassesForMapMethodsAreComparedByMicroF1() throws Exception {
        Comparison comparison = new Comparison();
        comparison.add(
                "grft",
                null,
                1,
                MAPPER.createObjectNode().put("task", "multi-label").put("micro_f1", 0.4));
        comparison.add("lora", null, 1, MAPPER.createObjectNode().put("task", "multi-label"));

        JsonNode json = MAPPER.readTree(comparison.json("budget-0.3/seed-1"));
        assertThat(json.path("measure").asText()).isEqualTo("micro_f1");
        assertThat(json.at("/cells/0/micro_f1_mean").asDouble()).isEqualTo(0.4);
        assertThat(json.at("/cells/1/micro_f1_mean").isNull()).isTrue();
        assertThat(comparison.markdown()).contains("| grft | 1 |");
    }

    @Test
    void methodsThatPredictValuesAreComparedByTheirErrors() throws Exception {
        Comparison comparison = new Comparison();
        for (int seed = 1; seed <= 2; seed++) {
            ObjectNode metrics = MAPPER.createObjectNode();
            metrics.put("task", "regression")
                    .put("rmse", 1.5 + seed)
                    .put("mae", 2)
                    .put("r2", 0.25);
            comparison.add("grft", null, seed, metrics);
        }

        assertThat(comparison.markdown())
                .startsWith("| method | seeds | RMSE | MAE | R² | trained, no head |")
                .contains("| grft | 2 | 3.0000 ± 0.70711 | 2.0000 | 0.25000 | - |");
        assertThat(comparison.csv()).startsWith("method,budget,seed,rmse,mae,r2,trained_without_head,");
        JsonNode json = MAPPER.readTree(comparison.json("budget-0.3/seed-1"));
        assertThat(json.path("measure").asText()).isEqualTo("rmse");
        assertThat(json.path("cells").path(0).path("rmse_mean").asDouble()).isEqualTo(3);
    }

    @Test
    void thePicksArePlacedByBlockAndKindMeanOverTheSeeds() {
        assertThat(some().markdown()).endsWith("""

                Slices of GRFT at 0.3 %, 0.33 the same between seeds, 0.50 between halves of the training images (Jaccard); where they lie, % of them:

                | block | patch_embed | mlp.fc1 | all |
                |---|---|---|---|
                | - | 12.5 |  | 12.5 |
                | 0 |  | 62.5 | 62.5 |
                | 1 |  | 25.0 | 25.0 |
                | all | 12.5 | 87.5 | 100.0 |
                """);
    }

    @Test
    void theJsonHasStabilityAndPlaces() throws Exception {
        JsonNode picks = MAPPER.readTree(some().json("budget-0.3/seed-1"))
                .path("selections")
                .path("0.3 %");

        assertThat(picks.path("jaccard_between_seeds").asDouble()).isEqualTo(2 / 6.0);
        assertThat(picks.path("jaccard_between_halves").asDouble()).isEqualTo(0.5);
        assertThat(picks.path("slices").path("blocks.0.mlp.fc1.weight").asDouble())
                .isEqualTo(2.5);
        assertThat(picks.path("share_by_kind").path("mlp.fc1").asDouble()).isEqualTo(7 / 8.0);
        assertThat(picks.path("share_by_block").path("1").asDouble()).isEqualTo(0.25);
    }

    @Test
    void whatWasChosenOnTheTestImagesIsMarkedInEveryForm() throws Exception {
        String note = "chosen on test, not comparable";

        JsonNode cells = MAPPER.readTree(some().json("budget-0.3/seed-1")).path("cells");
        assertThat(cells.get(2).path("note").asText()).isEqualTo(note);
        assertThat(cells.get(1).has("note")).isFalse();
        assertThat(some().markdown()).contains("| grft at 1 % (" + note + ") | 1 |", "| grft at 0.3 % | 2 |");
        assertThat(some().csv().lines().filter(line -> line.endsWith("\"" + note + "\"")))
                .hasSize(1);
    }
}
