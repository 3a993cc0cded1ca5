package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;

class TaskResultsTest {
    @Test
    void ofTooManyClassesForAveragePrecisionThoseOfTheLeastF1AreShown() {
        ObjectNode evaluation = new ObjectMapper().createObjectNode().put("task", "multi-label");
        ObjectNode classes = evaluation.putObject("classes");
        for (int k = 0; k < 1_001; k++) {
            classes.putObject("class " + k).put("f1", k == 0 ? 0.75 : 0.25);
        }

        JsonNode shown = TaskResults.of(evaluation);

        assertThat(shown.path("total").asInt()).isEqualTo(1_001);
        assertThat(shown.path("classes")).hasSize(1_000);
        assertThat(shown.at("/classes/0/0").asText()).isEqualTo("class 1");
    }
}
