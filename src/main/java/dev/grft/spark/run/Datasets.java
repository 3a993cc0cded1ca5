package dev.grft.spark.run;

import dev.grft.checkpoint.file.Storage;
import dev.grft.report.lineage.Dataset;
import dev.grft.report.lineage.Dataset.Statistic;
import dev.grft.report.lineage.Lineage;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.tables.NamedTable;
import dev.grft.spark.tables.Relations;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Describes what the verbs of an application read and write to its {@link Lineage}. Nothing is looked up if no lineage is reported. A failure
 * to describe data does not fail the run.
 */
public final class Datasets {
    private static final String MODEL = ".safetensors";

    private final @Nullable SparkSession spark;
    private final Storage storage;
    private final Lineage lineage;

    /**
     * Returns the datasets of an application.
     *
     * @param spark resolves the names of tables; null if there are no tables
     */
    public Datasets(@Nullable SparkSession spark, Storage storage, Lineage lineage) {
        this.spark = spark;
        this.storage = storage;
        this.lineage = lineage;
    }

    /**
     * Reports images that are read from files.
     *
     * @param columns of the table that holds them; null if none does
     * @param count of the images; -1 if it is not known
     * @param digest of their names, labels and bytes; null if they were only listed
     */
    public void images(Inputs inputs, @Nullable StructType columns, long count, @Nullable String digest) {
        lineage.read(() -> {
            List<Dataset> all = inputs.datasets();
            Dataset first = all.get(0).count(Statistic.ROWS, count).version(digest);
            return Stream.concat(
                            Stream.of(columns == null ? first : first.columns(Relations.columns(columns))),
                            all.stream().skip(1))
                    .toList();
        });
    }

    /**
     * Reports the rows of a table or query that are read.
     *
     * @param count of the images; -1 if it is not known
     * @param digest of them, their version if the table has no snapshots; null: it is not known
     */
    public void rows(NamedTable table, long count, @Nullable String digest) {
        lineage.read(() -> {
            List<Dataset> all = table.datasets();
            if (all.size() != 1) { // a query of several
                return all;
            }
            Dataset only = all.get(0).count(Statistic.ROWS, count);
            return List.of(table.snapshot() == null ? only.version(digest) : only);
        });
    }

    /** Reports a file of weights that is read, by its SHA-256. */
    public void weights(Path file, Supplier<String> sha256) {
        lineage.read(() -> List.of(
                Dataset.at(storage.qualified(file)).type(Dataset.Type.MODEL).version(sha256.get())));
    }

    /** Reports what is read of a run directory, such as a delta: a file or a folder. */
    public void read(String path) {
        lineage.read(() -> described(path, -1, null, true));
    }

    /**
     * Reports what is there now, and was not written by this run because it is up to date with its inputs.
     *
     * @param output a file, a folder, or {@code table:NAME}
     */
    public void unchanged(String output) {
        lineage.wrote(() -> described(output, -1, null, false));
    }

    /**
     * Reports what was written.
     *
     * @param output a file, a folder, or {@code table:NAME}
     * @param rows that were written; -1 if it has none
     * @param columns of a folder of Parquet; null of others
     */
    public void wrote(String output, long rows, @Nullable StructType columns) {
        lineage.wrote(() -> described(output, rows, columns, true));
    }

    private List<Dataset> described(String output, long rows, @Nullable StructType columns, boolean now) {
        if (NamedTable.is(output)) {
            return Relations.of(Objects.requireNonNull(spark).table(output.substring(NamedTable.TABLE.length())))
                    .stream()
                    .map(table -> table.count(Statistic.ROWS, rows))
                    .toList();
        }
        Path path = storage.qualified(new Path(output));
        if (!storage.isDirectory(path)) {
            Dataset file =
                    Dataset.at(path).type(path.getName().endsWith(MODEL) ? Dataset.Type.MODEL : Dataset.Type.FILE);
            return List.of(now ? counted(file, storage.length(path), 1) : file);
        }
        Dataset folder = Dataset.at(path).type(Dataset.Type.FILE).count(Statistic.ROWS, rows);
        if (columns != null) {
            folder = folder.columns(Relations.columns(columns));
        }
        SortedMap<String, Long> sizes = storage.sizes(path);
        sizes.keySet().removeIf(name -> name.startsWith("_") || name.startsWith("."));
        long bytes = sizes.values().stream().mapToLong(Long::longValue).sum();
        return List.of(now ? counted(folder, bytes, sizes.size()) : folder);
    }

    private static Dataset counted(Dataset dataset, long bytes, long files) {
        return dataset.count(Statistic.BYTES, bytes).count(Statistic.FILES, files);
    }
}
