package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.ClassNames;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Causes;
import java.io.Serializable;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;
import org.apache.spark.Dependency;
import org.apache.spark.NarrowDependency;
import org.apache.spark.Partition;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RuntimeConfig;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.datasources.FilePartition;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;
import scala.collection.JavaConverters;
import scala.runtime.BoxedUnit;

/** Images in the rows of Parquet, listed and read by Spark. */
final class RowSource implements Source.Stored {
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
    private static final String LARGEST_PARTITION = "spark.sql.files.maxPartitionBytes";
    private static final long SMALLEST_SPLIT = 1 << 20;
    private static final long LARGEST_SPLIT = 128 << 20;

    /** Rows that Spark decodes at a time: 4,096 photos, as by default, would be gigabytes. */
    private static final int AT_A_TIME = 32;

    private static final String ROWS_AT_A_TIME = "spark.sql.parquet.columnarReaderBatchSize";
    private static final String TYPES_OF_FOLDERS = "spark.sql.sources.partitionColumnTypeInference.enabled";

    private final SparkSession spark;
    private final Found found;
    private final Dataset<Row> rows; // file, row, label, image
    private final ImageColumn images;
    private final @Nullable LabelForm labels;
    private final @Nullable ClassNames classes; // of labels that are numbers

    private RowSource(
            SparkSession spark,
            Found found,
            Dataset<Row> rows,
            @Nullable LabelForm labels,
            @Nullable ClassNames classes) {
        this.spark = spark;
        this.found = found;
        this.rows = rows;
        this.images = ImageColumn.of(rows.schema(), IMAGE, found.path(), "set data.imageColumn");
        this.labels = labels;
        this.classes = classes;
    }

    /** Returns the images that were found. */
    static RowSource open(SparkSession caller, Found found, ReadOptions options) {
        SparkSession spark = like(caller);
        LabelForm labels = options.labels();
        Dataset<Row> rows = parquet(spark, found, options.imageColumn(), labels);
        ClassNames classes = classes(spark, rows, options.imageColumn(), labels);
        return new RowSource(spark, found, rows, labels, classes);
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
            SparkSession spark, Found found, String imageColumn, @Nullable LabelForm labels) {
        String path = found.path();
        Dataset<Row> table = load(spark, found);
        ImageColumn.of(table.schema(), imageColumn, path, "set data.imageColumn"); // refuses what holds none
        Column images = table.col(ImageColumn.quoted(imageColumn));
        Column label = labels == null
                ? functions.lit(null).cast(DataTypes.StringType)
                : label(table, labels, path, "data.labelColumn");
        return rows(table, table.metadataColumn("_metadata").getField("row_index"), label, images);
    }

    /**
     * Returns the labels of a table: text, or an array of texts, of which {@link #text} makes text.
     *
     * @param key of the settings that names the columns, for messages
     */
    static Column label(Dataset<?> table, LabelForm labels, String path, String key) {
        checkLabels(table.schema(), labels, path, key);
        List<Column> columns = new ArrayList<>();
        for (String name : labels.columns()) {
            Column column = table.col(ImageColumn.quoted(name));
            boolean list = isList(table.schema().apply(name).dataType(), labels);
            columns.add(column.cast(list ? DataTypes.createArrayType(DataTypes.StringType) : DataTypes.StringType));
        }
        return labels.byColumn() ? functions.array(columns.toArray(Column[]::new)) : columns.get(0);
    }

    private static boolean isList(DataType type, LabelForm labels) {
        return labels.task() == Task.MULTI_LABEL && type instanceof ArrayType array && isClass(array.elementType());
    }

    /** Refuses columns of another type than the labels have. */
    static void checkLabels(StructType schema, LabelForm labels, String path, String key) {
        for (String name : labels.columns()) {
            DataType type = ImageColumn.type(schema, name, path, "set " + key);
            boolean fits = labels.byColumn()
                    ? type instanceof NumericType || type.equals(DataTypes.BooleanType)
                    : labels.task() == Task.SINGLE_LABEL
                            ? isClass(type)
                            : isList(type, labels) || type.equals(DataTypes.StringType);
            if (!fits) {
                throw new UserError(path + ": column " + name + " is " + type.simpleString() + ", needs "
                        + switch (labels.task()) {
                            case SINGLE_LABEL -> "string, boolean or an integer";
                            case MULTI_LABEL ->
                                labels.byColumn()
                                        ? "0 and 1 or a boolean"
                                        : "an array of strings or integers, or string with " + LabelForm.BAR
                                                + " between classes";
                            case REGRESSION -> "a number";
                        }
                        + "; is " + key + " right?");
            }
        }
    }

    private static boolean isClass(DataType type) {
        boolean whole = type instanceof DecimalType decimal && decimal.scale() == 0; // as unsigned longs are read
        return whole || LABELS.contains(type);
    }

    /**
     * Returns the label of a cell of {@link #label}; null if there is none.
     *
     * @param classes by number; null if the cell names them
     * @throws IllegalArgumentException if it does not fit; the message goes on from the image's name
     */
    static @Nullable String text(Row row, int cell, LabelForm labels, @Nullable ClassNames classes) {
        Object value = row.get(cell);
        if (value == null
                || (labels.task() == Task.SINGLE_LABEL && row.getString(cell).isBlank())) {
            return null;
        }
        if (value instanceof String text) {
            return classes == null || labels.task() != Task.SINGLE_LABEL ? labels.ofText(text) : number(classes, text);
        }
        List<@Nullable String> texts = new ArrayList<>(row.getList(cell));
        if (labels.byColumn()) {
            return labels.ofCells(texts);
        }
        texts.replaceAll(name -> classes == null || name == null ? name : number(classes, name));
        return labels.ofClasses(texts);
    }

    private static @Nullable String number(ClassNames classes, String number) {
        try {
            return classes.of(number);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("has the label of " + e.getMessage(), e);
        }
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
            return with(
                    spark, Map.of(TYPES_OF_FOLDERS, "false"), () -> spark.read().parquet(found.glob()));
        } catch (Exception e) {
            throw new UserError(found.path() + ": cannot be read as Parquet (" + Causes.first(e) + ")", e);
        }
    }

    /** Returns a session with the settings of another, so that changes of its own reach no query of others. */
    private static SparkSession like(SparkSession caller) {
        SparkSession own = caller.newSession();
        caller.conf().getAll().foreach(entry -> {
            if (!entry._2().equals(own.conf().get(entry._1(), null))) {
                try {
                    own.conf().set(entry._1(), entry._2());
                } catch (Exception e) { // AnalysisException, not declared
                    // It concerns the whole application: no session can change it.
                }
            }
            return BoxedUnit.UNIT;
        });
        return own;
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
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Broadcast<String[]> names, @Nullable Labels outputs) {
        Naming naming = naming(prefix);
        ImageColumn column = images;
        return inFewTasks(rows).mapToPair(row -> {
            Named image = naming.named(row);
            Target target = ImageSource.target(outputs, image.label);
            return new Tuple2<>(
                    ImageSource.rank(names.value(), image.name), column.image(image.name, target, row.get(3)));
        });
    }

    /**
     * Returns the rows in tasks of many files each. Spark counts 4 MB for opening a file, which makes a task of every
     * 31 photos. A value set by the user stays.
     */
    private JavaRDD<Row> inFewTasks(Dataset<Row> some) {
        return spark.conf().getAll().contains(OPEN_COST)
                ? some.javaRDD()
                : with(spark, Map.of(OPEN_COST, "65536"), some::javaRDD); // the tasks are laid out here
    }

    @Override
    public long count() {
        return Causes.unwrapped(rows::count); // of the files' footers
    }

    /** Each split of a file is a partition of Spark's scan first; consecutive ones are then read by one task. */
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
                        ROWS_AT_A_TIME,
                        Integer.toString(AT_A_TIME)),
                () -> rows.javaRDD().rdd());
        Naming naming = naming("");
        ImageColumn column = images;
        return new InFileOrder(splits, partitions)
                .toJavaRDD()
                .map(row -> column.image(naming.named(row).name, Target.NONE, row.get(3)));
    }

    /** The rows of splits of files, each a partition of its own before, in partitions of about as many bytes, in the order of the files. */
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    private static final class InFileOrder extends RDD<Row> {
        private static final long serialVersionUID = 1L;

        private final RDD<Row> splits;
        private final transient List<Group> groups;

        /** Splits that follow each other. */
        private static final class Group implements Partition {
            private static final long serialVersionUID = 1L;

            private final int index;
            private final ArrayList<Partition> splits = new ArrayList<>();

            Group(int index) {
                this.index = index;
            }

            @Override
            public int index() {
                return index;
            }
        }

        /** Says which splits a group has. */
        private static final class OfGroup extends NarrowDependency<Row> {
            private static final long serialVersionUID = 1L;

            private final transient List<Group> groups; // the driver alone looks

            OfGroup(RDD<Row> splits, List<Group> groups) {
                super(splits);
                this.groups = groups;
            }

            @Override
            public scala.collection.immutable.Seq<Object> getParents(int partition) {
                List<Object> parents = new ArrayList<>();
                groups.get(partition).splits.forEach(split -> parents.add(split.index()));
                return JavaConverters.asScalaBuffer(parents).toList();
            }
        }

        InFileOrder(RDD<Row> splits, int most) {
            this(splits, groups(splits.partitions(), most));
        }

        private InFileOrder(RDD<Row> splits, List<Group> groups) {
            super(
                    splits.sparkContext(),
                    JavaConverters.<Dependency<?>>asScalaBuffer(List.of(new OfGroup(splits, groups)))
                            .toSeq(),
                    splits.elementClassTag());
            this.splits = splits;
            this.groups = groups;
        }

        private static List<Group> groups(Partition[] unordered, int most) {
            Partition[] splits = unordered.clone();
            Arrays.sort(
                    splits,
                    Comparator.comparing((Partition split) ->
                                    file(split).toPath().toUri().getPath())
                            .thenComparing(split -> file(split).start()));
            long bytes = Arrays.stream(splits)
                    .mapToLong(split -> file(split).length())
                    .sum();
            List<Group> groups = new ArrayList<>();
            long before = 0; // bytes of the splits before
            for (Partition split : splits) {
                if (groups.isEmpty() || before >= (double) bytes / most * groups.size()) {
                    groups.add(new Group(groups.size()));
                }
                groups.get(groups.size() - 1).splits.add(split);
                before += file(split).length();
            }
            return groups;
        }

        private static PartitionedFile file(Partition split) {
            return ((FilePartition) split).files()[0];
        }

        @Override
        public Partition[] getPartitions() {
            return groups.toArray(Partition[]::new);
        }

        @Override
        public scala.collection.Iterator<Row> compute(Partition group, TaskContext task) {
            Iterator<Partition> left = ((Group) group).splits.iterator();
            return JavaConverters.asScalaIterator(
                    new Iterator<>() { // a stream would hold all rows of a split
                        private Iterator<Row> rows = Collections.emptyIterator();

                        @Override
                        public boolean hasNext() {
                            while (!rows.hasNext() && left.hasNext()) {
                                rows = JavaConverters.asJavaIterator(splits.iterator(left.next(), task));
                            }
                            return rows.hasNext();
                        }

                        @Override
                        public Row next() {
                            if (!hasNext()) {
                                throw new NoSuchElementException();
                            }
                            return rows.next();
                        }
                    });
        }
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

        /** Returns a row by its file's path below the root and its number, as long in all rows to sort well. */
        Named named(Row row) {
            String file = Found.relative(root, new Path(URI.create(row.getString(0))));
            String name = prefix + file + "#" + String.format(Locale.ROOT, "%09d", row.getLong(1));
            try {
                return new Named(name, labels == null ? null : text(row, 2, labels, classes));
            } catch (IllegalArgumentException e) {
                throw new UserError(name + ": " + e.getMessage() + "; mend the row, or is data.labelColumn right?", e);
            }
        }
    }
}
