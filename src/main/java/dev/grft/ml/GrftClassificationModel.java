package dev.grft.ml;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.verbs.Labeler;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.linalg.Vectors;
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
 * A fine-tuned Vision Transformer as a model of Spark ML: labels the images of a data frame. Saved, it is small: the delta,
 * and where the pretrained checkpoint lies and its SHA-256, in {@code model.json}. The checkpoint is read when rows are first
 * labeled, and must be the one that the delta was trained on.
 */
public final class GrftClassificationModel extends Model<GrftClassificationModel> implements MLWritable {
    private static final long serialVersionUID = 1L;
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String FORMAT = "grft.model";
    private static final String VERSION = "1";

    private final String uid;
    private final transient Columns columns;
    private final transient DeltaFile file;
    private transient @Nullable Opened opened;

    /** The model in a session, from a path. */
    private record Opened(SparkSession spark, String pretrained, Labeler labeler) {}

    @SuppressWarnings("this-escape") // a parameter knows whose it is
    GrftClassificationModel(String uid, DeltaFile file) {
        this.uid = uid;
        this.file = file;
        this.columns = new Columns(this);
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

    public Param<String> probabilityCol() {
        return columns.probability;
    }

    public Param<String> handleInvalid() {
        return columns.handleInvalid;
    }

    public Param<String> pretrained() {
        return columns.pretrained;
    }

    public GrftClassificationModel setImageCol(String value) {
        set(columns.image, value);
        return this;
    }

    public GrftClassificationModel setPredictionCol(String value) {
        set(columns.prediction, value);
        return this;
    }

    public GrftClassificationModel setProbabilityCol(String value) {
        set(columns.probability, value);
        return this;
    }

    public GrftClassificationModel setHandleInvalid(String value) {
        set(columns.handleInvalid, value);
        return this;
    }

    public GrftClassificationModel setPretrained(String value) {
        set(columns.pretrained, value);
        return this;
    }

    /** Returns the number of classes. */
    public int numClasses() {
        return file.delta().labels().size();
    }

    /** Returns the classes, by number. */
    public String[] labels() {
        return file.delta().labels().toArray(String[]::new);
    }

    /** Returns the SHA-256 of the pretrained checkpoint, in hexadecimal. */
    public String pretrainedSha256() {
        return file.delta().pretrainedSha256();
    }

    /** Returns how many numbers were trained, the head's among them. */
    public long trained() {
        return file.delta().trained();
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
        boolean prediction = !columns.of(columns.prediction).isEmpty();
        boolean probability = !columns.of(columns.probability).isEmpty();
        return labeler(dataset.sparkSession())
                .label(
                        dataset,
                        uid,
                        columns.of(columns.image),
                        schema,
                        columns.broken(),
                        probabilities -> cells(probabilities, prediction, probability));
    }

    private static @Nullable Object[] cells(float @Nullable [] probabilities, boolean prediction, boolean probability) {
        @Nullable Object[] cells = new Object[(prediction ? 1 : 0) + (probability ? 1 : 0)];
        if (probabilities == null) {
            return cells;
        }
        if (prediction) {
            cells[0] = (double) Labels.likeliest(probabilities);
        }
        if (probability) {
            double[] all = new double[probabilities.length];
            for (int k = 0; k < all.length; k++) {
                all[k] = probabilities[k];
            }
            cells[cells.length - 1] = Vectors.dense(all);
        }
        return cells;
    }

    @Override
    public StructType transformSchema(StructType schema) {
        FrameColumns.checkImage(uid, schema, columns.of(columns.image));
        return columns.with(schema, file.delta().labels());
    }

    @Override
    public GrftClassificationModel copy(ParamMap extra) {
        GrftClassificationModel copy = copyValues(new GrftClassificationModel(uid, file), extra);
        synchronized (this) {
            copy.opened = opened;
        }
        return copy.setParent(parent());
    }

    @Override
    public String toString() {
        return uid + ": " + numClasses() + " classes, " + trained() + " trained parameters";
    }

    @Override
    public MLWriter write() {
        return new Writer(this);
    }

    @Override
    public void save(String path) throws IOException {
        write().save(path);
    }

    /** Returns the reader of saved models; Spark looks for it by name. */
    public static MLReader<GrftClassificationModel> read() {
        return new Reader();
    }

    /** Returns a saved model. */
    public static GrftClassificationModel load(String path) {
        return read().load(path);
    }

    private static Path delta(String path) {
        return new Path(path, "delta.safetensors");
    }

    private static Path json(String path) {
        return new Path(path, "model.json");
    }

    @SuppressWarnings("deprecation") // what Spark 4 has in its place, with a session, is not in Spark 3
    private static final class Writer extends MLWriter {
        private final GrftClassificationModel model;

        Writer(GrftClassificationModel model) {
            this.model = model;
        }

        @Override
        public void saveImpl(String path) {
            DefaultParamsWriter.saveMetadata(model, path, sc(), Option.empty(), Option.empty());
            Configuration hadoop = sc().hadoopConfiguration();
            model.file.write(hadoop, delta(path));
            Map<String, String> reference = new TreeMap<>(Map.of(
                    "format",
                    FORMAT,
                    "version",
                    VERSION,
                    "pretrained",
                    model.pretrainedPath(),
                    "pretrained_sha256",
                    model.pretrainedSha256()));
            try {
                new Storage(hadoop)
                        .writeAtomically(
                                json(path),
                                MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(reference) + "\n");
            } catch (JsonProcessingException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    @SuppressWarnings("deprecation") // what Spark 4 has in its place, with a session, is not in Spark 3
    private static final class Reader extends MLReader<GrftClassificationModel> {
        @Override
        public GrftClassificationModel load(String path) {
            DefaultParamsReader.Metadata metadata =
                    DefaultParamsReader.loadMetadata(path, sc(), GrftClassificationModel.class.getName());
            Configuration hadoop = sc().hadoopConfiguration();
            JsonNode reference = reference(hadoop, json(path));
            GrftClassificationModel model =
                    new GrftClassificationModel(metadata.uid(), DeltaFile.read(hadoop, delta(path)));
            if (!reference.path("pretrained_sha256").asText().equals(model.pretrainedSha256())) {
                throw new UserError(json(path) + ": pretrained_sha256 differs from that of " + delta(path)
                        + ": the files belong to different models; save the model again");
            }
            metadata.getAndSetParams(model, Option.empty());
            return model;
        }

        private static JsonNode reference(Configuration hadoop, Path path) {
            try {
                JsonNode reference = MAPPER.readTree(new Storage(hadoop).readString(path));
                String format = reference.path("format").asText();
                String version = reference.path("version").asText();
                if (!format.equals(FORMAT) || !version.equals(VERSION)) {
                    throw new UserError(path + ": has format '" + format + "', version '" + version + "', needs "
                            + FORMAT + ", version " + VERSION + "; use the version of the program that saved it");
                }
                return reference;
            } catch (JsonProcessingException e) {
                throw new UserError(path + ": is not JSON (" + e.getOriginalMessage() + "); save the model again", e);
            }
        }
    }
}
