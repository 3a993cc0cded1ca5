package dev.grft.ml;

import dev.grft.Task;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.StringArrayParam;

/**
 * The parameters that the estimators of all tasks have in common.
 *
 * @param <E> the estimator
 * @param <M> its model
 */
public abstract class GrftParams<E extends GrftEstimator<E, M>, M extends GrftModel<M>> extends Estimator<M> {
    private static final long serialVersionUID = 1L;

    private final String uid;
    final transient Columns columns;
    final Task task;
    final Param<String> labelCol;
    final Param<String> nameCol;
    final Param<String> validationIndicatorCol;
    final Param<String> weightCol;
    final StringArrayParam config;
    final StringArrayParam settings;
    final Param<String> method;
    final Param<String> preset;
    final IntParam count;
    final DoubleParam lambda;
    final IntParam epochs;
    final IntParam batchSize;
    final DoubleParam learningRate;
    final IntParam shards;
    final IntParam patience;
    final LongParam seed;
    final Param<String> runDirectory;
    final BooleanParam verbose;

    @SuppressWarnings("this-escape") // a parameter holds its owner
    GrftParams(String uid, Task task, String label) {
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

    public Param<String> embeddingCol() {
        return columns.embedding;
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

    public E setEmbeddingCol(String value) {
        return with(columns.embedding, value);
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
}
