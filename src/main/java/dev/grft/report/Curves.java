package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A history as the report draws it: {@code steps}, rows of {@code [step, loss, learning rate, seconds, seconds of waiting for
 * images]}, and {@code epochs}, the lines of the epochs that were evaluated. Of a long training each row is the mean of
 * as many steps that 400 rows are enough, under the number of the last of them.
 */
final class Curves {
    private static final int MOST = 400;
    private static final String[] NUMBERS = {"loss", "learningRate", "seconds", "inputSeconds"};
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Curves() {}

    /**
     * Returns the curves of a {@code history.jsonl}.
     *
     * @param place for errors
     */
    static ObjectNode of(String place, String jsonl) {
        ObjectNode root = MAPPER.createObjectNode();
        ArrayNode epochs = MAPPER.createArrayNode();
        List<JsonNode> steps = new ArrayList<>();
        for (String line : jsonl.lines().toList()) {
            JsonNode node = parsed(place, line);
            if (node.has("split")) {
                epochs.add(node);
            } else {
                steps.add(node);
            }
        }
        int together = Math.max(1, (steps.size() + MOST - 1) / MOST);
        ArrayNode rows = root.putArray("steps");
        for (int from = 0; from < steps.size(); from += together) {
            List<JsonNode> some = steps.subList(from, Math.min(steps.size(), from + together));
            ArrayNode row =
                    rows.addArray().add(some.get(some.size() - 1).path("step").asLong());
            for (String key : NUMBERS) {
                double mean = some.stream()
                        .map(step -> step.path(key))
                        .filter(JsonNode::isNumber)
                        .mapToDouble(JsonNode::asDouble)
                        .average()
                        .orElse(Double.NaN);
                row.add(Double.isNaN(mean) ? null : (Double) fiveDigits(mean));
            }
        }
        root.set("epochs", epochs);
        return root;
    }

    private static double fiveDigits(double number) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.5g", number));
    }

    private static JsonNode parsed(String place, String line) {
        try {
            return MAPPER.readTree(line);
        } catch (JsonProcessingException e) {
            throw new UserError(
                    place + ": is not a line of JSON for each step (" + e.getOriginalMessage() + "); train again", e);
        }
    }
}
