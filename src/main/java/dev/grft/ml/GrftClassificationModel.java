package dev.grft.ml;

import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.data.Labels;
import org.apache.spark.ml.param.DoubleArrayParam;
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

    public Param<String> rawPredictionCol() {
        return columns.raw;
    }

    public DoubleArrayParam thresholds() {
        return columns.thresholds;
    }

    public GrftClassificationModel setRawPredictionCol(String value) {
        return with(columns.raw, value);
    }

    public GrftClassificationModel setThresholds(double... value) {
        return with(columns.thresholds, value);
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
    Columns.Prediction prediction() {
        double[] thresholds = columns.thresholds(numClasses());
        return thresholds == null
                ? probabilities -> (double) Labels.likeliest(probabilities)
                : probabilities -> likeliest(probabilities, thresholds);
    }

    /** Returns the class of the largest p / t; by Spark's rule none of probability 0, whose threshold is 0. */
    private static double likeliest(float[] probabilities, double[] thresholds) {
        int best = 0;
        double most = Double.NEGATIVE_INFINITY;
        for (int k = 0; k < probabilities.length; k++) {
            double scaled = probabilities[k] / thresholds[k];
            if (scaled > most) {
                most = scaled;
                best = k;
            }
        }
        return best;
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
