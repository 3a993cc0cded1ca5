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
 * A table of Spark's catalogs that a verb writes: it is made, or rows are added to it, merged into it by name, or replace all of its rows.
 * That is one commit where the table's format has commits, as those of Delta Lake and Iceberg.
 */
public final class OutputTable {
    private static final String KEY = "name";

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
        this.output = output;
        this.name = output.substring(NamedTable.TABLE.length());
        this.existing = existing;
        this.force = force;
    }

    /**
     * Returns the table that an option names; null if it names a folder.
     *
     * @throws UserError for a folder whose rows are to be kept, or if they are to be kept and replaced
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
     * Refuses a table that is there, unless its rows are to be kept or replaced.
     *
     * @throws UserError with what to do
     */
    public void requireFree() {
        if (exists() && existing == Existing.REFUSE && !force) {
            throw UserError.of(
                    "%s: exists already; give --append to add rows, --merge to put them in the place of those of the same"
                            + " name, or --force to replace all of them",
                    output);
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
     * Writes the rows of a folder of Parquet into the table, and deletes the folder in any case.
     *
     * @throws UserError if the table is there by now and its rows are not to be touched, its columns are others, or it is to be merged into
     *     and its format cannot do that, or two of the rows have the same name
     */
    public void save(String folder) {
        Dataset<Row> rows = spark.read().parquet(folder);
        String view = "grft_" + UUID.randomUUID().toString().replace("-", "");
        requireFree(); // another job may have made it during the pass
        session.requireClaim();
        try {
            if (exists()) {
                rows.createOrReplaceTempView(view);
                if (existing == Existing.MERGE) {
                    merge(rows, view);
                } else {
                    spark.sql("INSERT " + (force ? "OVERWRITE TABLE " : "INTO ") + name + " BY NAME SELECT * FROM "
                            + view);
                }
            } else {
                rows.write().saveAsTable(name);
            }
        } catch (Exception e) { // Spark's are not declared
            throw failed(e);
        } finally {
            spark.catalog().dropTempView(view);
            delete(folder); // a call again computes the rows again
        }
    }

    private void delete(String folder) {
        try {
            session.storage().delete(new Path(folder));
        } catch (RuntimeException e) {
            session.progress()
                    .say("note: %s cannot be deleted, which is not needed any more: %s", folder, Causes.first(e));
        }
    }

    private void merge(Dataset<Row> rows, String view) {
        for (Row twice : rows.groupBy(KEY).count().where("count > 1").sort(KEY).takeAsList(1)) {
            throw UserError.of(
                    "%s: --merge needs images of different names, but %d are called %s; give --append, or images whose"
                            + " names differ",
                    output, twice.getLong(1), twice.getString(0));
        }
        try {
            spark.sql("MERGE INTO " + name + " AS old USING " + view + " AS new ON old." + KEY + " = new." + KEY
                    + " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *");
        } catch (UnsupportedOperationException e) {
            throw new UserError(
                    output + ": cannot be merged into (" + Causes.first(e)
                            + "); tables of Delta Lake and Iceberg can, with"
                            + " their spark.sql.extensions; or give --append",
                    e);
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
