package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.Encoded;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.images.ImageColumn;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.tables.Columns;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.Looking;
import dev.grft.spark.work.ModelBroadcast;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.StreamSupport;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** A delta on its pretrained model, ready to look at the images in rows, whenever these are evaluated. */
public final class Labeler {
    private final Looking model;
    private final int outputs; // of the head

    /** What becomes of a row whose image is broken. */
    public enum Broken {
        /** It ends the job. */
        ERROR,
        /** It is left out. */
        SKIP,
        /** It stays, with nulls. */
        KEEP
    }

    /**
     * What one pass of the network says of an image.
     *
     * @param predictions what the task reads in the outputs of the head, {@code [K]}: probabilities or values
     * @param raw the outputs of the head, {@code [K]}
     * @param features what the head reads, {@code [F]}
     */
    @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
    public record Said(float[] predictions, float[] raw, float[] features) {
        private static Said of(float[] all, int outputs) {
            return new Said(
                    Arrays.copyOf(all, outputs),
                    Arrays.copyOfRange(all, outputs, 2 * outputs),
                    Arrays.copyOfRange(all, 2 * outputs, all.length));
        }
    }

    /** What is appended to a row. */
    public interface Cells extends Serializable {
        /** Returns the cells of an image; null: of a broken one. */
        @Nullable
        Object[] of(@Nullable Said said);
    }

    private Labeler(Looking model, int outputs) {
        this.model = model;
        this.outputs = outputs;
    }

    /**
     * Returns the model of a delta.
     *
     * @param settings of the training: how images are prepared, and where the pretrained model lies
     * @throws UserError if the pretrained model cannot be read, or is another
     */
    public static Labeler of(SparkSession spark, Settings settings, DeltaFile file) {
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        try (Session session = Session.in(spark, here(spark, settings), Map.of(), nowhere, nowhere)) {
            Run run = session.main();
            Delta delta = file.delta();
            run.models().pretrained().requireFits(delta);
            run.models().device().requireGivenToAll(session.context().getConf(), "transform");
            ModelBroadcast shared = ModelBroadcast.shared(
                            session.context(), run.models().pretrained())
                    .withHead(delta.labels().size(), delta.task());
            return new Labeler(
                    Inference.of(
                                    run.engine(shared.config()),
                                    shared,
                                    run.images().preprocess(),
                                    delta)
                            .lookingAtEverything(),
                    delta.labels().size());
        }
    }

    /** Returns the settings of a training without what only its executors may be able to: these may be others. */
    private static Settings here(SparkSession spark, Settings settings) {
        Map<String, @Nullable Object> changes = new HashMap<>();
        changes.put("engine.requireGpu", false);
        if (settings.engine().kernels().equals("torch")) {
            changes.put("engine.kernels", "auto"); // the same on GPUs
        }
        boolean tf32 = settings.engine().precision().equals("tf32");
        if (tf32 && !Device.hasGpus(JavaSparkContext.fromSparkContext(spark.sparkContext()))) {
            changes.put("engine.precision", "fp32");
        }
        return Config.with(settings, "transform", changes);
    }

    /**
     * Returns the rows with cells appended; nothing is evaluated yet.
     *
     * @param place what the frame is called in messages
     * @param schema of the result
     */
    public Dataset<Row> label(
            Dataset<?> frame, String place, String imageColumn, StructType schema, Broken broken, Cells cells) {
        ImageColumn images = ImageColumn.of(frame.schema(), imageColumn, place, "set imageCol");
        Looking looking = model;
        Seeing seeing = new Seeing(images, frame.schema(), imageColumn, broken, cells, outputs);
        MapPartitionsFunction<Row, Row> labeled = rows -> seeing.labeled(rows, looking);
        Dataset<Row> result = frame.toDF().mapPartitions(labeled, Encoders.row(schema));
        return result.select(Arrays.stream(schema.fields()) // encoders lose what is known of a column
                .map(field -> result.col(Columns.quoted(field.name())).as(field.name(), field.metadata()))
                .toArray(Column[]::new));
    }

    /** How the images of rows are found, and what becomes of the rows. */
    private static final class Seeing implements Serializable {
        private static final long serialVersionUID = 1L;

        private final ImageColumn images;
        private final int column;
        private final int path; // of the column that names the images; -1: none
        private final String imageColumn;
        private final Broken broken;
        private final Cells cells;
        private final int outputs;

        Seeing(ImageColumn images, StructType schema, String imageColumn, Broken broken, Cells cells, int outputs) {
            this.images = images;
            this.column = schema.fieldIndex(imageColumn);
            this.path = FrameColumns.hasPath(schema) ? schema.fieldIndex("path") : -1;
            this.imageColumn = imageColumn;
            this.broken = broken;
            this.cells = cells;
            this.outputs = outputs;
        }

        Iterator<Row> labeled(Iterator<Row> rows, Looking looking) {
            Iterator<Looking.Seen<Row>> seen = looking.over(rows, this::image, row -> row);
            AtomicLong number = new AtomicLong();
            return StreamSupport.stream(Spliterators.spliteratorUnknownSize(seen, Spliterator.ORDERED), false)
                    .filter(one -> stays(one, number.getAndIncrement()))
                    .map(one -> appended(one.item, cells.of(one.values == null ? null : Said.of(one.values, outputs))))
                    .iterator();
        }

        private Encoded image(Row row) {
            Object cell = row.get(column);
            String own = images.name(cell);
            return images.image(own == null ? "an image of column " + imageColumn : own, Target.NONE, cell);
        }

        private boolean stays(Looking.Seen<Row> one, long number) {
            if (one.broken != null && broken == Broken.ERROR) {
                throw new UserError(
                        name(one.item, number) + " is broken in column " + imageColumn + ": " + one.broken.reason()
                                + "; remove the row, or set handleInvalid to skip or keep",
                        one.broken);
            }
            return one.broken == null || broken == Broken.KEEP;
        }

        private String name(Row row, long number) {
            String own = images.name(row.get(column));
            if (own == null && path >= 0 && !row.isNullAt(path)) {
                own = row.getString(path);
            }
            return own == null ? "row " + number + " of partition " + TaskContext.getPartitionId() : own;
        }

        private static Row appended(Row row, @Nullable Object[] more) {
            Object[] all = new Object[row.size() + more.length];
            for (int i = 0; i < row.size(); i++) {
                all[i] = row.get(i);
            }
            System.arraycopy(more, 0, all, row.size(), more.length);
            return RowFactory.create(all);
        }
    }
}
