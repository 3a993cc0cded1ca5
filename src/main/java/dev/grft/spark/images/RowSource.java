package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.spark.cluster.Causes;
import java.io.Serializable;
import java.net.URI;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
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
import org.apache.spark.sql.types.DecimalType;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** Images in the rows of Parquet, listed and read by Spark. */
final class RowSource implements Source {
    /** The ending of a file's name. */
    static final String SUFFIX = ".parquet";

    private static final String IMAGE = "image";
    private static final Set<DataType> LABELS = Set.of(
            DataTypes.StringType,
            DataTypes.BooleanType,
            DataTypes.ByteType,
            DataTypes.ShortType,
            DataTypes.IntegerType,
            DataTypes.LongType);
    private static final String OPEN_COST = "spark.sql.files.openCostInBytes";
    private static final String TYPES_OF_FOLDERS = "spark.sql.sources.partitionColumnTypeInference.enabled";

    private final SparkSession spark;
    private final Found found;
    private final Dataset<Row> rows; // file, row, label, image
    private final ImageColumn images;
    private final boolean labeled;
    private final @Nullable ClassNames classes; // of labels that are numbers

    private RowSource(
            SparkSession spark, Found found, Dataset<Row> rows, boolean labeled, @Nullable ClassNames classes) {
        this.spark = spark;
        this.found = found;
        this.rows = rows;
        this.images = ImageColumn.of(rows.schema(), IMAGE, found.path(), "set data.imageColumn");
        this.labeled = labeled;
        this.classes = classes;
    }

    /** Returns the images that were found. */
    static RowSource open(SparkSession spark, Found found, ReadOptions options) {
        Dataset<Row> rows = parquet(spark, found, options.imageColumn(), options.labelColumn());
        ClassNames classes = classes(spark, rows, options);
        return new RowSource(spark, found, rows, options.labeled(), classes);
    }

    /** Returns the names of the classes that the files themselves number; refuses files that cannot be read together. */
    private static @Nullable ClassNames classes(SparkSession spark, Dataset<Row> rows, ReadOptions options) {
        String[] files = rows.inputFiles();
        return files.length == 0
                ? null
                : HuggingFace.classes(
                        JavaSparkContext.fromSparkContext(spark.sparkContext()),
                        spark.sessionState().newHadoopConf(),
                        files,
                        options.imageColumn(),
                        options.labelColumn());
    }

    private static Dataset<Row> parquet(
            SparkSession spark, Found found, String imageColumn, @Nullable String labelColumn) {
        String path = found.path();
        Dataset<Row> table = load(spark, found);
        ImageColumn.of(table.schema(), imageColumn, path, "set data.imageColumn"); // refuses what holds none
        Column images = table.col(ImageColumn.quoted(imageColumn));
        Column label = functions.lit(null);
        if (labelColumn != null) {
            DataType labels = ImageColumn.type(table.schema(), labelColumn, path, "set data.labelColumn");
            boolean whole = labels instanceof DecimalType decimal && decimal.scale() == 0; // as unsigned longs are read
            if (!whole && !LABELS.contains(labels)) {
                throw new UserError(path + ": column " + labelColumn + " is " + labels.simpleString()
                        + ", needs string, boolean or an integer; is data.labelColumn right?");
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

    /**
     * Spark lists files and reads footers here, and throws whatever goes wrong, declared or not. What a folder is called is text:
     * 001 is no number, and 2024-01-01 no date.
     */
    private static Dataset<Row> load(SparkSession spark, Found found) {
        try {
            return with(spark, TYPES_OF_FOLDERS, "false", () -> spark.read().parquet(found.glob()));
        } catch (Exception e) {
            throw new UserError(found.path() + ": cannot be read as Parquet (" + Causes.first(e) + ")", e);
        }
    }

    /** Does something while a setting of the session has another value. */
    private static <T> T with(SparkSession spark, String key, String value, Supplier<T> something) {
        RuntimeConfig conf = spark.conf();
        String before = conf.getAll().contains(key) ? conf.get(key) : null;
        conf.set(key, value);
        try {
            return something.get();
        } finally {
            if (before == null) {
                conf.unset(key);
            } else {
                conf.set(key, before);
            }
        }
    }

    @Override
    public Path root() {
        return found.root();
    }

    @Override
    public List<Named> named(String prefix) {
        Naming naming = naming(prefix);
        return Causes.unwrapped(rows.select("file", "row", "label").javaRDD().map(naming::named)::collect);
    }

    /** Each row is read or broken; files that Spark does not read as Parquet are passed over. */
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
        return new Naming(found.root(), prefix, classes);
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
        for (Named image : named) {
            if (image.label == null) {
                throw new UserError(found.path() + ": " + image.name
                        + " has no label; remove the row, or is data.labelColumn right?");
            }
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
        return spark.conf().getAll().contains(OPEN_COST)
                ? some.javaRDD()
                : with(spark, OPEN_COST, "65536", some::javaRDD); // the tasks are laid out here
    }

    /** Tells names and labels of rows. */
    private static final class Naming implements Serializable {
        private static final long serialVersionUID = 1L;

        private final Path root;
        private final String prefix;
        private final @Nullable ClassNames classes;

        Naming(Path root, String prefix, @Nullable ClassNames classes) {
            this.root = root;
            this.prefix = prefix;
            this.classes = classes;
        }

        /** Returns a row by its file's path below the root and its number, as long in all rows to sort well. */
        Named named(Row row) {
            String file = Found.relative(root, new Path(URI.create(row.getString(0))));
            String name = prefix + file + "#" + String.format(Locale.ROOT, "%09d", row.getLong(1));
            String label = row.isNullAt(2) || row.getString(2).isBlank() ? null : row.getString(2);
            try {
                return new Named(name, classes == null ? label : classes.of(label));
            } catch (IllegalArgumentException e) {
                throw new UserError(name + ": has the label of " + e.getMessage() + "; is the file damaged?", e);
            }
        }
    }
}
