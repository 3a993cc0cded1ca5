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
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A history as the report draws it: {@code steps}, rows of {@code [step, loss, learning rate, seconds, seconds of waiting for
 * images]}, {@code epochs}, the lines of the epochs that were evaluated, and {@code returns}, those of the returns after a divergence. Of a long training each row is the mean of
 * as many steps that 400 rows are enough, under the number of the last of them.
 */
final class Curves {
    private static final int MOST = 400;
    private static final String EPOCH = "\"split\"";
    private static final String[] NUMBERS = {"loss", "learningRate", "seconds", "inputSeconds"};
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Curves() {}

    /**
     * Returns the curves of a history.
     *
     * @param place for errors
     * @param lines of JSON, read twice; a history of any length takes the memory of one file
     */
    static ObjectNode of(String place, Supplier<Stream<String>> lines) {
        long steps = lines.get().filter(Curves::isStep).count();
        long together = Math.max(1, (steps + MOST - 1) / MOST);
        ObjectNode root = MAPPER.createObjectNode();
        ArrayNode rows = root.putArray("steps");
        ArrayNode epochs = MAPPER.createArrayNode();
        ArrayNode returns = MAPPER.createArrayNode();
        List<JsonNode> some = new ArrayList<>();
        lines.get().forEach(line -> {
            JsonNode node = parsed(place, line);
            if (isStep(line)) {
                some.add(node);
            } else if (line.contains(EPOCH)) {
                epochs.add(node);
            } else {
                returns.add(node);
            }
            if (some.size() == together) {
                row(some, rows);
            }
        });
        if (!some.isEmpty()) {
            row(some, rows);
        }
        root.set("epochs", epochs);
        root.set("returns", returns);
        return root;
    }

    private static boolean isStep(String line) {
        return !line.contains(EPOCH) && !line.contains("\"divergedAt\"");
    }

    /** Adds the mean of some steps, which are removed. */
    private static void row(List<JsonNode> some, ArrayNode rows) {
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
        some.clear();
    }

    private static double fiveDigits(double number) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.5g", number));
    }

    private static JsonNode parsed(String place, String line) {
        try {
            return MAPPER.readTree(line);
        } catch (JsonProcessingException e) {
            throw new UserError(
                    place + ": must have one JSON object a line (" + e.getOriginalMessage() + "); train again", e);
        }
    }
}
