package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.attribute.Attribute;
import org.apache.spark.ml.attribute.NominalAttribute;
import org.apache.spark.ml.param.DoubleArrayParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Fine-tunes a Vision Transformer to tell the class of an image, on the images of a data frame: an estimator of Spark ML, see
 * {@link GrftEstimator}. Labels are text, booleans, numbers whose names StringIndexer has noted in the column, or class numbers from
 * 0 on, of which there are as many as the largest one says.
 */
public final class GrftClassifier extends GrftEstimator<GrftClassifier, GrftClassificationModel> {
    private static final long serialVersionUID = 1L;

    public GrftClassifier() {
        this(Identifiable$.MODULE$.randomUID("grft"));
    }

    public GrftClassifier(String uid) {
        super(uid, Task.SINGLE_LABEL, "column of the classes: text, booleans or numbers");
    }

    @Override
    GrftClassificationModel model(DeltaFile delta) {
        return new GrftClassificationModel(uid(), delta);
    }

    public Param<String> probabilityCol() {
        return columns.probability;
    }

    public GrftClassifier setProbabilityCol(String value) {
        return with(columns.probability, value);
    }

    public Param<String> rawPredictionCol() {
        return columns.raw;
    }

    public DoubleArrayParam thresholds() {
        return columns.thresholds;
    }

    public GrftClassifier setRawPredictionCol(String value) {
        return with(columns.raw, value);
    }

    public GrftClassifier setThresholds(double... value) {
        return with(columns.thresholds, value);
    }

    @Override
    @Nullable
    List<String> classes(StructType schema) {
        StructField label = schema.apply(labels());
        Attribute attribute = label.dataType() instanceof NumericType
                ? NominalAttribute.fromStructField(label)
                : NominalAttribute.defaultAttr();
        return attribute instanceof NominalAttribute named && named.values().isDefined()
                ? Arrays.asList(named.values().get())
                : null;
    }

    /** Returns the reader of saved estimators; Spark looks for it by name. */
    public static MLReader<GrftClassifier> read() {
        return new Saved<>(GrftClassifier.class);
    }

    /**
     * Returns a saved estimator.
     *
     * @throws UserError if there is none at the path
     */
    public static GrftClassifier load(String path) {
        return read().load(path);
    }
}
