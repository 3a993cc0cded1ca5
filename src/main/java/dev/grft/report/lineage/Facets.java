package dev.grft.report.lineage;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.report.Build;

/** The parts of an event that OpenLineage defines one by one, each with the address of its definition. */
final class Facets {
    private static final String SPEC = "https://openlineage.io/spec/";

    /** The schema of an event. */
    static final String RUN_EVENT = SPEC + "2-0-2/OpenLineage.json#/$defs/RunEvent";

    /** What made an event: this program, at the commit that it was built from. */
    static final String PRODUCER = Build.url() + "/tree/" + Build.commit();

    private Facets() {}

    /**
     * Returns a facet without content.
     *
     * @param name of its definition, such as {@code ParentRunFacet}
     * @param version of that, such as {@code 1-2-0}
     */
    static ObjectNode of(String name, String version) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("_producer", PRODUCER)
                .put("_schemaURL", SPEC + "facets/" + version + "/" + name + ".json#/$defs/" + name);
    }
}
