package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.verbs.Frames;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.param.StringArrayParam;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Fine-tunes a Vision Transformer on the images of a data frame, by the method of {@code tuning.method}: what the estimators of all tasks
 * have in common. What they train is what the verb {@code train} does with the same images and settings, bit for bit, whatever the partitions.
 *
 * <p>Settings come from {@code conf/base.yaml}, over it the files of {@link #config}, over these the keys of {@link #settings}, over all
 * the parameters that were set. The session goes on as it was. Names of images decide
 * their order in the training: a column, what the images name themselves, a column {@code path}, or their SHA-256.
 *
 * @param <E> the estimator
 * @param <M> its model
 */
public abstract class GrftEstimator<E extends GrftEstimator<E, M>, M extends GrftModel<M>> extends Estimator<M>
        implements MLWritable {
    private static final long serialVersionUID = 1L;

    private final String uid;
    final transient Columns columns;
    private final Task task;
    private final Param<String> labelCol;
    private final Param<String> nameCol;
    private final Param<String> validationIndicatorCol;
    private final Param<String> weightCol;
    private final StringArrayParam config;
    private final StringArrayParam settings;
    private final Param<String> method;
    private final Param<String> preset;
    private final IntParam count;
    private final DoubleParam lambda;
    private final IntParam epochs;
    private final IntParam batchSize;
    private final DoubleParam learningRate;
    private final IntParam shards;
    private final IntParam patience;
    private final LongParam seed;
    private final Param<String> runDirectory;
    private final BooleanParam verbose;

    @SuppressWarnings("this-escape") // a parameter holds its owner
    GrftEstimator(String uid, Task task, String label) {
        this.uid = uid;
        this.task = task;
        this.columns = new Columns(this, task);
        this.labelCol = new TextParam(this, "labelCol", label);
        this.nameCol = new TextParam(
                this,
                "nameCol",
                "column of the images' names, which decide their order in the training; not set: found");
        this.validationIndicatorCol = new TextParam(
                this,
                "validationIndicatorCol",
                "boolean column: the rows with true do not train but choose the epoch; needs patience");
        this.weightCol = new TextParam(
                this, "weightCol", "column of the rows' weights in the loss, numbers >= 0; not set or empty: 1 each");
        this.config =
                new StringArrayParam(this, "config", "YAML files over conf/base.yaml, a later over an earlier one");
        this.settings =
                new StringArrayParam(this, "settings", "any keys of conf/base.yaml, such as selection.axis=column");
        this.method = new TextParam(this, "method", "tuning.method: what trains beside the head, such as grft or lora");
        this.preset =
                new TextParam(this, "preset", "selection.preset: a reading of the paper, decides axis and budget");
        this.count = new IntParam(this, "count", "selection.budget.count: slices of each matrix");
        this.lambda = new DoubleParam(this, "lambda", "penalty.lambda of the method: the pull toward pretrained");
        this.epochs = new IntParam(this, "epochs", "training.epochs: passes over the images");
        this.batchSize =
                new IntParam(this, "batchSize", "training.batchSize: examples a step, over all shards together");
        this.learningRate = new DoubleParam(this, "learningRate", "training.learningRate: the largest");
        this.shards = new IntParam(this, "shards", "training.shards: parts that work side by side");
        this.patience = new IntParam(
                this, "patience", "training.patience: stop after so many epochs that are not better by training.watch");
        this.seed = new LongParam(this, "seed", "run.seed: of every random number");
        this.runDirectory = new TextParam(
                this,
                "runDirectory",
                "folder that keeps a run directory of each training, in which an interrupted one resumes; not set: none");
        this.verbose = new BooleanParam(this, "verbose", "whether progress is printed to standard error");
        setDefault(labelCol, "label");
        setDefault(config, new String[0]);
        setDefault(settings, new String[0]);
        setDefault(verbose, false);
    }

    @Override
    public String uid() {
        return uid;
    }

    // Spark finds the parameters by these methods.

    public Param<String> imageCol() {
        return columns.image;
    }

    public Param<String> labelCol() {
        return labelCol;
    }

    public Param<String> predictionCol() {
        return columns.prediction;
    }

    public Param<String> handleInvalid() {
        return columns.handleInvalid;
    }

    public Param<String> nameCol() {
        return nameCol;
    }

    public Param<String> validationIndicatorCol() {
        return validationIndicatorCol;
    }

    public Param<String> weightCol() {
        return weightCol;
    }

    public Param<String> pretrained() {
        return columns.pretrained;
    }

    public StringArrayParam config() {
        return config;
    }

    public StringArrayParam settings() {
        return settings;
    }

    public Param<String> method() {
        return method;
    }

    public Param<String> preset() {
        return preset;
    }

    public IntParam count() {
        return count;
    }

    public DoubleParam lambda() {
        return lambda;
    }

    public IntParam epochs() {
        return epochs;
    }

    public IntParam batchSize() {
        return batchSize;
    }

    public DoubleParam learningRate() {
        return learningRate;
    }

    public IntParam shards() {
        return shards;
    }

    public IntParam patience() {
        return patience;
    }

    public LongParam seed() {
        return seed;
    }

    public Param<String> runDirectory() {
        return runDirectory;
    }

    public BooleanParam verbose() {
        return verbose;
    }

    public E setImageCol(String value) {
        return with(columns.image, value);
    }

    public E setLabelCol(String value) {
        return with(labelCol, value);
    }

    public E setPredictionCol(String value) {
        return with(columns.prediction, value);
    }

    public E setHandleInvalid(String value) {
        return with(columns.handleInvalid, value);
    }

    public E setNameCol(String value) {
        return with(nameCol, value);
    }

    public E setValidationIndicatorCol(String value) {
        return with(validationIndicatorCol, value);
    }

    public E setWeightCol(String value) {
        return with(weightCol, value);
    }

    public E setPretrained(String value) {
        return with(columns.pretrained, value);
    }

    public E setConfig(String... value) {
        return with(config, value);
    }

    public E setSettings(String... value) {
        return with(settings, value);
    }

    public E setMethod(String value) {
        return with(method, value);
    }

    public E setPreset(String value) {
        return with(preset, value);
    }

    public E setCount(int value) {
        return with(count, value);
    }

    public E setLambda(double value) {
        return with(lambda, value);
    }

    public E setEpochs(int value) {
        return with(epochs, value);
    }

    public E setBatchSize(int value) {
        return with(batchSize, value);
    }

    public E setLearningRate(double value) {
        return with(learningRate, value);
    }

    public E setShards(int value) {
        return with(shards, value);
    }

    public E setPatience(int value) {
        return with(patience, value);
    }

    public E setSeed(long value) {
        return with(seed, value);
    }

    public E setRunDirectory(String value) {
        return with(runDirectory, value);
    }

    public E setVerbose(boolean value) {
        return with(verbose, value);
    }

    <T> E with(Param<T> param, Object value) {
        @SuppressWarnings("unchecked") // of Scala's primitive types: the setters above give the right one
        T typed = (T) value;
        set(param, typed);
        @SuppressWarnings("unchecked") // a subclass names itself
        E self = (E) this;
        return self;
    }

    /**
     * Returns the settings of a training: the defaults, files, keys and parameters, one over the other.
     *
     * @throws UserError if one of them is unknown or out of range
     */
    Settings resolved() {
        List<String> sets = new ArrayList<>(List.of(getOrDefault(settings)));
        sets.add("data.task=" + task.word()); // which decides what other keys may say
        Settings given = Config.load(
                List.of(getOrDefault(config)),
                sets,
                org.apache.spark.deploy.SparkHadoopUtil.get().conf());
        Map<Param<?>, String> keys = new LinkedHashMap<>();
        keys.put(columns.pretrained, "model.pretrained");
        keys.put(method, "tuning.method");
        keys.put(preset, "selection.preset");
        keys.put(count, "selection.budget.count");
        keys.put(epochs, "training.epochs");
        keys.put(batchSize, "training.batchSize");
        keys.put(learningRate, "training.learningRate");
        keys.put(shards, "training.shards");
        keys.put(patience, "training.patience");
        keys.put(seed, "run.seed");
        Map<String, @Nullable Object> changes = new LinkedHashMap<>();
        keys.forEach((param, key) -> {
            if (isSet(param)) {
                changes.put(key, getOrDefault(param));
            }
        });
        changes.put("compare.methods", List.of());
        changes.put("data.train", Frames.TRAIN);
        changes.put("data.validation", isSet(validationIndicatorCol) ? Frames.VALIDATION : null);
        changes.put("data.test", null);
        changes.put("data.trainOnValidation", false);
        Settings resolved = Config.with(given, uid, changes);
        if (isSet(lambda)) {
            changes.clear();
            changes.put(Config.keyOfPenalty(resolved.tuning().method()), getOrDefault(lambda));
            resolved = Config.with(resolved, uid, changes);
        }
        if (resolved.model().pretrained() == null) {
            throw new UserError(
                    uid + ": pretrained is not set; give the folder of a checkpoint with model.safetensors and"
                            + " config.json");
        }
        if (resolved.evaluation().protocol().equals(Settings.Evaluation.GPS_PAPER)) {
            throw new UserError(uid + ": evaluation.protocol must be validation, got " + Settings.Evaluation.GPS_PAPER
                    + "; a data frame has no test images");
        }
        boolean chooses = resolved.training().patience() != null;
        if (isSet(validationIndicatorCol) ? !chooses && task != Task.MULTI_LABEL : chooses) {
            throw new UserError(uid + ": validationIndicatorCol and patience go together; set both, or neither");
        }
        return resolved;
    }

    @Override
    public M fit(Dataset<?> dataset) {
        transformSchema(dataset.schema());
        Settings resolved = resolved();
        Dataset<?> training = dataset;
        Dataset<Row> validation = null;
        if (isSet(validationIndicatorCol)) {
            Column held =
                    functions.coalesce(FrameColumns.column(getOrDefault(validationIndicatorCol)), functions.lit(false));
            validation = dataset.toDF().filter(held);
            training = dataset.toDF().filter(functions.not(held));
        }
        DeltaFile delta = Frames.train(
                resolved,
                isSet(runDirectory) ? getOrDefault(runDirectory) : null,
                training,
                validation,
                frameColumns(),
                classes(dataset.schema()),
                getOrDefault(verbose).equals(true)
                        ? System.err
                        : new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
        return copyValues(model(delta).setParent(this), ParamMap.empty());
    }

    /** Returns the model of a delta, with this estimator's uid. */
    abstract M model(DeltaFile delta);

    /** Returns the names of the classes that labels number; null if there are none. */
    @Nullable
    List<String> classes(StructType schema) {
        return null;
    }

    /** Returns the names of the head's outputs; empty if only the images tell. */
    List<String> outputs() {
        return List.of();
    }

    /** Returns what tells the label of a row: a column, or several. */
    String labels() {
        return getOrDefault(labelCol);
    }

    /** Refuses columns of labels whose names would be read as several, or without the blanks around them. */
    private void requirePlain(StructType schema) {
        boolean one = task == Task.MULTI_LABEL && List.of(schema.fieldNames()).contains(labels());
        for (String name : task == Task.REGRESSION ? outputs() : one ? List.of(labels()) : List.<String>of()) {
            if (name.contains(",") || !name.equals(name.strip())) {
                throw new UserError(uid + ": the column of labels '" + name
                        + "' must have no comma and no blanks around its name; rename the column");
            }
        }
    }

    private FrameColumns frameColumns() {
        String weight = isSet(weightCol) ? getOrDefault(weightCol) : "";
        return new FrameColumns(
                getOrDefault(columns.image),
                labels(),
                isSet(nameCol) ? getOrDefault(nameCol) : null,
                weight.isEmpty() ? null : weight,
                task);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        resolved();
        requirePlain(schema);
        frameColumns().check(uid, schema);
        if (isSet(validationIndicatorCol)) {
            FrameColumns.checkBoolean(uid, schema, getOrDefault(validationIndicatorCol), "set validationIndicatorCol");
        }
        return columns.with(schema, outputs());
    }

    @Override
    public E copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public MLWriter write() {
        return new DefaultParamsWriter(this);
    }

    @Override
    public void save(String path) throws java.io.IOException {
        write().save(path);
    }
}
