package dev.grft.ml;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.SparkModel;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.verbs.Labeler;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Option;

/**
 * A fine-tuned Vision Transformer as a model of Spark ML: what the models of all tasks have in common. Saved, it is small: the delta,
 * and where the pretrained checkpoint lies and its SHA-256, in {@code model.json}. The checkpoint is read when rows are first
 * predicted, and must be the one that the delta was trained on.
 *
 * @param <M> the model
 */
public abstract class GrftModel<M extends GrftModel<M>> extends Model<M> implements MLWritable {
    private static final long serialVersionUID = 1L;
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Map<Task, String> OUTPUTS =
            Map.of(Task.SINGLE_LABEL, "classes", Task.MULTI_LABEL, "classes", Task.REGRESSION, "targets");

    private final String uid;
    final transient Columns columns;
    final transient DeltaFile file;
    private transient @Nullable Opened opened;
    private transient @Nullable GrftTrainingSummary summary;

    /** The model in a session, from a path. */
    private record Opened(SparkSession spark, String pretrained, Labeler labeler) {}

    @SuppressWarnings("this-escape") // a parameter holds its owner
    GrftModel(String uid, DeltaFile file) {
        this.uid = uid;
        this.file = file;
        this.columns = new Columns(this, file.delta().task());
    }

    /** Throws: a model without a delta is none. */
    @SuppressWarnings("DoNotCallSuggester") // constructors that are never called have to call it
    static DeltaFile none() {
        throw new UnsupportedOperationException("a model comes from fit or load");
    }

    @Override
    public String uid() {
        return uid;
    }

    public Param<String> imageCol() {
        return columns.image;
    }

    public Param<String> predictionCol() {
        return columns.prediction;
    }

    public Param<String> embeddingCol() {
        return columns.embedding;
    }

    public Param<String> handleInvalid() {
        return columns.handleInvalid;
    }

    public Param<String> pretrained() {
        return columns.pretrained;
    }

    public M setImageCol(String value) {
        return with(columns.image, value);
    }

    public M setPredictionCol(String value) {
        return with(columns.prediction, value);
    }

    public M setEmbeddingCol(String value) {
        return with(columns.embedding, value);
    }

    public M setHandleInvalid(String value) {
        return with(columns.handleInvalid, value);
    }

    public M setPretrained(String value) {
        return with(columns.pretrained, value);
    }

    <T> M with(Param<T> param, T value) {
        set(param, value);
        @SuppressWarnings("unchecked") // a subclass names itself
        M self = (M) this;
        return self;
    }

    /** Returns the SHA-256 of the pretrained checkpoint, in hexadecimal. */
    public String pretrainedSha256() {
        return file.delta().pretrainedSha256();
    }

    /** Returns how many numbers were trained, the head's among them. */
    public long trained() {
        return file.delta().trained();
    }

    M withSummary(@Nullable GrftTrainingSummary of) {
        summary = of;
        @SuppressWarnings("unchecked") // a subclass names itself
        M self = (M) this;
        return self;
    }

    /** Returns whether the model comes from {@code fit} in this application, and so has a {@link #summary}. */
    public boolean hasSummary() {
        return summary != null;
    }

    /**
     * Returns how the training went.
     *
     * @throws UserError if the model was read, for a summary is not saved
     */
    public GrftTrainingSummary summary() {
        if (summary == null) {
            throw new UserError(
                    uid + ": has no training summary; only the model that fit returns has one, and it is not"
                            + " saved. Set runDirectory to keep the history of a training");
        }
        return summary;
    }

    /** Returns the delta itself. */
    public DeltaFile delta() {
        return file;
    }

    /** Returns the path of the pretrained checkpoint: as set, or as it was in the training. */
    private String pretrainedPath() {
        return isSet(columns.pretrained)
                ? getOrDefault(columns.pretrained)
                : String.valueOf(Config.parse(uid, file.settings()).model().pretrained());
    }

    private synchronized Labeler labeler(SparkSession spark) {
        String path = pretrainedPath();
        Opened known = opened;
        if (known == null
                || !known.spark.sparkContext().equals(spark.sparkContext())
                || !known.pretrained.equals(path)) {
            Map<String, @Nullable Object> place = new HashMap<>();
            place.put("model.pretrained", path);
            Settings settings = Config.with(Config.parse(uid, file.settings()), uid, place);
            known = new Opened(spark, path, Labeler.of(spark, settings, file));
            opened = known;
        }
        return known.labeler;
    }

    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        StructType schema = transformSchema(dataset.schema());
        return labeler(dataset.sparkSession())
                .label(dataset, uid, columns.of(columns.image), schema, columns.broken(), columns.cells(prediction()));
    }

    /** Returns what makes the predictions. */
    abstract Columns.Prediction prediction();

    @Override
    public StructType transformSchema(StructType schema) {
        FrameColumns.checkImage(uid, schema, columns.of(columns.image));
        Delta delta = file.delta();
        List<String> outputs = delta.labels();
        return columns.with(schema, outputs, delta.headWeight().length / outputs.size());
    }

    /** Returns the same model, without parameters. */
    abstract M same();

    @Override
    public M copy(ParamMap extra) {
        M copy = copyValues(same(), extra);
        synchronized (this) {
            ((GrftModel<M>) copy).opened = opened;
        }
        return copy.withSummary(summary).setParent(parent());
    }

    @Override
    public String toString() {
        return uid + ": " + file.delta().labels().size() + " "
                + OUTPUTS.get(file.delta().task()) + ", " + trained() + " trained parameters";
    }

    @Override
    public MLWriter write() {
        return new Writer(this);
    }

    @Override
    public void save(String path) throws IOException {
        write().save(path);
    }

    private static Path delta(String path) {
        return new Path(path, "delta.safetensors");
    }

    private static Path json(String path) {
        return new Path(path, "model.json");
    }

    @SuppressWarnings("deprecation") // what Spark 4 has in its place, with a session, is not in Spark 3
    private static final class Writer extends MLWriter {
        private final GrftModel<?> model;

        Writer(GrftModel<?> model) {
            this.model = model;
        }

        @Override
        public void saveImpl(String path) {
            DefaultParamsWriter.saveMetadata(model, path, sc(), Option.empty(), Option.empty());
            Configuration hadoop = sc().hadoopConfiguration();
            model.file.write(hadoop, delta(path));
            Storage storage = new Storage(hadoop);
            String pretrained =
                    storage.qualified(new Path(model.pretrainedPath())).toString();
            storage.writeAtomically(json(path), SparkModel.reference(pretrained, model.pretrainedSha256()));
        }
    }

    @SuppressWarnings("deprecation") // what Spark 4 has in its place, with a session, is not in Spark 3
    static final class Reader<M extends GrftModel<M>> extends MLReader<M> {
        private final Class<M> type;
        private final BiFunction<String, DeltaFile, M> model;

        /**
         * Returns the reader of a model.
         *
         * @param model makes it of its uid and delta
         */
        Reader(Class<M> type, BiFunction<String, DeltaFile, M> model) {
            this.type = type;
            this.model = model;
        }

        @Override
        public M load(String path) {
            return Saved.read(sc().hadoopConfiguration(), path, type, () -> read(path));
        }

        private M read(String path) {
            DefaultParamsReader.Metadata metadata = DefaultParamsReader.loadMetadata(path, sc(), type.getName());
            Configuration hadoop = sc().hadoopConfiguration();
            JsonNode reference = reference(hadoop, json(path));
            M read = model.apply(metadata.uid(), DeltaFile.read(hadoop, delta(path)));
            if (!reference.path("pretrained_sha256").asText().equals(read.pretrainedSha256())) {
                throw new UserError(json(path) + ": pretrained_sha256 differs from that of " + delta(path)
                        + ": the files belong to different models; save the model again");
            }
            metadata.getAndSetParams(read, Option.empty());
            return read.setPretrained(reference.path("pretrained").asText()); // which any folder can resolve
        }

        private static JsonNode reference(Configuration hadoop, Path path) {
            try {
                JsonNode reference = MAPPER.readTree(new Storage(hadoop).readString(path));
                String format = reference.path("format").asText();
                String version = reference.path("version").asText();
                if (!format.equals(SparkModel.FORMAT) || !version.equals(SparkModel.FORMAT_VERSION)) {
                    throw new UserError(path + ": has format '" + format + "', version '" + version + "', needs "
                            + SparkModel.FORMAT + ", version " + SparkModel.FORMAT_VERSION
                            + "; use the version of the program that saved it");
                }
                return reference;
            } catch (JsonProcessingException e) {
                throw new UserError(path + ": is not JSON (" + e.getOriginalMessage() + "); save the model again", e);
            }
        }
    }
}
