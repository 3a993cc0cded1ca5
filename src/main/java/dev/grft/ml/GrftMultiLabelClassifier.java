package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;

/**
 * Fine-tunes a Vision Transformer to tell which classes an image shows, any number of them, on the images of a data frame: an estimator of
 * Spark ML, see {@link GrftEstimator}. A label is an array of the names of classes, an empty one of an image that shows none. Rows for
 * validation choose the thresholds of the classes, and the epoch if {@code patience} is set.
 */
public final class GrftMultiLabelClassifier extends GrftEstimator<GrftMultiLabelClassifier, GrftMultiLabelModel> {
    private static final long serialVersionUID = 1L;

    public GrftMultiLabelClassifier() {
        this(Identifiable$.MODULE$.randomUID("grft"));
    }

    public GrftMultiLabelClassifier(String uid) {
        super(uid, Task.MULTI_LABEL, "column of the classes of an image: an array of text");
    }

    @Override
    GrftMultiLabelModel model(DeltaFile delta) {
        return new GrftMultiLabelModel(uid(), delta);
    }

    public Param<String> probabilityCol() {
        return columns.probability;
    }

    public GrftMultiLabelClassifier setProbabilityCol(String value) {
        return with(columns.probability, value);
    }

    /** Returns the reader of saved estimators; Spark looks for it by name. */
    public static MLReader<GrftMultiLabelClassifier> read() {
        return new Saved<>(GrftMultiLabelClassifier.class);
    }

    /**
     * Returns a saved estimator.
     *
     * @throws UserError if there is none at the path
     */
    public static GrftMultiLabelClassifier load(String path) {
        return read().load(path);
    }
}
