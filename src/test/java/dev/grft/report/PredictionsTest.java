package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.data.Labels;
import dev.grft.measures.ClassJudgment;
import dev.grft.measures.Judgment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PredictionsTest {
    private static final Labels LABELS = Labels.inOrder(List.of("cat", "dog", "the \"</script>\" bird"));

    private static Judgment judgment(long id, String name, int label, float... probabilities) {
        return new ClassJudgment(id, name, label, probabilities);
    }

    @Test
    void everyImageHasALineById() throws Exception {
        Predictions predictions = new Predictions(LABELS, 3);
        predictions.add(judgment(2, "c.png", 2, 0.25f, 0.375f, 0.375f));
        predictions.add(judgment(0, "a.png", 0, 0.5f, 0.25f, 0.25f));

        List<String> lines = predictions.jsonl().lines().toList();

        assertThat(lines).hasSize(2);
        assertThat(lines.get(0))
                .isEqualTo("{\"id\":0,\"name\":\"a.png\",\"label\":\"cat\",\"predicted\":\"cat\","
                        + "\"probability\":0.5,\"probability_of_label\":0.5}");
        JsonNode second = new ObjectMapper().readTree(lines.get(1));
        assertThat(second.path("label").asText()).isEqualTo("the \"</script>\" bird");
        assertThat(second.path("predicted").asText()).isEqualTo("dog");
        assertThat(second.path("probability_of_label").asDouble()).isEqualTo(0.375);
    }

    @Test
    void ofManyImagesEachNthHasALine() {
        Predictions predictions = new Predictions(LABELS, 2L * Predictions.MOST + 1);
        for (long id = 2L * Predictions.MOST; id >= 0; id--) {
            predictions.add(judgment(id, "n" + id, 0, 0.9f, 0.1f, 0));
        }

        List<String> lines = predictions.jsonl().lines().toList();

        assertThat(lines).hasSize(Predictions.MOST / 3 * 2 + 1); // ids 0, 3, 6, ... 19998 of 20001
        assertThat(lines.get(1)).startsWith("{\"id\":3,");
    }

    @Test
    void theMostConfidentMistakesAreKeptWhateverTheOrderAndWhicheverHaveALine() throws Exception {
        Predictions predictions = new Predictions(LABELS, 10L * Predictions.MOST);
        predictions.add(judgment(1, "right", 1, 0, 1, 0));
        for (int i = 0; i < 100; i++) {
            int mixed = i * 37 % 100;
            predictions.add(judgment(1001 + mixed, "m" + mixed, 0, 0, 0.5f + mixed / 400f, 0));
        }
        predictions.add(judgment(7, "equal", 0, 0, 0.5f + 99 / 400f, 0));

        List<Judgment> mistakes = predictions.mistakes();

        assertThat(mistakes).hasSize(Predictions.MISTAKES);
        assertThat(mistakes.stream().map(mistake -> mistake.name))
                .startsWith("equal", "m99", "m98")
                .endsWith("m77");
        JsonNode json = new ObjectMapper().readTree(predictions.mistakesJson(Map.of(7L, "data:image/png;base64,AA==")));
        assertThat(json).hasSize(Predictions.MISTAKES);
        assertThat(json.get(0).path("picture").asText()).isEqualTo("data:image/png;base64,AA==");
        assertThat(json.get(1).has("picture")).isFalse();
    }
}
