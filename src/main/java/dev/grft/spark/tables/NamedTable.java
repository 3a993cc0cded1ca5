package dev.grft.spark.tables;

import dev.grft.UserError;
import dev.grft.report.lineage.Dataset;
import dev.grft.spark.cluster.Causes;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/** A table of Spark's catalogs, {@code table:NAME}, or the rows of a query, {@code sql:SELECT ...}, which stand in place of a path. */
public final class NamedTable {
    /** What the name of a table follows. */
    public static final String TABLE = "table:";

    private static final String QUERY = "sql:";

    private final org.apache.spark.sql.Dataset<Row> rows;
    private final @Nullable Version version;

    private NamedTable(org.apache.spark.sql.Dataset<Row> rows, @Nullable Version version) {
        this.rows = rows;
        this.version = version;
    }

    /** Returns whether a setting names a table or a query, not a path. */
    public static boolean is(String path) {
        return path.startsWith(TABLE) || path.startsWith(QUERY);
    }

    /**
     * Returns a table as it is now, or a query. No row is read yet.
     *
     * @param path as a setting has it
     * @throws UserError if there is no such table, or the query is none
     */
    public static NamedTable open(SparkSession spark, String path) {
        try {
            if (path.startsWith(QUERY)) {
                // In parentheses nothing but a query can stand, such as no DROP.
                String query = path.substring(QUERY.length()).strip().replaceFirst(";$", "");
                return new NamedTable(spark.sql("SELECT * FROM (\n" + query + "\n)"), null);
            }
            String name = path.substring(TABLE.length());
            org.apache.spark.sql.Dataset<Row> rows = spark.table(name);
            Version version = version(spark, name);
            return version == null
                    ? new NamedTable(rows, null)
                    : new NamedTable(spark.sql("SELECT * FROM " + name + " VERSION AS OF " + version.number), version);
        } catch (Exception e) { // Spark's are not declared
            if (!(e instanceof AnalysisException)) {
                throw Causes.rethrown(e);
            }
            throw new UserError(
                    path + ": cannot be read (" + Causes.first(e) + "); are name and SQL right, and is the catalog"
                            + " configured by spark.sql.catalog?",
                    e);
        }
    }

    /** Returns the rows. */
    public org.apache.spark.sql.Dataset<Row> rows() {
        return rows;
    }

    /**
     * Returns what identifies the snapshot that is read, such as {@code delta 6f0c… version 12} or {@code iceberg snapshot 8123…}; null if the
     * table's format has none, and of a query.
     */
    public @Nullable String snapshot() {
        return version == null ? null : version.snapshot();
    }

    /** Returns the table, or the tables that the query reads, as datasets of OpenLineage; the version is known of a table with snapshots. */
    public List<Dataset> datasets() {
        List<Dataset> all = Relations.of(rows);
        return version == null
                ? all
                : all.stream().map(dataset -> dataset.version(version.number)).toList();
    }

    /** A snapshot by the number that {@code VERSION AS OF} takes. */
    private record Version(String format, String table, String number) {
        String snapshot() {
            return format + " " + table + number;
        }
    }

    /** Returns the snapshot of a table of a format that has snapshots, null of others. */
    private static @Nullable Version version(SparkSession spark, String name) {
        String format = pairs(spark.sql("DESCRIBE TABLE EXTENDED " + name))
                .getOrDefault("Provider", "")
                .toLowerCase(Locale.ROOT);
        if (format.equals("iceberg")) {
            String snapshot =
                    pairs(spark.sql("SHOW TBLPROPERTIES " + name)).getOrDefault("current-snapshot-id", "none");
            return snapshot.equals("none") ? null : new Version(format, "snapshot ", snapshot);
        }
        if (format.equals("delta")) {
            Row last = spark.sql("DESCRIBE HISTORY " + name + " LIMIT 1")
                    .select("version")
                    .head();
            String id = spark.sql("DESCRIBE DETAIL " + name).select("id").head().getString(0);
            return new Version(format, id + " version ", Long.toString(last.getLong(0)));
        }
        return null;
    }

    /** Returns the first two columns of rows of text. */
    private static Map<String, String> pairs(org.apache.spark.sql.Dataset<Row> rows) {
        Map<String, String> pairs = new TreeMap<>();
        List<Row> all = rows.collectAsList();
        all.forEach(row -> pairs.put(String.valueOf(row.get(0)), String.valueOf(row.get(1))));
        return pairs;
    }
}
