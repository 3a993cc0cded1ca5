package dev.grft.report.lineage;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The run that has started this one, such as a task of Airflow, and the run at the beginning of the chain, such as Airflow's DAG. The names of
 * the settings are those that OpenLineage's listener for Spark reads and Airflow's provider writes.
 */
record Parent(Identity run, Identity root) {
    private static final String SETTING = "spark.openlineage.";

    /** A run and its job. */
    record Identity(String run, String namespace, String job) {
        private void to(ObjectNode node) {
            node.putObject("run").put("runId", run);
            node.putObject("job").put("namespace", namespace).put("name", job);
        }
    }

    /**
     * Returns the parent that settings of Spark name; null if they name none, or the run is not a UUID.
     *
     * @param settings returns the value of a setting, null if it is not set
     */
    static @Nullable Parent of(UnaryOperator<@Nullable String> settings) {
        Identity run = identity(settings, "parent");
        Identity root = identity(settings, "rootParent");
        return run == null ? null : new Parent(run, root == null ? run : root);
    }

    private static @Nullable Identity identity(UnaryOperator<@Nullable String> settings, String prefix) {
        String run = settings.apply(SETTING + prefix + "RunId");
        String namespace = settings.apply(SETTING + prefix + "JobNamespace");
        String job = settings.apply(SETTING + prefix + "JobName");
        if (run == null || namespace == null || job == null) {
            return null;
        }
        try {
            return new Identity(UUID.fromString(run).toString(), namespace, job);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** Returns the settings that name this parent. */
    Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings("parent", run, settings);
        settings("rootParent", root, settings);
        return settings;
    }

    private static void settings(String prefix, Identity of, Map<String, String> settings) {
        settings.put(SETTING + prefix + "RunId", of.run);
        settings.put(SETTING + prefix + "JobNamespace", of.namespace);
        settings.put(SETTING + prefix + "JobName", of.job);
    }

    ObjectNode facet() {
        ObjectNode facet = Facets.of("ParentRunFacet", "1-2-0");
        run.to(facet);
        root.to(facet.putObject("root"));
        return facet;
    }
}
