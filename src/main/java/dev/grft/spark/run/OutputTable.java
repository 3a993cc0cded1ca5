package dev.grft.spark.run;

import dev.grft.UserError;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.tables.NamedTable;
import dev.grft.spark.tables.OwnSession;
import java.util.Collection;
import java.util.List;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * A table of Spark's catalogs that a verb writes: it is made, or rows are added to it, merged into it by name, or replace all of its rows.
 * That is one commit where the table's format has commits, as those of Delta Lake and Iceberg.
 */
public final class OutputTable {
    private static final String KEY = "name";
    private static final String MAPPING = "spark.databricks.delta.properties.defaults.columnMapping.mode";
    private static final Pattern NO_PLAN = Pattern.compile( // in place of one, of Spark's EXPLAIN
            "(?s)(?:Error occurred during query planning:|== Physical Plan ==\\s+[\\w.]+AnalysisException:)(.*)");

    /** What to do with a table that exists, unless all of its rows are to be replaced. */
    public enum Existing {
        REFUSE(""),
        APPEND("--append"),
        /** Rows take the place of those of the same name; the others are added. */
        MERGE("--merge");

        private final String option;

        Existing(String option) {
            this.option = option;
        }
    }

    private final Session session;
    private final SparkSession spark;
    private final String output;
    private final String name;
    private final Existing existing;
    private final boolean force;

    private OutputTable(Session session, String output, Existing existing, boolean force) {
        this.session = session;
        this.spark = OwnSession.like(session.spark());
        this.spark.conf().set("spark.sql.caseSensitive", true); // columns may be called as classes
        this.spark.conf().set("spark.sql.sources.partitionOverwriteMode", "static"); // --force replaces all rows
        this.spark
                .conf()
                .set(
                        "spark.sql.sources.parallelPartitionDiscovery.parallelism",
                        spark.sparkContext().defaultParallelism()); // else a task for each file
        this.output = output;
        this.name = output.substring(NamedTable.TABLE.length());
        this.existing = existing;
        this.force = force;
    }

    /**
     * Returns the table that an option names; null if it names a folder.
     *
     * @throws UserError if --append or --merge is given for a folder, or together with --force
     */
    public static @Nullable OutputTable of(Session session, String output, Existing existing, boolean force) {
        if (output.startsWith(NamedTable.TABLE)) {
            if (existing != Existing.REFUSE && force) {
                throw UserError.of(
                        "%s keeps rows of %s, and --force replaces all of them; give one of the two",
                        existing.option, output);
            }
            return new OutputTable(session, output, existing, force);
        }
        if (existing != Existing.REFUSE) {
            throw UserError.of(
                    "%s: is for a table of a catalog, but --output is %s; give --output table:NAME",
                    existing.option, output);
        }
        return null;
    }

    /**
     * Refuses a table that is there, unless its rows are to be kept or replaced, and one whose format cannot be merged into.
     *
     * @throws UserError with what to do
     */
    public void requireFree() {
        if (!exists()) {
            return;
        }
        if (existing == Existing.REFUSE && !force) {
            throw UserError.of(
                    "%s: exists already; give --append to add rows, --merge to put them in the place of those of the same"
                            + " name, or --force to replace all of them",
                    output);
        }
        if (existing == Existing.MERGE) {
            requireMerge();
        }
    }

    /** Has Spark plan a merge of the table with itself, without making it. */
    private void requireMerge() {
        String why = whyNot(merge(name));
        if (why != null) {
            throw UserError.of(
                    "%s: cannot be merged into (%s); tables of Delta Lake and Iceberg can, with their spark.sql.extensions; or"
                            + " give --append",
                    output, why);
        }
    }

    /** Returns why Spark cannot plan a statement; null if it can. */
    private @Nullable String whyNot(String statement) {
        try {
            Matcher none =
                    NO_PLAN.matcher(spark.sql("EXPLAIN " + statement).first().getString(0));
            return none.matches()
                    ? none.group(1).strip().lines().limit(3).collect(Collectors.joining(" ")) // then come plans
                    : null;
        } catch (Exception e) { // Spark's are not declared
            throw failed(e, "");
        }
    }

    /**
     * Refuses a table that cannot take rows of some columns: has Spark plan what {@link #save} will do.
     *
     * @throws UserError with what to do
     */
    public void requireTakes(StructType columns) {
        if (!exists()) {
            requireNames(columns);
            return;
        }
        String view = view(spark.createDataFrame(List.of(), columns));
        try {
            String why = whyNot(statement(view));
            if (why != null) {
                throw UserError.of(
                        "%s: does not take the columns of these predictions (%s); change the table, set predict.topK, or choose"
                                + " another --output",
                        output, why);
            }
        } finally {
            spark.catalog().dropTempView(view);
        }
    }

    /** Refuses names that a new table of Delta Lake cannot have. */
    private void requireNames(StructType columns) {
        if (!spark.conf().get("spark.sql.sources.default").equals("delta")
                || !spark.conf().get(MAPPING, "none").equals("none")) {
            return;
        }
        for (String column : columns.fieldNames()) {
            if (column.matches("(?s).*[ ,;{}()\n\t=].*")) {
                throw UserError.of(
                        "%s: a new table of Delta Lake cannot have a column %s; set predict.topK, which puts the classes into"
                                + " an array, or %s=name",
                        output, column, MAPPING);
            }
        }
    }

    private static String view(Dataset<Row> rows) {
        String view = "grft_" + UUID.randomUUID().toString().replace("-", "");
        rows.createOrReplaceTempView(view);
        return view;
    }

    /** Returns what puts the rows of a view into a table that exists. */
    private String statement(String view) {
        return existing == Existing.MERGE
                ? merge(view)
                : "INSERT " + (force ? "OVERWRITE TABLE " : "INTO ") + name + " BY NAME SELECT * FROM " + view;
    }

    private String merge(String source) {
        return "MERGE INTO " + name + " AS old USING " + source + " AS new ON old." + KEY + " = new." + KEY
                + " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *";
    }

    private boolean exists() {
        try {
            return spark.catalog().tableExists(name);
        } catch (Exception e) { // Spark's are not declared
            throw failed(e, "");
        }
    }

    /**
     * Writes the rows of a folder of Parquet into the table, and deletes the folder.
     *
     * @param files the names of those in the folder that have the rows, one or more; a task that was given up may have left others
     * @throws UserError if the table is there by now and its rows are not to be touched, its columns are others, or two of the rows have the
     *     same name and are to be merged; the folder stays
     */
    public void save(String folder, Collection<String> files) {
        Dataset<Row> rows = spark.read()
                .parquet(files.stream().map(file -> folder + "/" + file).toArray(String[]::new));
        requireFree(); // another job may have made it during the pass
        if (existing == Existing.MERGE) {
            requireDifferentNames(rows, folder);
        }
        session.requireClaim();
        String view = view(rows);
        try {
            if (!exists()) {
                rows.write().saveAsTable(name);
            } else {
                spark.sql(statement(view));
            }
        } catch (Exception e) { // Spark's are not declared
            throw failed(e, kept(folder));
        } finally {
            spark.catalog().dropTempView(view);
        }
        try {
            session.storage().delete(new Path(folder));
        } catch (RuntimeException e) { // the rows are in the table
            session.progress()
                    .say("note: %s cannot be deleted, which is not needed any more: %s", folder, Causes.first(e));
        }
    }

    private void requireDifferentNames(Dataset<Row> rows, String folder) {
        for (Row twice : rows.groupBy(KEY).count().where("count > 1").sort(KEY).takeAsList(1)) {
            throw UserError.of(
                    "%s: --merge needs images of different names, but %d are called %s; give --append, or images whose"
                            + " names differ%s",
                    output, twice.getLong(1), twice.getString(0), kept(folder));
        }
    }

    private static String kept(String folder) {
        return "; the rows are in " + folder + " until the next call";
    }

    private RuntimeException failed(Exception e, String more) {
        if (!(e instanceof AnalysisException)) {
            return Causes.rethrown(e); // such as that the cluster is lost
        }
        return new UserError(
                output + ": cannot be written (" + Causes.first(e)
                        + "); has the table these columns, and is its catalog" + " configured by spark.sql.catalog?"
                        + more,
                e);
    }
}
