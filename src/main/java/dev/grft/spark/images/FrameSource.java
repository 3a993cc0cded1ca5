package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.ClassNames;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.Sha256;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.tables.Columns;
import dev.grft.spark.tables.LabelColumns;
import dev.grft.spark.tables.RowRanks;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.HashPartitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * Images in the rows of a data frame, which is evaluated twice: once for names, labels and digests, once for the images.
 * Rows have no order, so everything that the training draws at random goes by their names, and by label and content where
 * names are equal: the same rows, however they are divided, make the same set.
 */
public final class FrameSource implements Source.Stored {
    private static final int MOST_CLASSES = 100_000; // more are no class numbers, but identifiers
    private static final Comparator<Seen> CONTENT = Comparator.comparing((Seen row) -> row.name)
            .thenComparing(row -> row.label, Comparator.nullsFirst(Comparator.naturalOrder()))
            .thenComparing(row -> row.sha256)
            .thenComparing(row -> row.weight);
    private static final Comparator<Seen> ORDER = CONTENT.thenComparing(row -> row.partition);
    private static final long MANY = -1; // in place of a rank: of several rows that are the same

    private final String place;
    private final FrameColumns.Keys keys;
    private final Dataset<?> frame;
    private final JavaRDD<Row> rows; // image, label, name, weight
    private final Reader reader;
    private final LabelForm form;
    private final boolean labeled;
    private final boolean numbered;
    private final boolean weighted;
    private @Nullable List<Seen> seen; // sorted

    /**
     * Returns the images of a frame; nothing is evaluated yet.
     *
     * @param place what the frame is called in messages
     * @param classes names of the classes that the labels number; null if they are names themselves, or numbers without names
     * @throws UserError if a column is missing or of another type
     */
    public FrameSource(String place, Dataset<?> frame, FrameColumns columns, @Nullable List<String> classes) {
        this(place, frame, columns, classes, FrameColumns.Keys.PARAMETERS, true);
    }

    /** Returns the images of a table or query that a setting names, with their labels or without. */
    public static FrameSource of(String place, Dataset<?> table, ReadOptions options) {
        String label = options.labelColumn();
        FrameColumns columns = label == null
                ? new FrameColumns(options.imageColumn(), "", null, null)
                : new FrameColumns(options.imageColumn(), label, null, null, options.task());
        return new FrameSource(place, table, columns, null, FrameColumns.Keys.SETTINGS, label != null);
    }

    private FrameSource(
            String place,
            Dataset<?> frame,
            FrameColumns columns,
            @Nullable List<String> classes,
            FrameColumns.Keys keys,
            boolean labeled) {
        StructType schema = frame.schema();
        ImageColumn images = ImageColumn.of(schema, columns.image(), place, "set " + keys.image);
        if (labeled) {
            checkLabel(place, schema, columns, keys);
        }
        this.keys = keys;
        this.frame = frame;
        this.form = LabelForm.of(columns.task(), columns.label());
        this.labeled = labeled;
        this.numbered = labeled
                && columns.task() == Task.SINGLE_LABEL
                && schema.apply(columns.label()).dataType() instanceof NumericType;
        this.place = place;
        this.weighted = columns.weight() != null;
        Column none = functions.lit(null).cast(DataTypes.StringType);
        this.rows = frame.select(
                        FrameColumns.column(columns.image()),
                        labeled ? columns.labels(frame, place, keys) : none,
                        columns.names(schema, place),
                        columns.weight() == null
                                ? functions.lit(1.0)
                                : FrameColumns.column(columns.weight()).cast(DataTypes.DoubleType))
                .javaRDD();
        this.reader = new Reader(images, form, numbered && classes != null ? new ClassNames(classes) : null, keys);
    }

    /** Refuses labels of another type than their task has. */
    static void checkLabel(String place, StructType schema, FrameColumns columns, FrameColumns.Keys keys) {
        if (columns.task() != Task.SINGLE_LABEL) {
            LabelColumns.check(schema, LabelForm.of(columns.task(), columns.label()), place, keys.label);
            return;
        }
        String column = columns.label();
        DataType type = Columns.type(schema, column, place, "set " + keys.label);
        if (!(type instanceof NumericType)
                && !type.equals(DataTypes.StringType)
                && !type.equals(DataTypes.BooleanType)) {
            throw new UserError(place + ": column " + column + " is " + type.simpleString()
                    + ", needs string, boolean or a number; set " + keys.label);
        }
    }

    @Override
    public StructType columns() {
        return frame.schema();
    }

    @Override
    public Path root() {
        return new Path("/");
    }

    @Override
    public List<Named> named(String prefix) {
        if (seen().isEmpty()) {
            throw new UserError(place + ": there are no rows" + (labeled ? " with a label and an image" : "")
                    + "; check the table, query or filter"
                    + (labeled ? ", or are " + keys.image + " and " + keys.label + " right?" : ""));
        }
        List<Named> named = new ArrayList<>();
        eachNumbered((row, number, shared, same) ->
                named.add(new Named(prefix + numbered(row.name, number), row.label, 0, named.size())));
        return named;
    }

    /** Numbers the rows of each name, so that each gets a name of its own. */
    private void eachNumbered(Each each) {
        List<Seen> all = seen();
        int number = 0;
        for (int i = 0; i < all.size(); i++) {
            boolean asBefore = number > 0 && all.get(i).name.equals(all.get(i - 1).name);
            number = asBefore ? number + 1 : 1;
            boolean asNext = i + 1 < all.size() && all.get(i).name.equals(all.get(i + 1).name);
            each.row(all.get(i), number, asBefore || asNext, isSame(all, i - 1) || isSame(all, i));
        }
    }

    /** Returns whether a row and the next are the same to a training. */
    private static boolean isSame(List<Seen> all, int row) {
        return row >= 0 && row + 1 < all.size() && CONTENT.compare(all.get(row), all.get(row + 1)) == 0;
    }

    private interface Each {
        /** Takes a row, its number among those of its name, whether there are more of them, and whether one is the same. */
        void row(Seen row, int number, boolean shared, boolean same);
    }

    private static String numbered(String name, int number) {
        return number == 1 ? name : name + "#" + number;
    }

    private List<Seen> seen() {
        if (seen == null) {
            Reader read = reader; // tasks take this along, not the source
            Pulse pulse = Pulse.of(rows.context());
            List<Seen> found = new ArrayList<>(Causes.unwrapped(rows.mapPartitionsWithIndex(
                    (partition, part) -> Parcels.mapped(part, row -> {
                        pulse.beat(1);
                        return read.seen(row, partition);
                    }),
                    false)::collect));
            found.sort(ORDER);
            seen = found;
        }
        return seen;
    }

    @Override
    public LabelForm form() {
        return form;
    }

    @Override
    public @Nullable List<String> classes() {
        if (form.byColumn()) {
            return form.columns();
        }
        if (reader.names != null) {
            return reader.names.names();
        }
        if (!numbered) {
            return null;
        }
        int most = 1;
        for (Seen row : seen()) {
            most = row.label == null ? most : Math.max(most, Integer.parseInt(row.label));
        }
        return Labels.numbered(most + 1).names();
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        Set<String> wrong = new TreeSet<>();
        for (Seen row : labeled ? seen() : List.<Seen>of()) {
            if (row.label == null) {
                long without =
                        seen().stream().filter(each -> each.label == null).count();
                throw new UserError(place + ": " + row.name + " has no label; remove the row, or is " + keys.label
                        + " right? " + without + " of " + seen().size() + " rows have none in "
                        + String.join(", ", empty()) + keys.unlabeled);
            }
            boolean number = row.label.matches("[0-9]{1,9}") && Integer.parseInt(row.label) < MOST_CLASSES;
            if (numbered && reader.names == null && !number) {
                wrong.add(row.label);
            }
        }
        if (weighted && seen().stream().allMatch(row -> row.weight == 0)) {
            throw new UserError(place + ": all images have weight 0; is weightCol right?");
        }
        if (!wrong.isEmpty()) {
            throw new UserError(place + ": labels must be whole numbers from 0 to below " + MOST_CLASSES + ", got "
                    + wrong.iterator().next()
                    + "; is " + keys.label + " right? StringIndexer turns any column into such numbers");
        }
    }

    /** Returns the columns that have no label in some row. */
    private List<String> empty() {
        LabelForm labels = form;
        Set<String> empty = Set.copyOf(Causes.unwrapped(
                rows.flatMap(row -> LabelColumns.empty(row, 1, labels).iterator())
                        .distinct()::collect));
        return form.columns().stream().filter(empty::contains).toList();
    }

    /** Returns what ends a message about too many broken images. */
    public String remedyOfBroken() {
        return keys.broken;
    }

    /** Returns how many rows there are; once they are listed, this costs nothing. */
    public long size() {
        return seen().size();
    }

    /** Returns how many classes a training finds in the labels of one class each. */
    public int found() {
        checkLabels(List.of(), false);
        List<String> declared = classes();
        return declared != null
                ? declared.size()
                : Math.toIntExact(
                        seen().stream().map(row -> row.label).distinct().count());
    }

    /**
     * The tasks of a partition get the ranks of the rows that it had when they were listed. A row may have moved to another partition since: a
     * task that meets one gets the ranks of all rows that differ.
     */
    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels labels) {
        Ranks ranks = ranking.of(1).get(0);
        List<RowRanks.Builder> parts = Stream.generate(RowRanks.Builder::new)
                .limit(rows.getNumPartitions())
                .toList();
        RowRanks.Builder all = new RowRanks.Builder();
        AtomicInteger next = new AtomicInteger();
        eachNumbered((row, number, shared, same) -> {
            long rank = ranks.at(next.getAndIncrement(), row.name);
            long key = RowRanks.key(shared ? row.key() : row.name);
            parts.get(row.partition).add(key, rank, number);
            all.add(key, same ? MANY : rank, number);
        });
        Sent<RowRanks> moved = Sent.of(JavaSparkContext.fromSparkContext(rows.context()), all.ranks());
        Reader read = reader;
        List<RowRanks> listed = parts.stream().map(RowRanks.Builder::ranks).toList();
        return Parcels.mapped(rows, listed, moved, own -> {
                    BitSet taken = new BitSet();
                    return row -> {
                        Seen one = read.seen(row, 0);
                        RowRanks ranked = own;
                        int place = place(ranked, one, taken);
                        if (place < 0) {
                            ranked = moved.value();
                            place = place(ranked, one, new BitSet());
                        }
                        if (place < 0) {
                            throw Ranks.unlisted(one.name);
                        }
                        if (ranked.rank(place) == MANY) {
                            throw new UserError(one.name + " comes from another partition than when the images were"
                                    + " listed, and other rows are the same; " + read.keys.apart);
                        }
                        Target target = ImageSource.target(labels, one.label);
                        String numbered = prefix + numbered(one.name, ranked.number(place));
                        return new Tuple2<>(ranked.rank(place), read.image(row, numbered, target));
                    };
                })
                .mapToPair(image -> image);
    }

    private static int place(RowRanks ranks, Seen row, BitSet taken) {
        int place = ranks.take(RowRanks.key(row.key()), taken);
        return place < 0 ? ranks.take(RowRanks.key(row.name), taken) : place;
    }

    @Override
    public long count() {
        return Causes.unwrapped(frame::count); // which reads no column, as rows::count would
    }

    /**
     * Rows have no order, and several may have the same name. Each partition is one of the frame's, unless these are too few for the cores,
     * such as the one of a query with a LIMIT: then the rows are shuffled.
     */
    @Override
    public JavaRDD<Encoded> inOrder(int partitions, int batch) {
        Reader read = reader;
        int given = rows.getNumPartitions();
        boolean few = given < Math.min(partitions, rows.context().defaultParallelism());
        JavaRDD<Encoded> images = rows.map(read::image);
        return few
                ? images.mapToPair(image ->
                                new Tuple2<>(31 * image.name.hashCode() + Arrays.hashCode(image.content), image))
                        .partitionBy(new HashPartitioner(
                                partitions)) // the same when it is done again, in whatever order the rows come
                        .values()
                : images;
    }

    /** Returns whether rows have weights of their own. */
    public boolean weighted() {
        return weighted;
    }

    /** Returns a digest of names, labels, weights and contents of all rows, and of the columns that are outputs. */
    public String listing() {
        Stream<String> columns = form.byColumn() ? Stream.of(String.join("\n", form.columns())) : Stream.empty();
        return Inputs.digest(Stream.concat(
                        columns,
                        seen().stream()
                                .map(row -> row.name
                                        + '\t'
                                        + row.label
                                        + '\t'
                                        + row.sha256
                                        + (weighted ? "\t" + row.weight : "")))
                .toArray(String[]::new));
    }

    /** Reads rows in the tasks. */
    private static final class Reader implements Serializable {
        private static final long serialVersionUID = 1L;

        private final ImageColumn images;
        private final LabelForm form;
        private final @Nullable ClassNames names;
        private final FrameColumns.Keys keys;

        Reader(ImageColumn images, LabelForm form, @Nullable ClassNames names, FrameColumns.Keys keys) {
            this.keys = keys;
            this.form = form;
            this.images = images;
            this.names = names;
        }

        Seen seen(Row row, int partition) {
            String sha256 = sha256(row);
            String name = name(row, sha256);
            try {
                boolean none =
                        form.byColumn() && !LabelColumns.empty(row, 1, form).isEmpty();
                String label = none ? null : LabelColumns.text(row, 1, form, names);
                return new Seen(name, label, sha256, weight(row, name), partition);
            } catch (IllegalArgumentException e) {
                throw new UserError(name + ": " + e.getMessage() + "; is " + keys.label + " right?", e);
            }
        }

        private String sha256(Row row) {
            return Sha256.of(images.image("", Target.NONE, row.get(0)).content);
        }

        private String name(Row row, @Nullable String sha256) {
            if (!row.isNullAt(2)) {
                return row.getString(2);
            }
            String own = images.name(row.get(0));
            return own != null ? own : sha256 != null ? sha256 : sha256(row);
        }

        /** Returns an image by its name alone. */
        Encoded image(Row row) {
            return images.image(name(row, null), Target.NONE, row.get(0));
        }

        private static float weight(Row row, String name) {
            if (row.isNullAt(3)) {
                throw new UserError(name + ": has no weight; give it one, remove the row, or is weightCol right?");
            }
            float weight = (float) row.getDouble(3);
            if (!(weight >= 0 && weight <= Float.MAX_VALUE)) {
                throw new UserError(name + ": has the weight " + row.getDouble(3)
                        + ", needs a number of 0 or more; is weightCol right?");
            }
            return weight;
        }

        Encoded image(Row row, String name, Target target) {
            return images.image(name, target, row.get(0)).weighing(weight(row, name));
        }
    }

    /** What the driver learns of a row. */
    private static final class Seen implements Serializable {
        private static final long serialVersionUID = 1L;

        final String name;
        final @Nullable String label;
        final String sha256;
        final float weight;
        final int partition;

        Seen(String name, @Nullable String label, String sha256, float weight, int partition) {
            this.name = name;
            this.label = label;
            this.sha256 = sha256;
            this.weight = weight;
            this.partition = partition;
        }

        /** Returns all that a training takes of the row. */
        String key() {
            return name + '\t' + label + '\t' + sha256 + '\t' + weight;
        }
    }
}
