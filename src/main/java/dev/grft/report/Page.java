package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The page {@code report.html} of the resources with its style, its script, the charting library and the data put in place: one
 * file that loads nothing else, and may not, by a policy of its own.
 */
final class Page {
    private static final Pattern PLACE = Pattern.compile("\\{\\{(\\w+)}}");

    private Page() {}

    /** Returns the page that shows these data. */
    static String of(JsonNode data) {
        Map<String, String> parts = Map.of(
                "style", resource("report.css"),
                "charts", resource("echarts.min.js"),
                "script", resource("report.js"),
                "data", block(data));
        return PLACE.matcher(resource("report.html"))
                .replaceAll(place -> Matcher.quoteReplacement(parts.getOrDefault(place.group(1), "")));
    }

    /**
     * Returns JSON that may stand in an element {@code script}: without {@code <}, which JSON has in strings only, nothing in it
     * can end the element or open a comment.
     */
    static String block(JsonNode data) {
        try {
            return new ObjectMapper().writeValueAsString(data).replace("<", "\\u003c");
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String resource(String name) {
        try (InputStream in = Page.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("the program's own jar lacks " + name + "; build it by Maven");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
