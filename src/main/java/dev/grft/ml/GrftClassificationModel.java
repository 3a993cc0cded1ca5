package dev.grft.ml;

import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.data.Labels;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.util.MLReader;

/**
 * A fine-tuned Vision Transformer as a model of Spark ML: tells the class of each image of a data frame, see {@link GrftModel}.
 */
public final class GrftClassificationModel extends GrftModel<GrftClassificationModel> {
    private static final long serialVersionUID = 1L;

    /** Is there for {@link java.util.ServiceLoader}, by which Spark Connect finds the class; makes no model. */
    public GrftClassificationModel() {
        this("", none());
    }

    GrftClassificationModel(String uid, DeltaFile file) {
        super(uid, file);
    }

    public Param<String> probabilityCol() {
        return columns.probability;
    }

    public GrftClassificationModel setProbabilityCol(String value) {
        return with(columns.probability, value);
    }

    /** Returns the number of classes. */
    public int numClasses() {
        return file.delta().labels().size();
    }

    /** Returns the classes, by number. */
    public String[] labels() {
        return file.delta().labels().toArray(String[]::new);
    }

    @Override
    Outputs outputs() {
        return probabilities -> (double) Labels.likeliest(probabilities);
    }

    @Override
    GrftClassificationModel same() {
        return new GrftClassificationModel(uid(), file);
    }

    /** Returns the reader of saved models; Spark looks for it by name. */
    public static MLReader<GrftClassificationModel> read() {
        return new Reader<>(GrftClassificationModel.class, GrftClassificationModel::new);
    }

    /** Returns a saved model. */
    public static GrftClassificationModel load(String path) {
        return read().load(path);
    }
}
