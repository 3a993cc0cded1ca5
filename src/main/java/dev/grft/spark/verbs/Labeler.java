package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Settings;
import dev.grft.data.BrokenImage;
import dev.grft.data.Example;
import dev.grft.spark.images.ImageColumn;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** A delta on its pretrained model, ready to look at the images in rows, whenever somebody evaluates them. */
public final class Labeler {
    private final Inference.Looking model;

    /** What becomes of a row whose image is broken. */
    public enum Broken {
        /** It ends the job. */
        ERROR,
        /** It is left out. */
        SKIP,
        /** It stays, with nulls. */
        KEEP
    }

    /** What is appended to a row. */
    public interface Cells extends Serializable {
        /** Returns the cells of an image of these probabilities [K]; null: of a broken one. */
        @Nullable
        Object[] of(float @Nullable [] probabilities);
    }

    private Labeler(Inference.Looking model) {
        this.model = model;
    }

    /**
     * Returns the model of a delta.
     *
     * @param settings how images are prepared, and where the pretrained model lies
     * @throws UserError if the pretrained model cannot be read, or is another
     */
    public static Labeler of(SparkSession spark, Settings settings, DeltaFile file) {
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        try (Session session = Session.in(spark, settings, Map.of(), nowhere, nowhere)) {
            Run run = session.main();
            Delta delta = file.delta();
            run.models().pretrained().requireFits(delta);
            ModelBroadcast shared = ModelBroadcast.shared(
                    session.context(), run.models().pretrained(), delta.labels().size());
            return new Labeler(Inference.of(
                            run.engine(shared.config()), shared, run.images().preprocess(), delta)
                    .looking());
        }
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
        int column = frame.schema().fieldIndex(imageColumn);
        Inference.Looking looking = model;
        MapPartitionsFunction<Row, Row> labeled =
                rows -> new Labeled(rows, looking, images, column, imageColumn, broken, cells);
        Dataset<Row> result = frame.toDF().mapPartitions(labeled, Encoders.row(schema));
        return result.select(Arrays.stream(schema.fields()) // encoders lose what is known of a column
                .map(field -> result.col(ImageColumn.quoted(field.name())).as(field.name(), field.metadata()))
                .toArray(Column[]::new));
    }

    /** The rows of a partition, looked at in batches as they are asked for. */
    private static final class Labeled implements Iterator<Row> {
        private final Iterator<Row> rows;
        private final Inference.Looking model;
        private final ImageColumn images;
        private final int column;
        private final String imageColumn;
        private final Broken broken;
        private final Cells cells;
        private final Deque<Row> ready = new ArrayDeque<>();

        Labeled(
                Iterator<Row> rows,
                Inference.Looking model,
                ImageColumn images,
                int column,
                String imageColumn,
                Broken broken,
                Cells cells) {
            this.rows = rows;
            this.model = model;
            this.images = images;
            this.column = column;
            this.imageColumn = imageColumn;
            this.broken = broken;
            this.cells = cells;
        }

        @Override
        public boolean hasNext() {
            while (ready.isEmpty() && rows.hasNext()) {
                look();
            }
            return !ready.isEmpty();
        }

        @Override
        public Row next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            return ready.remove();
        }

        private void look() {
            List<Row> some = new ArrayList<>();
            List<Example> examples = new ArrayList<>(); // of the rows that are not broken; the id is the row's place
            while (some.size() < model.batchSize && rows.hasNext()) {
                Row row = rows.next();
                Object cell = row.get(column);
                String own = images.name(cell);
                String name = own == null ? "an image of column " + imageColumn : own;
                try {
                    examples.add(new Example(
                            some.size(),
                            Example.UNLABELED,
                            name,
                            images.image(name, Example.UNLABELED, cell).prepared(model.preprocess)));
                } catch (BrokenImage e) {
                    if (broken == Broken.ERROR) {
                        throw new UserError(
                                name + " is broken: " + e.reason()
                                        + "; remove the row, or set handleInvalid to skip or keep",
                                e);
                    }
                    if (broken == Broken.SKIP) {
                        continue;
                    }
                }
                some.add(row);
            }
            float[][] probabilities = new float[some.size()][];
            for (Inference.Output output : examples.isEmpty() ? List.<Inference.Output>of() : model.at(examples)) {
                probabilities[(int) output.id] = output.values;
            }
            for (int i = 0; i < some.size(); i++) {
                ready.add(appended(some.get(i), cells.of(probabilities[i])));
            }
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
