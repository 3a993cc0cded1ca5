package dev.grft.checkpoint.file;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.MatrixShape;
import dev.grft.UserError;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The JSON in and beside the files: names that come twice are refused. */
public final class Json {
    public static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
            .build();

    private Json() {}

    /** Returns the document; {@code place} goes into the error. */
    public static JsonNode parse(String place, String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new UserError(place + ": is not valid JSON: " + e.getOriginalMessage() + "; write it again", e);
        }
    }

    /** Returns the text on one line. */
    public static String line(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns the text on many lines, for people. */
    public static String pretty(Object value) {
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n";
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns a list of strings. */
    public static List<String> strings(String place, JsonNode node) {
        List<String> strings = new ArrayList<>();
        for (JsonNode element : node) {
            if (!element.isTextual()) {
                throw UserError.of("%s: must be a list of strings, got the element %s", place, element);
            }
            strings.add(element.textValue());
        }
        if (!node.isArray()) {
            throw UserError.of("%s: must be a list of strings, got %s", place, node);
        }
        return strings;
    }

    /** Returns shapes as an object of {@code matrix: [out, in]}, in their order. */
    public static String shapes(Map<String, MatrixShape> shapes) {
        ObjectNode node = MAPPER.createObjectNode();
        shapes.forEach((matrix, shape) -> node.putArray(matrix).add(shape.out()).add(shape.in()));
        return line(node);
    }

    /** Returns the shapes that {@link #shapes(Map)} wrote. */
    public static Map<String, MatrixShape> shapes(String place, String text) {
        JsonNode root = parse(place, text);
        if (!root.isObject()) {
            throw UserError.of("%s: must be an object of [out, in], got %s", place, root);
        }
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : root.properties()) {
            JsonNode pair = field.getValue();
            if (!pair.isArray() || pair.size() != 2 || !positive(pair.get(0)) || !positive(pair.get(1))) {
                throw UserError.of(
                        "%s: %s must be [out, in], two positive numbers, got %s", place, field.getKey(), pair);
            }
            shapes.put(
                    field.getKey(),
                    new MatrixShape(pair.get(0).intValue(), pair.get(1).intValue()));
        }
        return shapes;
    }

    /** Returns a positive number; 0 if it is not there. */
    public static int positive(String place, String prefix, JsonNode node, String key) {
        JsonNode found = node.path(key);
        if (found.isMissingNode() || found.isNull()) {
            return 0;
        }
        if (!positive(found)) {
            throw UserError.of("%s: %s%s must be a positive whole number, got %s", place, prefix, key, found);
        }
        return found.intValue();
    }

    private static boolean positive(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToInt() && node.intValue() > 0;
    }
}
