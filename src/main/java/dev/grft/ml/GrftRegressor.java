package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import java.util.List;
import org.apache.spark.ml.param.StringArrayParam;
import org.apache.spark.ml.util.Identifiable$;
import org.apache.spark.ml.util.MLReader;

/**
 * Fine-tunes a Vision Transformer to predict one value of an image or several, on the images of a data frame: an estimator of
 * Spark ML, see {@link GrftEstimator}. A value is a number in {@code labelCol}; of several, each has a column of {@code labelCols}.
 */
public final class GrftRegressor extends GrftEstimator<GrftRegressor, GrftRegressionModel> {
    private static final long serialVersionUID = 1L;

    private final StringArrayParam labelCols;

    public GrftRegressor() {
        this(Identifiable$.MODULE$.randomUID("grft"));
    }

    public GrftRegressor(String uid) {
        super(uid, Task.REGRESSION, "column of the value, a number; of several values see labelCols");
        this.labelCols =
                new StringArrayParam(this, "labelCols", "columns of the values, numbers; empty: labelCol alone");
        setDefault(labelCols, new String[0]);
    }

    @Override
    GrftRegressionModel model(DeltaFile delta) {
        return new GrftRegressionModel(uid(), delta);
    }

    public StringArrayParam labelCols() {
        return labelCols;
    }

    public GrftRegressor setLabelCols(String... value) {
        return with(labelCols, value);
    }

    @Override
    List<String> outputs() {
        String[] several = getOrDefault(labelCols);
        return several.length == 0 ? List.of(super.labels()) : List.of(several);
    }

    @Override
    String labels() {
        return String.join(",", outputs());
    }

    /** Returns the reader of saved estimators; Spark looks for it by name. */
    public static MLReader<GrftRegressor> read() {
        return new Saved<>(GrftRegressor.class);
    }

    /**
     * Returns a saved estimator.
     *
     * @throws UserError if there is none at the path
     */
    public static GrftRegressor load(String path) {
        return read().load(path);
    }
}
