package dev.grft.spark;

import dev.grft.UserError;
import dev.grft.data.BrokenImage;
import dev.grft.data.BrokenImages;
import dev.grft.data.Example;
import dev.grft.data.ImageDecoder;
import dev.grft.data.Labels;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import java.io.IOException;
import java.io.Serializable;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.Partitioner;
import org.apache.spark.SparkContext;
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
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.StorageLevel;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * Reads images from any file system that Spark reaches, in two passes. The first takes the names and labels to the
 * driver and ranks them (about 300 bytes an image there, half of which each executor gets, too); the second takes the
 * encoded images to their shards, in one shuffle, and decodes them there, once.
 *
 * <p>A folder has a folder for each class, with images (.jpg, .jpeg, .png) at any depth; an image's name is its path
 * below the folder. Parquet has an image in each row: bytes, or a struct with a field {@code bytes} as Hugging Face
 * writes; the name is the file's path, # and the row's number in the file. Files and folders whose names begin with .
 * or _ are not read.
 */
public final class ImageSource {
    /** How the images are stored. */
    public enum Format {
        /**
         * Parquet if the path is, or directly contains, a .parquet file or a folder {@code column=value}; else a
         * folder.
         */
        AUTO,
        /** A file for each image. */
        FOLDER,
        /** A row for each image. */
        PARQUET
    }

    private static final byte[] NO_BYTES = {};
    private static final String ANY_IMAGE = "*.{[jJ][pP][gG],[jJ][pP][eE][gG],[pP][nN][gG]}";
    private static final Set<String> SPLITS =
            Set.of("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval");
    private static final Set<DataType> LABELS = Set.of(
            DataTypes.StringType, DataTypes.ByteType, DataTypes.ShortType, DataTypes.IntegerType, DataTypes.LongType);
    private static final String OPEN_COST = "spark.sql.files.openCostInBytes";

    private final SparkSession spark;
    private final String path;
    private final Path root;
    private final Dataset<Row> rows; // file, row, label, content
    private final boolean files; // an image in each, not Parquet
    private final boolean classFolders;

    private ImageSource(
            SparkSession spark, String path, Path root, Dataset<Row> rows, boolean files, boolean classFolders) {
        this.spark = spark;
        this.path = path;
        this.root = root;
        this.rows = rows;
        this.files = files;
        this.classFolders = classFolders;
    }

    /**
     * Returns the labeled images at a path.
     *
     * @param path a folder; for Parquet also a file or a pattern such as {@code data/train-*.parquet}
     * @param imageColumn of Parquet: the images
     * @param labelColumn of Parquet: the classes, strings or integers; an integer is a class named by its digits
     * @param known the classes of a trained head, none other may come; null for those that are found, two or more
     * @param preprocess how the images are prepared
     * @param maxBroken the share of images that may be broken, in [0, 1]
     * @param shards how many partitions the examples get, 1 or more
     * @throws UserError if there is nothing at the path, or something else than expected, or too much of it is broken
     */
    public static Images read(
            SparkSession spark,
            String path,
            Format format,
            String imageColumn,
            String labelColumn,
            @Nullable Labels known,
            Preprocess preprocess,
            double maxBroken,
            int shards) {
        return open(spark, path, format, imageColumn, labelColumn).images(known, preprocess, maxBroken, shards);
    }

    /**
     * Returns the images at a path without labels ({@link Example#UNLABELED}), in folders at any depth, or a single
     * one; otherwise as {@link #read}.
     */
    public static Images unlabeled(
            SparkSession spark,
            String path,
            Format format,
            String imageColumn,
            Preprocess preprocess,
            double maxBroken,
            int shards) {
        return open(spark, path, format, imageColumn, null).images(Labels.none(), preprocess, maxBroken, shards);
    }

    private static ImageSource open(
            SparkSession spark, String path, Format format, String imageColumn, @Nullable String labelColumn) {
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
            parquet = format == Format.PARQUET || (format == Format.AUTO && looksLikeParquet(files, found[0]));
            boolean pattern = isPattern(root);
            if (pattern && !parquet && labelColumn != null) {
                throw new UserError(path + ": a pattern cannot name folders of classes; give the folder that has them");
            }
            while (isPattern(root) || (!pattern && found[0].isFile() && root.equals(found[0].getPath()))) {
                root = root.getParent();
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be read (" + e.getMessage() + ")", e);
        }
        Dataset<Row> rows = parquet ? parquet(spark, path, imageColumn, labelColumn) : folder(spark, path);
        return new ImageSource(spark, path, root, rows, !parquet, !parquet && labelColumn != null);
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
        DataType images = type(table, path, imageColumn, "data.imageColumn");
        Column content = table.col(quoted(imageColumn));
        if (images instanceof StructType struct && bytes(struct)) {
            content = content.getField("bytes");
        } else if (!images.equals(DataTypes.BinaryType)) {
            throw new UserError(path + ": column " + imageColumn + " is " + images.simpleString()
                    + ", needs binary or a struct with a binary field bytes; is data.imageColumn right?");
        }
        Column label = functions.lit(null);
        if (labelColumn != null) {
            DataType labels = type(table, path, labelColumn, "data.labelColumn");
            if (!LABELS.contains(labels)) {
                throw new UserError(path + ": column " + labelColumn + " is " + labels.simpleString()
                        + ", needs string or an integer; is data.labelColumn right?");
            }
            label = table.col(quoted(labelColumn));
        }
        return rows(table, table.metadataColumn("_metadata").getField("row_index"), label, content);
    }

    private static String quoted(String column) {
        return "`" + column.replace("`", "``") + "`";
    }

    private static DataType type(Dataset<Row> table, String path, String column, String key) {
        for (StructField field : table.schema().fields()) {
            if (field.name().equals(column)) {
                return field.dataType();
            }
        }
        throw new UserError(path + ": there is no column " + column + ", only " + String.join(", ", table.columns())
                + "; set " + key);
    }

    private static boolean bytes(StructType struct) {
        return Arrays.stream(struct.fields())
                .anyMatch(field ->
                        field.name().equals("bytes") && field.dataType().equals(DataTypes.BinaryType));
    }

    private static Dataset<Row> rows(Dataset<Row> source, Column row, Column label, Column content) {
        return source.select(
                source.metadataColumn("_metadata").getField("file_path").as("file"),
                row.as("row"),
                label.cast(DataTypes.StringType).as("label"),
                content.as("content"));
    }

    /** Spark lists files and reads footers here, and throws whatever goes wrong, declared or not. */
    private static Dataset<Row> load(String path, String kind, Supplier<Dataset<Row>> loading) {
        try {
            return loading.get();
        } catch (Exception e) {
            throw new UserError(path + ": cannot be read as " + kind + " (" + e.getMessage() + ")", e);
        }
    }

    private Images images(@Nullable Labels known, Preprocess preprocess, double maxBroken, int shards) {
        if (shards < 1) {
            throw new IllegalArgumentException("needs 1 shard or more, got " + shards);
        }
        Naming naming = new Naming(root, classFolders);
        List<Named> named = described("Listing the images of " + path, () -> named(naming));
        Labels labels = known == null || known.size() > 0 ? labels(named, known) : known;
        return described(
                "Decoding the " + named.size() + " images of " + path + " into " + shards + " shards",
                () -> decoded(named, naming, labels, preprocess, maxBroken, shards));
    }

    /** Names and labels of all images, by name. Files are listed, not read: Spark passes over empty ones. */
    private List<Named> named(Naming naming) {
        List<Named> named = files
                ? Arrays.stream(rows.inputFiles()).map(naming::named).collect(Collectors.toList())
                : new ArrayList<>(rows.select("file", "row", "label")
                        .javaRDD()
                        .map(naming::named)
                        .collect());
        if (named.isEmpty()) {
            throw new UserError(path + ": there are no images, neither .jpg, .jpeg and .png files nor rows of Parquet");
        }
        named.sort(Comparator.comparing((Named image) -> image.name));
        return named;
    }

    private Labels labels(List<Named> named, @Nullable Labels known) {
        Set<String> names = new TreeSet<>();
        for (Named image : named) {
            if (image.label == null) {
                throw new UserError(
                        classFolders
                                ? path + ": " + image.name + " lies in no folder of a class; move it into one,"
                                        + " or give the folder that has the folders of the classes"
                                : path + ": " + image.name + " has no label; remove the row, or is data.labelColumn"
                                        + " right?");
            }
            names.add(image.label);
        }
        if (classFolders && known == null && SPLITS.containsAll(names)) {
            throw new UserError(path + ": the folders " + String.join(", ", names) + " look like splits of a set,"
                    + " not like its classes; give one of them");
        }
        try {
            if (known != null) {
                names.forEach(known::index);
                return known;
            }
            return Labels.of(names);
        } catch (UserError e) {
            throw new UserError(path + ": " + e.getMessage(), e);
        }
    }

    private Images decoded(
            List<Named> named, Naming naming, Labels labels, Preprocess preprocess, double maxBroken, int shards) {
        Broadcast<String[]> names = JavaSparkContext.fromSparkContext(spark.sparkContext())
                .broadcast(named.stream().map(image -> image.name).toArray(String[]::new));
        JavaRDD<Decoded> decoded = inFewTasks(rows)
                .mapToPair(row -> {
                    Named image = naming.named(row);
                    int label = image.label == null ? Example.UNLABELED : labels.index(image.label);
                    byte[] content = row.isNullAt(3) ? NO_BYTES : row.<byte[]>getAs(3);
                    return new Tuple2<>(rank(names.value(), image.name), new Encoded(image.name, label, content));
                })
                .repartitionAndSortWithinPartitions(new ByShard(shards))
                .map(image -> image._2().decoded(image._1(), preprocess))
                .persist(StorageLevel.MEMORY_AND_DISK());
        Runnable release = () -> {
            decoded.unpersist(false);
            names.unpersist(false);
        };
        try {
            Decoded[] results = results(decoded, named.size());
            BrokenImages broken = broken(named, results);
            long count = broken.total() - broken.count();
            broken.check(maxBroken, path);
            if (count == 0) {
                throw new UserError(path + ": " + broken + "; there must be one to read");
            }
            JavaRDD<Example> examples =
                    decoded.filter(image -> image.example != null).map(Decoded::example);
            return new Images(examples, labels, count, broken, digest(named, results), release);
        } catch (RuntimeException e) {
            release.run();
            throw e;
        }
    }

    private static long rank(String[] names, String name) {
        int rank = Arrays.binarySearch(names, name);
        if (rank < 0) {
            throw new UserError(name + " was not there when the images were listed; read a set that does not change");
        }
        return rank;
    }

    /** Decodes, and returns what came of each image, by id, without the examples. */
    private Decoded[] results(JavaRDD<Decoded> decoded, int total) {
        Decoded[] results = new Decoded[total];
        for (Decoded image : decoded.map(Decoded::withoutExample).collect()) {
            results[(int) image.id] = image;
        }
        for (int id = 0; id < total; id++) {
            if (results[id] == null && !files) {
                throw new UserError(path + ": listed " + total + " images but could not read all of them; read a set"
                        + " that does not change");
            } else if (results[id] == null) {
                results[id] = new Decoded(id, Inputs.sha256().digest(), null, "empty");
            }
        }
        return results;
    }

    private static BrokenImages broken(List<Named> named, Decoded[] results) {
        List<BrokenImages.Broken> broken = new ArrayList<>();
        for (int id = 0; id < results.length; id++) {
            String reason = results[id].reason;
            if (reason != null) {
                broken.add(new BrokenImages.Broken(named.get(id).name, reason));
            }
        }
        return new BrokenImages(broken, results.length);
    }

    private static String digest(List<Named> named, Decoded[] results) {
        MessageDigest digest = Inputs.sha256();
        for (int id = 0; id < results.length; id++) {
            Named image = named.get(id);
            String line = image.name
                    + '\t'
                    + (image.label == null ? "" : image.label)
                    + '\t'
                    + HexFormat.of().formatHex(results[id].sha256)
                    + '\n';
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest());
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

    /** Shows a sentence in Spark's pages while something runs. */
    private <T> T described(String sentence, Supplier<T> job) {
        SparkContext context = spark.sparkContext();
        String before = context.getLocalProperty("spark.job.description");
        context.setJobDescription(sentence);
        try {
            return job.get();
        } finally {
            context.setJobDescription(before);
        }
    }

    // What travels between machines is of classes, not records: Kryo cannot write records.

    /** Tells names and labels of rows. */
    private static final class Naming implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String prefix;
        private final boolean classFolders;

        Naming(Path root, boolean classFolders) {
            String path = root.toUri().getPath();
            this.prefix = path.endsWith("/") ? path : path + "/";
            this.classFolders = classFolders;
        }

        /** Returns a file by its path below the root, which begins with its class if there are folders of classes. */
        Named named(String file) {
            String path = new Path(URI.create(file)).toUri().getPath();
            String name = path.startsWith(prefix) ? path.substring(prefix.length()) : path;
            int end = name.indexOf('/');
            return new Named(name, classFolders && end >= 0 ? name.substring(0, end) : null);
        }

        /** Returns a row; of Parquet with its number, as long in all rows to sort well. */
        Named named(Row row) {
            Named file = named(row.getString(0));
            long number = row.getLong(1);
            if (number < 0) {
                return file;
            }
            String name = file.name + "#" + String.format(Locale.ROOT, "%09d", number);
            return new Named(name, row.isNullAt(2) ? null : row.getString(2));
        }
    }

    private static final class Named implements Serializable {
        private static final long serialVersionUID = 1L;

        final String name;
        final @Nullable String label;

        Named(String name, @Nullable String label) {
            this.name = name;
            this.label = label;
        }
    }

    private static final class Encoded implements Serializable {
        private static final long serialVersionUID = 1L;

        final String name;
        final int label;
        final byte[] content;

        Encoded(String name, int label, byte[] content) {
            this.name = name;
            this.label = label;
            this.content = content;
        }

        Decoded decoded(long id, Preprocess preprocess) {
            byte[] digest = Inputs.sha256().digest(content);
            try {
                Pixels pixels = preprocess.prepare(new ImageDecoder().decode(content, name));
                return new Decoded(id, digest, new Example(id, label, name, pixels), null);
            } catch (BrokenImage e) {
                return new Decoded(id, digest, null, e.reason());
            }
        }
    }

    /** An example, or the reason why there is none. */
    private static final class Decoded implements Serializable {
        private static final long serialVersionUID = 1L;

        final long id;
        final byte[] sha256;
        final @Nullable Example example;
        final @Nullable String reason;

        Decoded(long id, byte[] sha256, @Nullable Example example, @Nullable String reason) {
            this.id = id;
            this.sha256 = sha256;
            this.example = example;
            this.reason = reason;
        }

        Example example() {
            if (example == null) {
                throw new IllegalStateException("image " + id + " is broken: " + reason);
            }
            return example;
        }

        Decoded withoutExample() {
            return new Decoded(id, sha256, null, reason);
        }
    }

    private static final class ByShard extends Partitioner {
        private static final long serialVersionUID = 1L;

        private final int shards;

        ByShard(int shards) {
            this.shards = shards;
        }

        @Override
        public int numPartitions() {
            return shards;
        }

        @Override
        public int getPartition(Object id) {
            return (int) ((Long) id % shards);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof ByShard partitioner && shards == partitioner.shards;
        }

        @Override
        public int hashCode() {
            return shards;
        }
    }
}
