package dev.grft.spark.run;

import dev.grft.UserError;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.tables.NamedTable;
import dev.grft.spark.tables.OwnSession;
import java.util.UUID;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * A table of Spark's catalogs that a verb writes: it is made, or rows are added to it, or replace all of its rows. That is one commit where
 * the table's format has commits, as those of Delta Lake and Iceberg.
 */
public final class OutputTable {
    private final Session session;
    private final SparkSession spark;
    private final String output;
    private final String name;
    private final boolean append;
    private final boolean force;

    private OutputTable(Session session, String output, boolean append, boolean force) {
        this.session = session;
        this.spark = OwnSession.like(session.spark());
        this.spark.conf().set("spark.sql.caseSensitive", true); // columns may be called as classes
        this.spark.conf().set("spark.sql.sources.partitionOverwriteMode", "static"); // --force replaces all rows
        this.output = output;
        this.name = output.substring(NamedTable.TABLE.length());
        this.append = append;
        this.force = force;
    }

    /**
     * Returns the table that an option names; null if it names a folder.
     *
     * @throws UserError for {@code append} to a folder, or together with {@code force}
     */
    public static @Nullable OutputTable of(Session session, String output, boolean append, boolean force) {
        if (output.startsWith(NamedTable.TABLE)) {
            if (append && force) {
                throw UserError.of(
                        "--append adds rows to %s, and --force replaces all of them; give one of the two", output);
            }
            return new OutputTable(session, output, append, force);
        }
        if (append) {
            throw UserError.of(
                    "--append: adds rows to a table of a catalog, but --output is %s; give --output table:NAME",
                    output);
        }
        return null;
    }

    /**
     * Refuses a table that is there, unless its rows are to be kept or replaced.
     *
     * @throws UserError with what to do
     */
    public void requireFree() {
        if (exists() && !append && !force) {
            throw UserError.of(
                    "%s: exists already; give --append to add rows, or --force to replace all of them", output);
        }
    }

    private boolean exists() {
        try {
            return spark.catalog().tableExists(name);
        } catch (Exception e) { // Spark's are not declared
            throw failed(e);
        }
    }

    /**
     * Writes the rows of a folder of Parquet into the table, and deletes the folder.
     *
     * @throws UserError if the table is there by now and its rows are not to be touched, or its columns are others
     */
    public void save(String folder) {
        Dataset<Row> rows = spark.read().parquet(folder);
        String view = "grft_" + UUID.randomUUID().toString().replace("-", "");
        requireFree(); // another job may have made it during the pass
        session.requireClaim();
        try {
            if (exists()) {
                rows.createOrReplaceTempView(view);
                spark.sql(
                        "INSERT " + (append ? "INTO " : "OVERWRITE TABLE ") + name + " BY NAME SELECT * FROM " + view);
            } else {
                rows.write().saveAsTable(name);
            }
        } catch (Exception e) { // Spark's are not declared
            throw failed(e);
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

    private RuntimeException failed(Exception e) {
        if (!(e instanceof AnalysisException)) {
            return Causes.rethrown(e); // such as that the cluster is lost
        }
        return new UserError(
                output + ": cannot be written (" + Causes.first(e)
                        + "); has the table these columns, and is its catalog" + " configured by spark.sql.catalog?",
                e);
    }
}
