package dev.grft.spark;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.Labels;
import dev.grft.spark.ImageSource.Form;
import dev.grft.spark.ImageSource.Format;
import dev.grft.spark.ImageSource.Named;
import java.io.IOException;
import java.io.Serializable;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
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
    private static final String ANY_IMAGE = "*.{[jJ][pP][gG],[jJ][pP][eE][gG],[pP][nN][gG]}";
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

    private RowSource(SparkSession spark, String path, Path root, Dataset<Row> rows, boolean files, boolean labeled) {
        this.spark = spark;
        this.path = path;
        this.root = root;
        this.rows = rows;
        this.images = ImageColumn.of(rows.schema(), IMAGE, path, "set data.imageColumn");
        this.files = files;
        this.labeled = labeled;
    }

    /**
     * Returns the images at a path.
     *
     * @param labeled whether they get their classes
     */
    static RowSource open(SparkSession spark, String path, Form form, boolean labeled) {
        FileStatus[] found;
        Path root;
        boolean parquet;
        try {
            Path given = new Path(path);
            FileSystem files = given.getFileSystem(spark.sessionState().newHadoopConf());
            root = files.makeQualified(given);
            found = files.globStatus(root);
            if (found == null || found.length == 0) {
                throw new UserError(path + ": there is no such file or folder (looked for " + root + ")");
            }
            parquet = form.format() == Format.PARQUET
                    || (form.format() == Format.AUTO && looksLikeParquet(files, found[0]));
            boolean pattern = isPattern(root);
            if (pattern && !parquet && labeled) {
                throw new UserError(path + ": a pattern cannot name folders of classes; give the folder that has them");
            }
            while (isPattern(root) || (!pattern && found[0].isFile() && root.equals(found[0].getPath()))) {
                root = root.getParent();
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be read (" + e.getMessage() + ")", e);
        }
        Dataset<Row> rows = parquet
                ? parquet(spark, path, form.imageColumn(), labeled ? form.labelColumn() : null)
                : folder(spark, path);
        return new RowSource(spark, path, root, rows, !parquet, labeled);
    }

    private static boolean isPattern(Path path) {
        return path.toUri().getPath().matches(".*[*?\\[{].*");
    }

    private static boolean looksLikeParquet(FileSystem files, FileStatus found) throws IOException {
        if (found.isFile()) {
            return isParquet(found);
        }
        return Arrays.stream(files.listStatus(found.getPath()))
                .anyMatch(child -> child.isFile()
                        ? isParquet(child)
                        : child.getPath().getName().contains("="));
    }

    private static boolean isParquet(FileStatus file) {
        String name = file.getPath().getName();
        return name.toLowerCase(Locale.ROOT).endsWith(".parquet") && !name.startsWith(".") && !name.startsWith("_");
    }

    private static Dataset<Row> folder(SparkSession spark, String path) {
        Dataset<Row> files = load(
                path,
                "a folder of images",
                () -> spark.read()
                        .format("binaryFile")
                        .option("recursiveFileLookup", "true")
                        .option("pathGlobFilter", ANY_IMAGE)
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
        return new Naming(root, prefix, files, labeled);
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
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Broadcast<String[]> names, Labels labels) {
        Naming naming = naming(prefix);
        ImageColumn column = images;
        return inFewTasks(rows).mapToPair(row -> {
            Named image = naming.named(row);
            int label = image.label == null ? Example.UNLABELED : labels.index(image.label);
            return new Tuple2<>(
                    ImageSource.rank(names.value(), image.name), column.image(image.name, label, row.get(3)));
        });
    }

    /**
     * Returns the rows in tasks of many files each. Spark counts 4 MB for opening a file, which makes a task of every
     * 31 photos; whoever set another value keeps it.
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

        private final String root; // ends with a slash
        private final String prefix;
        private final boolean files;
        private final boolean labeled;

        Naming(Path root, String prefix, boolean files, boolean labeled) {
            String path = root.toUri().getPath();
            this.root = path.endsWith("/") ? path : path + "/";
            this.prefix = prefix;
            this.files = files;
            this.labeled = labeled;
        }

        /** Returns a file by its path below the root, which begins with its class if there are folders of classes. */
        Named named(String file) {
            String path = new Path(URI.create(file)).toUri().getPath();
            String name = path.startsWith(root) ? path.substring(root.length()) : path;
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
            return new Named(name, row.isNullAt(2) ? null : row.getString(2), false);
        }
    }
}
