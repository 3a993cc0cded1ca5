package dev.grft.ml;

import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.measures.SetJudgment;
import java.util.Arrays;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.util.MLReader;
import org.jspecify.annotations.Nullable;

/**
 * A fine-tuned Vision Transformer as a model of Spark ML: tells which classes each image of a data frame shows, see {@link GrftModel}.
 */
public final class GrftMultiLabelModel extends GrftModel<GrftMultiLabelModel> {
    private static final long serialVersionUID = 1L;

    /** Is there for {@link java.util.ServiceLoader}, by which Spark Connect finds the class; makes no model. */
    public GrftMultiLabelModel() {
        this("", none());
    }

    GrftMultiLabelModel(String uid, DeltaFile file) {
        super(uid, file);
    }

    public Param<String> probabilityCol() {
        return columns.probability;
    }

    public GrftMultiLabelModel setProbabilityCol(String value) {
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

    /** Returns the thresholds of the classes, by number; 0.5 each if there were no rows for validation to choose them on. */
    public double[] thresholds() {
        float[] known = file.thresholdArray();
        double[] thresholds = new double[numClasses()];
        for (int k = 0; k < thresholds.length; k++) {
            thresholds[k] = known == null ? SetJudgment.HALF : known[k];
        }
        return thresholds;
    }

    @Override
    Columns.Prediction prediction() {
        String[] names = labels();
        float @Nullable [] thresholds = file.thresholdArray();
        return probabilities -> Arrays.stream(SetJudgment.predicted(probabilities, thresholds))
                .mapToObj(k -> names[k])
                .toArray(String[]::new);
    }

    @Override
    GrftMultiLabelModel same() {
        return new GrftMultiLabelModel(uid(), file);
    }

    /** Returns the reader of saved models; Spark looks for it by name. */
    public static MLReader<GrftMultiLabelModel> read() {
        return new Reader<>(GrftMultiLabelModel.class, GrftMultiLabelModel::new);
    }

    /** Returns a saved model. */
    public static GrftMultiLabelModel load(String path) {
        return read().load(path);
    }
}
