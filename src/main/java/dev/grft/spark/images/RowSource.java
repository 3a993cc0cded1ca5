package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Labels;
import java.io.Serializable;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RuntimeConfig;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** Images of a folder or of Parquet, listed and read by Spark. */
final class RowSource implements Source {
    private static final String IMAGE = "image";
    private static final Set<String> SPLITS =
            Set.of("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval");
    private static final Set<DataType> LABELS = Set.of(
            DataTypes.StringType, DataTypes.ByteType, DataTypes.ShortType, DataTypes.IntegerType, DataTypes.LongType);
    private static final String OPEN_COST = "spark.sql.files.openCostInBytes";

    private final SparkSession spark;
    private final String path;
    private final Path root;
    private final Dataset<Row> rows; // file, row, label, image
    private final ImageColumn images;
    private final boolean files; // an image in each, not Parquet
    private final boolean labeled;
    private final @Nullable ClassNames classes; // of labels that are numbers

    private RowSource(
            SparkSession spark,
            String path,
            Path root,
            Dataset<Row> rows,
            boolean files,
            boolean labeled,
            @Nullable ClassNames classes) {
        this.spark = spark;
        this.path = path;
        this.root = root;
        this.rows = rows;
        this.images = ImageColumn.of(rows.schema(), IMAGE, path, "set data.imageColumn");
        this.files = files;
        this.labeled = labeled;
        this.classes = classes;
    }

    /** Returns the images that were found. */
    static RowSource open(SparkSession spark, Found found, ReadOptions options) {
        String path = found.path();
        boolean parquet = options.format() == ImageFormat.PARQUET
                || (options.format() == ImageFormat.AUTO
                        && (found.isPartitioned() || !found.ending(".parquet").isEmpty()));
        if (found.pattern() && !parquet && options.labeled()) {
            throw new UserError(path + ": a pattern cannot name folders of classes; give the folder that has them");
        }
        Dataset<Row> rows =
                parquet ? parquet(spark, path, options.imageColumn(), options.labelColumn()) : folder(spark, path);
        ClassNames classes = parquet ? classes(spark, rows, options.labelColumn()) : null;
        return new RowSource(spark, path, found.root(), rows, !parquet, options.labeled(), classes);
    }

    /** Returns the names of the classes that the files themselves number. */
    private static @Nullable ClassNames classes(SparkSession spark, Dataset<Row> rows, @Nullable String labelColumn) {
        String[] files = rows.inputFiles();
        return labelColumn == null || files.length == 0
                ? null
                : HuggingFace.classes(
                        JavaSparkContext.fromSparkContext(spark.sparkContext()),
                        spark.sessionState().newHadoopConf(),
                        files,
                        labelColumn);
    }

    private static Dataset<Row> folder(SparkSession spark, String path) {
        Dataset<Row> files = load(
                path,
                "a folder of images",
                () -> spark.read()
                        .format("binaryFile")
                        .option("recursiveFileLookup", "true")
                        .option("pathGlobFilter", ImageEndings.glob())
                        .load(path));
        return rows(files, functions.lit(-1L), functions.lit(null), functions.col("content"));
    }

    private static Dataset<Row> parquet(
            SparkSession spark, String path, String imageColumn, @Nullable String labelColumn) {
        Dataset<Row> table = load(path, "Parquet", () -> spark.read().parquet(path));
        ImageColumn.of(table.schema(), imageColumn, path, "set data.imageColumn"); // refuses what holds none
        Column images = table.col(ImageColumn.quoted(imageColumn));
        Column label = functions.lit(null);
        if (labelColumn != null) {
            DataType labels = ImageColumn.type(table.schema(), labelColumn, path, "set data.labelColumn");
            if (!LABELS.contains(labels)) {
                throw new UserError(path + ": column " + labelColumn + " is " + labels.simpleString()
                        + ", needs string or an integer; is data.labelColumn right?");
            }
            label = table.col(ImageColumn.quoted(labelColumn));
        }
        return rows(table, table.metadataColumn("_metadata").getField("row_index"), label, images);
    }

    private static Dataset<Row> rows(Dataset<Row> source, Column row, Column label, Column image) {
        return source.select(
                source.metadataColumn("_metadata").getField("file_path").as("file"),
                row.as("row"),
                label.cast(DataTypes.StringType).as("label"),
                image.as(IMAGE));
    }

    /** Spark lists files and reads footers here, and throws whatever goes wrong, declared or not. */
    private static Dataset<Row> load(String path, String kind, Supplier<Dataset<Row>> loading) {
        try {
            return loading.get();
        } catch (Exception e) {
            throw new UserError(path + ": cannot be read as " + kind + " (" + e.getMessage() + ")", e);
        }
    }

    @Override
    public Path root() {
        return root;
    }

    /** Of files the names are listed only, not read: Spark passes over empty ones. */
    @Override
    public List<Named> named(String prefix) {
        Naming naming = naming(prefix);
        return files
                ? Arrays.stream(rows.inputFiles()).map(naming::named).toList()
                : rows.select("file", "row", "label")
                        .javaRDD()
                        .map(naming::named)
                        .collect();
    }

    private Naming naming(String prefix) {
        return new Naming(root, prefix, files, labeled, classes);
    }

    @Override
    public @Nullable List<String> classes() {
        return classes == null ? null : classes.names();
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        if (!labeled) {
            return;
        }
        Set<String> labels = new TreeSet<>();
        for (Named image : named) {
            if (image.label == null) {
                throw new UserError(
                        files
                                ? path + ": " + image.name + " lies in no folder of a class; move it into one,"
                                        + " or give the folder that has the folders of the classes"
                                : path + ": " + image.name + " has no label; remove the row, or is data.labelColumn"
                                        + " right?");
            }
            labels.add(image.label);
        }
        if (files && !known && !labels.isEmpty() && SPLITS.containsAll(labels)) {
            throw new UserError(path + ": the folders " + String.join(", ", labels) + " look like splits of a set,"
                    + " not like its classes; give one of them");
        }
    }

    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Broadcast<String[]> names, @Nullable Labels labels) {
        Naming naming = naming(prefix);
        ImageColumn column = images;
        return inFewTasks(rows).mapToPair(row -> {
            Named image = naming.named(row);
            int label = ImageSource.index(labels, image.label);
            return new Tuple2<>(
                    ImageSource.rank(names.value(), image.name), column.image(image.name, label, row.get(3)));
        });
    }

    /**
     * Returns the rows in tasks of many files each. Spark counts 4 MB for opening a file, which makes a task of every
     * 31 photos. A value set by the user stays.
     */
    private JavaRDD<Row> inFewTasks(Dataset<Row> some) {
        RuntimeConfig conf = spark.conf();
        if (conf.getAll().contains(OPEN_COST)) {
            return some.javaRDD();
        }
        conf.set(OPEN_COST, "65536");
        try {
            return some.javaRDD(); // the tasks are laid out here
        } finally {
            conf.unset(OPEN_COST);
        }
    }

    /** Tells names and labels of rows. */
    private static final class Naming implements Serializable {
        private static final long serialVersionUID = 1L;

        private final Path root;
        private final String prefix;
        private final boolean files;
        private final boolean labeled;
        private final @Nullable ClassNames classes;

        Naming(Path root, String prefix, boolean files, boolean labeled, @Nullable ClassNames classes) {
            this.root = root;
            this.prefix = prefix;
            this.files = files;
            this.labeled = labeled;
            this.classes = classes;
        }

        /** Returns a file by its path below the root, which begins with its class if there are folders of classes. */
        Named named(String file) {
            String name = Found.relative(root, new Path(URI.create(file)));
            int end = name.indexOf('/');
            boolean inFolder = files && labeled && end >= 0;
            return new Named(prefix + name, inFolder ? name.substring(0, end) : null, files);
        }

        /** Returns a row; of Parquet with its number, as long in all rows to sort well. */
        Named named(Row row) {
            Named file = named(row.getString(0));
            long number = row.getLong(1);
            if (number < 0) {
                return file;
            }
            String name = file.name + "#" + String.format(Locale.ROOT, "%09d", number);
            String label = row.isNullAt(2) ? null : row.getString(2);
            try {
                return new Named(name, classes == null ? label : classes.of(label), false);
            } catch (IllegalArgumentException e) {
                throw new UserError(name + ": has the label of " + e.getMessage() + "; is the file damaged?", e);
            }
        }
    }
}
