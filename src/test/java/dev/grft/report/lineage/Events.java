package dev.grft.report.lineage;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/** Events of OpenLineage, read back and held against the rules of the specification, 2-0-2. */
public final class Events {
    private static final Set<String> TYPES = Set.of("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER");
    private static final String DEFINITION =
            "https://openlineage\\.io/spec/facets/\\d+-\\d+-\\d+/(\\w+)\\.json#/\\$defs/\\1";

    private Events() {}

    /** Returns the events of a file with a line for each, all of which are valid. */
    public static List<JsonNode> lines(Path file) throws IOException {
        List<JsonNode> events = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            events.add(valid(line));
        }
        return events;
    }

    /** Returns the events of a folder with a file for each, in the order of their names; all of them are valid. */
    public static List<JsonNode> files(Path folder) throws IOException {
        List<JsonNode> events = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder).sorted()) {
            for (Path file : files.toList()) {
                assertThat(Files.readAllLines(file)).hasSize(1);
                events.add(valid(Files.readString(file)));
            }
        }
        return events;
    }

    /** Returns an event that is valid. */
    public static JsonNode valid(String json) throws IOException {
        JsonNode event = new ObjectMapper().readTree(json);
        assertThat(TYPES).contains(event.path("eventType").asText());
        assertThat(event.path("eventTime").asText()).endsWith("Z");
        assertThat(Instant.parse(event.path("eventTime").asText())).isBeforeOrEqualTo(Instant.now());
        assertThat(URI.create(event.path("producer").asText()).isAbsolute()).isTrue();
        assertThat(event.path("schemaURL").asText())
                .isEqualTo("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
        assertThat(UUID.fromString(event.at("/run/runId").asText()).version()).isEqualTo(7);
        facets(event.at("/run/facets"));
        facets(event.at("/job/facets"));
        named(event.path("job"));
        for (String kind : List.of("input", "output")) {
            assertThat(event.path(kind + "s").isArray()).isTrue();
            Set<String> names = new HashSet<>();
            for (JsonNode dataset : event.path(kind + "s")) {
                named(dataset);
                assertThat(names.add(dataset.path("namespace") + " " + dataset.path("name")))
                        .as("twice: %s", dataset)
                        .isTrue();
                assertThat(dataset.path("namespace").asText()).matches("\\w+(://[^/]+)?");
                assertThat(dataset.path("name").asText()).matches("/|.*[^/]");
                facets(dataset.path("facets"));
                facets(dataset.path(kind + "Facets"));
                assertThat(dataset.has(kind.equals("input") ? "outputFacets" : "inputFacets"))
                        .isFalse();
            }
        }
        return event;
    }

    private static void named(JsonNode node) {
        assertThat(node.path("namespace").asText()).isNotBlank();
        assertThat(node.path("name").asText()).isNotBlank();
    }

    private static void facets(JsonNode facets) {
        facets.forEach(facet -> {
            assertThat(URI.create(facet.path("_producer").asText()).isAbsolute())
                    .isTrue();
            assertThat(facet.path("_schemaURL").asText()).matches(DEFINITION);
        });
    }

    /** Returns the types of events, in their order. */
    public static List<String> types(List<JsonNode> events) {
        return events.stream().map(event -> event.path("eventType").asText()).toList();
    }

    /** Returns the dataset of a kind, {@code inputs} or {@code outputs}, whose name ends so. */
    public static JsonNode dataset(JsonNode event, String kind, String end) {
        List<JsonNode> found = new ArrayList<>();
        event.path(kind).forEach(dataset -> {
            if (dataset.path("name").asText().endsWith(end)) {
                found.add(dataset);
            }
        });
        assertThat(found).as("%s that ends with %s in %s", kind, end, event).hasSize(1);
        return found.get(0);
    }
}
