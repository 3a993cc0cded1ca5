package dev.grft.ml;

import dev.grft.checkpoint.artifact.DeltaFile;
import org.apache.spark.ml.util.MLReader;

/**
 * A fine-tuned Vision Transformer as a model of Spark ML: predicts one value of each image of a data frame or several, see
 * {@link GrftModel}.
 */
public final class GrftRegressionModel extends GrftModel<GrftRegressionModel> {
    private static final long serialVersionUID = 1L;

    /** Is there for {@link java.util.ServiceLoader}, by which Spark Connect finds the class; makes no model. */
    public GrftRegressionModel() {
        this("", none());
    }

    GrftRegressionModel(String uid, DeltaFile file) {
        super(uid, file);
    }

    /** Returns the names of the targets, in their order. */
    public String[] targets() {
        return file.delta().labels().toArray(String[]::new);
    }

    @Override
    Columns.Prediction prediction() {
        return values -> values.length == 1 ? (Object) (double) values[0] : Columns.vector(values);
    }

    @Override
    GrftRegressionModel same() {
        return new GrftRegressionModel(uid(), file);
    }

    /** Returns the reader of saved models; Spark looks for it by name. */
    public static MLReader<GrftRegressionModel> read() {
        return new Reader<>(GrftRegressionModel.class, GrftRegressionModel::new);
    }

    /** Returns a saved model. */
    public static GrftRegressionModel load(String path) {
        return read().load(path);
    }
}
