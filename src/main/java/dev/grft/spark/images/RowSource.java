package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.ClassNames;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.tables.Columns;
import dev.grft.spark.tables.FolderNote;
import dev.grft.spark.tables.HuggingFace;
import dev.grft.spark.tables.InFileOrder;
import dev.grft.spark.tables.LabelColumns;
import dev.grft.spark.tables.OwnSession;
import java.io.Serializable;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.Partition;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RuntimeConfig;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.FilePartition;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** Images in the rows of Parquet, listed and read by Spark. */
final class RowSource implements Source.Stored {
    /** The ending of a file's name. */
    static final String SUFFIX = ".parquet";

    private static final String IMAGE = "image";
    private static final String OPEN_COST = "spark.sql.files.openCostInBytes";
    private static final String LARGEST_PARTITION = "spark.sql.files.maxPartitionBytes";
    private static final long SMALLEST_SPLIT = 1 << 20;
    private static final long LARGEST_SPLIT = 128 << 20;

    /** Of as many files, or fewer, the driver looks up the sizes; of more, a job with a task for each slot: Spark's has one for each file. */
    private static final int FILES_BY_DRIVER = 256;

    private static final String LISTED_BY_DRIVER = "spark.sql.sources.parallelPartitionDiscovery.threshold";
    private static final String LISTING_TASKS = "spark.sql.sources.parallelPartitionDiscovery.parallelism";
    private static final String TYPES_OF_FOLDERS = "spark.sql.sources.partitionColumnTypeInference.enabled";

    private final SparkSession spark;
    private final Found found;
    private final StructType columns; // of the files
    private final Dataset<Row> rows; // file, row, label, image
    private final ImageColumn images;
    private final @Nullable LabelForm labels;
    private final @Nullable ClassNames classes; // of labels that are numbers
    private final Map<String, Integer> parts =
            new HashMap<>(); // the files that have rows, numbered, once they are listed

    private RowSource(
            SparkSession spark,
            Found found,
            StructType columns,
            Dataset<Row> rows,
            @Nullable LabelForm labels,
            @Nullable ClassNames classes) {
        this.spark = spark;
        this.found = found;
        this.columns = columns;
        this.rows = rows;
        this.images = ImageColumn.of(rows.schema(), IMAGE, found.path(), "set data.imageColumn");
        this.labels = labels;
        this.classes = classes;
    }

    /** Returns the images that were found. */
    static RowSource open(SparkSession caller, Found found, ReadOptions options) {
        SparkSession spark = OwnSession.like(caller);
        LabelForm labels = options.labels();
        Dataset<Row> table = load(spark, found);
        Dataset<Row> rows = parquet(table, found.path(), options.imageColumn(), labels);
        ClassNames classes = classes(spark, rows, options.imageColumn(), labels);
        return new RowSource(spark, found, table.schema(), rows, labels, classes);
    }

    /** Returns the names of the classes that the files themselves number; refuses files that cannot be read together. */
    private static @Nullable ClassNames classes(
            SparkSession spark, Dataset<Row> rows, String image, @Nullable LabelForm labels) {
        String[] files = rows.inputFiles();
        return files.length == 0
                ? null
                : HuggingFace.classes(
                        JavaSparkContext.fromSparkContext(spark.sparkContext()),
                        spark.sessionState().newHadoopConf(),
                        files,
                        image,
                        labels);
    }

    private static Dataset<Row> parquet(
            Dataset<Row> table, String path, String imageColumn, @Nullable LabelForm labels) {
        ImageColumn.of(table.schema(), imageColumn, path, "set data.imageColumn"); // refuses what holds none
        Column images = table.col(Columns.quoted(imageColumn));
        Column label = labels == null
                ? functions.lit(null).cast(DataTypes.StringType)
                : LabelColumns.label(table, labels, path, "data.labelColumn");
        return rows(table, table.metadataColumn("_metadata").getField("row_index"), label, images);
    }

    private static Dataset<Row> rows(Dataset<Row> source, Column row, Column label, Column image) {
        return source.select(
                source.metadataColumn("_metadata").getField("file_path").as("file"),
                row.as("row"),
                label.as("label"),
                image.as(IMAGE));
    }

    /**
     * Spark lists files and reads footers here, and throws whatever goes wrong, declared or not. What a folder is called is text:
     * 001 is no number, and 2024-01-01 no date.
     */
    private static Dataset<Row> load(SparkSession spark, Found found) {
        try {
            DataFrameReader reader = spark.read();
            if (found.chosenInFolder()) {
                reader.option("basePath", found.root().toString()); // folders column=value below it tell a column
            }
            return with(
                    spark,
                    Map.of(
                            TYPES_OF_FOLDERS,
                            "false",
                            LISTED_BY_DRIVER,
                            Integer.toString(Math.max(
                                    FILES_BY_DRIVER,
                                    spark.sessionState().conf().parallelPartitionDiscoveryThreshold())),
                            LISTING_TASKS,
                            Integer.toString(spark.sparkContext().defaultParallelism())),
                    () -> reader.parquet(found.globs().toArray(String[]::new)));
        } catch (Exception e) {
            if (Causes.isLoss(e)) {
                throw Causes.rethrown(e);
            }
            throw new UserError(
                    found.path() + ": cannot be read as Parquet (" + Causes.first(e) + "); write it again", e);
        }
    }

    /** Does something while settings of the source's own session have other values. */
    private static <T> T with(SparkSession spark, Map<String, String> settings, Supplier<T> something) {
        RuntimeConfig conf = spark.conf();
        Map<String, String> before = new HashMap<>();
        settings.forEach((key, value) -> {
            if (conf.getAll().contains(key)) {
                before.put(key, conf.get(key));
            }
            conf.set(key, value);
        });
        try {
            return something.get();
        } finally {
            settings.keySet().forEach(conf::unset);
            before.forEach(conf::set);
        }
    }

    @Override
    public StructType columns() {
        return columns;
    }

    @Override
    public Path root() {
        return found.root();
    }

    @Override
    public List<Named> named(String prefix) {
        Naming naming = naming(prefix);
        List<Named> found =
                Causes.unwrapped(rows.select("file", "row", "label").javaRDD().map(naming::named)::collect);
        parts.clear();
        List<Named> named = new ArrayList<>();
        for (Named row : found) {
            String file = row.name.substring(prefix.length(), row.name.lastIndexOf('#'));
            Integer part = parts.computeIfAbsent(file, first -> parts.size());
            named.add(new Named(row.name, row.label, part, row.place));
        }
        return named;
    }

    /** Each row is read or broken; files that Spark does not read as Parquet are ignored. */
    @Override
    public PassedOver passedOver() {
        Set<Path> read = new HashSet<>();
        for (String file : rows.inputFiles()) {
            read.add(new Path(URI.create(file)));
        }
        PassedOver passed = new PassedOver();
        found.files(file -> read.contains(found.file(file)), passed);
        return passed;
    }

    private Naming naming(String prefix) {
        return new Naming(found.root(), prefix, labels, classes);
    }

    @Override
    public @Nullable LabelForm form() {
        return labels;
    }

    @Override
    public @Nullable List<String> classes() {
        List<String> ofColumns = Source.Stored.super.classes();
        return ofColumns != null || classes == null ? ofColumns : classes.names();
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        if (labels == null) {
            return;
        }
        for (Named image : named) {
            if (image.label == null) {
                throw new UserError(found.path() + ": " + image.name
                        + " has no label; remove the row, or is data.labelColumn right?");
            }
        }
    }

    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels outputs) {
        Naming naming = naming(prefix);
        ImageColumn column = images;
        JavaRDD<Row> scan = inFewTasks(rows);
        List<Ranks> ranks = ranking.of(parts.size());
        Map<String, Ranks> all = new HashMap<>(); // by file
        parts.forEach((file, part) -> all.put(file, ranks.get(part)));
        List<Map<String, Ranks>> ofPartitions = Stream.of(scan.rdd().partitions())
                .map(partition -> of(partition, found.root(), all))
                .toList();
        return Parcels.mapped(scan, ofPartitions, own -> row -> {
                    Named image = naming.named(row);
                    Ranks ofFile = own.get(naming.file(row));
                    if (ofFile == null) {
                        throw Ranks.unlisted(image.name);
                    }
                    Target target = ImageSource.target(outputs, image.label);
                    return new Tuple2<>(
                            ofFile.at(image.place, image.name), column.image(image.name, target, row.get(3)));
                })
                .mapToPair(image -> image);
    }

    /** Returns the path of a file below the root, as images are called by it. */
    private static String name(Path root, Path file) {
        return FolderNote.withoutGeneration(Found.relative(root, file));
    }

    /** Returns the values of the files of a partition; those of all files if it is none of Spark's own, as a native engine has. */
    static <T> Map<String, T> of(Partition partition, Path root, Map<String, T> all) {
        if (!(partition instanceof FilePartition files)) {
            return all;
        }
        Map<String, T> own = new HashMap<>();
        for (PartitionedFile file : files.files()) {
            String name = name(root, file.toPath());
            T value = all.get(name);
            if (value != null) { // else it has no row
                own.put(name, value);
            }
        }
        return own;
    }

    /**
     * Returns the rows in tasks of many files each, a few at a time. Spark counts 4 MB for opening a file, which makes a task of
     * every 31 photos. A value of that which is set by the user stays.
     */
    private JavaRDD<Row> inFewTasks(Dataset<Row> some) {
        Map<String, String> settings = new HashMap<>(Map.of(ImageColumn.ROWS_AT_A_TIME, ImageColumn.AT_A_TIME));
        if (!spark.conf().getAll().contains(OPEN_COST)) {
            settings.put(OPEN_COST, "65536");
        }
        return with(spark, settings, some::javaRDD); // the tasks are laid out here
    }

    @Override
    public long count() {
        return Causes.unwrapped(rows::count); // of the files' footers
    }

    /**
     * Each split of a file is a partition of Spark's scan first; consecutive ones are then read by one task. Of partitions of a native
     * engine it is unknown which splits they are: the rows are sorted.
     */
    @Override
    public JavaRDD<Encoded> inOrder(int partitions, int batch) {
        long bytes = found.files(file -> file.name().endsWith(SUFFIX), new PassedOver()).stream()
                .mapToLong(Found.Entry::size)
                .sum();
        long split = Math.min(LARGEST_SPLIT, Math.max(SMALLEST_SPLIT, bytes / partitions));
        RDD<Row> splits = with(
                spark,
                Map.of(
                        LARGEST_PARTITION,
                        Long.toString(split),
                        OPEN_COST, // above this, so that no two splits share a partition
                        Long.toString(split + 1),
                        ImageColumn.ROWS_AT_A_TIME,
                        ImageColumn.AT_A_TIME),
                () -> rows.javaRDD().rdd());
        Naming naming = naming("");
        ImageColumn column = images;
        return (InFileOrder.canTell(splits)
                        ? new InFileOrder(splits, partitions).toJavaRDD()
                        : Causes.unwrapped(() -> with(
                                spark,
                                Map.of(ImageColumn.ROWS_AT_A_TIME, ImageColumn.AT_A_TIME),
                                () -> sorted(rows, partitions))))
                .map(row -> column.image(naming.named(row).name, Target.NONE, row.get(3)));
    }

    /** Returns rows in the order of their files and their numbers there. */
    static JavaRDD<Row> sorted(Dataset<Row> rows, int partitions) {
        Column[] order = {rows.col("file"), rows.col("row")};
        return rows.repartitionByRange(partitions, order)
                .sortWithinPartitions(order)
                .javaRDD();
    }

    /** Tells names and labels of rows. */
    private static final class Naming implements Serializable {
        private static final long serialVersionUID = 1L;

        private final Path root;
        private final String prefix;
        private final @Nullable LabelForm labels;
        private final @Nullable ClassNames classes;

        Naming(Path root, String prefix, @Nullable LabelForm labels, @Nullable ClassNames classes) {
            this.root = root;
            this.prefix = prefix;
            this.labels = labels;
            this.classes = classes;
        }

        /** Returns the path of a row's file below the root. */
        String file(Row row) {
            return RowSource.name(root, new Path(URI.create(row.getString(0))));
        }

        /** Returns a row by its file's path below the root and its number, as long in all rows to sort well. */
        Named named(Row row) {
            int place = Math.toIntExact(row.getLong(1));
            String name = prefix + file(row) + "#" + String.format(Locale.ROOT, "%09d", place);
            try {
                String label = labels == null ? null : LabelColumns.text(row, 2, labels, classes);
                return new Named(name, label, 0, place);
            } catch (IllegalArgumentException e) {
                throw new UserError(name + ": " + e.getMessage() + "; mend the row, or is data.labelColumn right?", e);
            }
        }
    }
}
