package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.verbs.Frames;
import dev.grft.spark.verbs.Labeler;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
public abstract class GrftEstimator<E extends GrftEstimator<E, M>, M extends GrftModel<M>> extends GrftParams<E, M>
        implements MLWritable {
    private static final long serialVersionUID = 1L;
    private static final Logger LOG = LoggerFactory.getLogger(GrftEstimator.class);

    GrftEstimator(String uid, Task task, String label) {
        super(uid, task, label);
    }

    /**
     * Returns the settings of a training: the defaults, files, keys and parameters, one over the other.
     *
     * @throws UserError if one of them is unknown or out of range
     */
    Settings resolved() {
        List<String> sets = new ArrayList<>(List.of(getOrDefault(settings)));
        sets.add("data.task=" + task.word()); // which decides what other keys may say
        boolean skips = columns.broken() != Labeler.Broken.ERROR;
        Settings given = Config.load(
                skips ? Map.of("data.maxBroken", 1.0) : Map.of(),
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
        Settings resolved = Config.with(given, uid(), changes);
        if (isSet(lambda)) {
            changes.clear();
            changes.put(Config.keyOfPenalty(resolved.tuning().method()), getOrDefault(lambda));
            resolved = Config.with(resolved, uid(), changes);
        }
        if (resolved.model().pretrained() == null) {
            throw new UserError(
                    uid() + ": pretrained is not set; give the folder of a checkpoint with model.safetensors and"
                            + " config.json");
        }
        if (resolved.evaluation().protocol().equals(Settings.Evaluation.GPS_PAPER)) {
            throw new UserError(uid() + ": evaluation.protocol must be validation, got " + Settings.Evaluation.GPS_PAPER
                    + "; a data frame has no test images");
        }
        boolean chooses = resolved.training().patience() != null;
        if (isSet(validationIndicatorCol) ? !chooses && task != Task.MULTI_LABEL : chooses) {
            throw new UserError(uid() + ": validationIndicatorCol and patience go together; set both, or neither");
        }
        return resolved;
    }

    @Override
    public M fit(Dataset<?> dataset) {
        if (dataset.isStreaming()) {
            throw new UserError(uid() + ": the frame is a stream, which never ends; train on a frame of spark.read()");
        }
        transformSchema(dataset.schema());
        Settings resolved = resolved();
        boolean skips = columns.broken() != Labeler.Broken.ERROR;
        Dataset<?> training = skips ? frameColumns().usable(uid(), dataset) : dataset;
        Dataset<Row> validation = null;
        if (isSet(validationIndicatorCol)) {
            Column held =
                    functions.coalesce(FrameColumns.column(getOrDefault(validationIndicatorCol)), functions.lit(false));
            validation = training.toDF().filter(held);
            training = training.toDF().filter(functions.not(held));
        }
        long began = System.nanoTime();
        Frames.Trained trained = Frames.train(
                resolved,
                isSet(runDirectory) ? getOrDefault(runDirectory) : null,
                training,
                validation,
                frameColumns(),
                classes(dataset.schema()),
                columns::thresholds,
                getOrDefault(verbose).equals(true)
                        ? System.err
                        : new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
        M model = copyValues(model(trained.delta()).setParent(this), ParamMap.empty());
        long skipped = skips ? Math.max(0, dataset.count() - trained.rows()) : 0;
        if (skipped + trained.broken() > 0) {
            LOG.warn(
                    "{}: trained on {} images; {} rows had no label or no image, {} images were broken",
                    uid(),
                    trained.images(),
                    skipped,
                    trained.broken());
        }
        return model.withSummary(
                new GrftTrainingSummary(trained, model.trained(), skipped, (System.nanoTime() - began) / 1e9));
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
                throw new UserError(uid() + ": the column of labels '" + name
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
        frameColumns().check(uid(), schema);
        if (isSet(validationIndicatorCol)) {
            FrameColumns.checkBoolean(
                    uid(), schema, getOrDefault(validationIndicatorCol), "set validationIndicatorCol");
        }
        List<String> classes = classes(schema);
        columns.thresholds(classes == null ? 0 : classes.size());
        return columns.with(schema, outputs(), 0);
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
