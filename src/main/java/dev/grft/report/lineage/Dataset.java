package dev.grft.report.lineage;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.config.Credentials;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * A dataset by OpenLineage's naming rules, with what is known about it. {@code namespace} is the source of the data, such as {@code
 * s3://photos}; {@code name} is unique there, such as {@code birds/train}.
 *
 * @param facets of the dataset by their keys, such as {@code version}
 * @param statistics of what was read or written, by {@code rowCount}, {@code size} (bytes) and {@code fileCount}
 */
public record Dataset(String namespace, String name, Map<String, ObjectNode> facets, Map<Statistic, Long> statistics) {
    private static final String FILE = "file";
    private static final Set<String> S3 = Set.of("s3", "s3a", "s3n");
    private static final Set<String> STORES = Set.of("gs", "abfss", "wasbs"); // whose names begin without a slash

    /** What is counted. */
    public enum Statistic {
        ROWS("rowCount"),
        BYTES("size"),
        FILES("fileCount");

        private final String key;

        Statistic(String key) {
            this.key = key;
        }
    }

    /** What a dataset is. */
    public enum Type {
        FILE,
        TABLE,
        MODEL
    }

    /** A column of a table: its name, and its type in the words of its format. */
    public record Column(String name, String type) {}

    /** Copies what is given. */
    public Dataset {
        facets = Map.copyOf(facets);
        statistics = Map.copyOf(statistics);
    }

    /**
     * Returns the dataset at a path.
     *
     * @param path qualified by its file system
     */
    public static Dataset at(Path path) {
        return at(path.toUri());
    }

    /** Returns the dataset at an address. Passwords, keys and signatures of the address are left out. */
    public static Dataset at(URI uri) {
        String scheme = uri.getScheme() == null ? FILE : uri.getScheme().toLowerCase(Locale.ROOT);
        String path = Credentials.masked(String.valueOf(uri.getPath()));
        path = path.length() > 1 && path.endsWith("/") ? path.substring(0, path.length() - 1) : path;
        String authority = uri.getAuthority() == null ? "" : uri.getAuthority();
        int secret = authority.lastIndexOf('@');
        if (secret >= 0 && authority.substring(0, secret).contains(":")) {
            authority = authority.substring(secret + 1); // after KEY:SECRET; of Azure, a container stands there
        }
        if (S3.contains(scheme)) {
            return source("s3://" + authority, inStore(path));
        }
        String secure = scheme.equals("abfs") || scheme.equals("wasb") ? scheme + "s" : scheme;
        String namespace = authority.isEmpty() ? secure : secure + "://" + authority;
        return source(namespace, STORES.contains(secure) ? inStore(path) : path);
    }

    private static String inStore(String path) {
        return path.startsWith("/") && path.length() > 1 ? path.substring(1) : path;
    }

    /** Returns a table of a catalog whose place is not known. */
    public static Dataset table(String catalog, String name) {
        return new Dataset(catalog, name, Map.of(), Map.of()).type(Type.TABLE);
    }

    private static Dataset source(String namespace, String name) {
        ObjectNode source = Facets.of("DatasourceDatasetFacet", "1-0-1")
                .put("name", namespace)
                .put("uri", namespace.contains("://") ? namespace : namespace + ":///");
        return new Dataset(namespace, name, Map.of("dataSource", source), Map.of());
    }

    /** Returns this dataset with what it is. */
    public Dataset type(Type type) {
        return with("datasetType", Facets.of("DatasetTypeDatasetFacet", "1-0-1").put("datasetType", type.name()));
    }

    /** Returns this dataset with the version of its content, such as a SHA-256 or the number of a snapshot; null: it is not known. */
    public Dataset version(@Nullable String version) {
        return version == null
                ? this
                : with(
                        "version",
                        Facets.of("DatasetVersionDatasetFacet", "1-0-1").put("datasetVersion", version));
    }

    /** Returns this dataset with another name of it, that of a table in a catalog. */
    public Dataset alsoTable(String namespaceOfTable, String table) {
        ObjectNode symlinks = Facets.of("SymlinksDatasetFacet", "1-0-1");
        symlinks.putArray("identifiers")
                .addObject()
                .put("namespace", namespaceOfTable)
                .put("name", table)
                .put("type", Type.TABLE.name());
        return with("symlinks", symlinks);
    }

    /** Returns this dataset with its columns, in their order. */
    public Dataset columns(List<Column> columns) {
        ObjectNode schema = Facets.of("SchemaDatasetFacet", "1-2-0");
        var fields = schema.putArray("fields");
        for (Column column : columns) {
            fields.addObject()
                    .put("name", column.name)
                    .put("type", column.type)
                    .put("ordinal_position", fields.size()); // the number of this one, from 1
        }
        return with("schema", schema);
    }

    /** Returns this dataset with a count; a negative one is not known. */
    public Dataset count(Statistic what, long count) {
        if (count < 0) {
            return this;
        }
        Map<Statistic, Long> all = new TreeMap<>(statistics);
        all.put(what, count);
        return new Dataset(namespace, name, facets, all);
    }

    private Dataset with(String key, ObjectNode facet) {
        Map<String, ObjectNode> all = new TreeMap<>(facets);
        all.put(key, facet);
        return new Dataset(namespace, name, all, statistics);
    }

    /** Returns this dataset with what another description of it adds or tells anew. */
    Dataset and(Dataset newer) {
        Map<String, ObjectNode> allFacets = new TreeMap<>(facets);
        allFacets.putAll(newer.facets);
        Map<Statistic, Long> all = new TreeMap<>(statistics);
        all.putAll(newer.statistics);
        return new Dataset(namespace, name, allFacets, all);
    }

    /** Returns whether both are the same data. */
    boolean is(Dataset other) {
        return namespace.equals(other.namespace) && name.equals(other.name);
    }

    /** Adds this dataset to the inputs or outputs of an event. */
    void to(ObjectNode node, boolean input) {
        node.put("namespace", namespace).put("name", name);
        node.putObject("facets").setAll(new TreeMap<>(facets));
        if (!statistics.isEmpty()) {
            ObjectNode counts = input
                    ? Facets.of("InputStatisticsInputDatasetFacet", "1-0-0")
                    : Facets.of("OutputStatisticsOutputDatasetFacet", "1-0-2");
            new TreeMap<>(statistics).forEach((what, count) -> counts.put(what.key, count));
            node.putObject(input ? "inputFacets" : "outputFacets")
                    .set(input ? "inputStatistics" : "outputStatistics", counts);
        }
    }
}
