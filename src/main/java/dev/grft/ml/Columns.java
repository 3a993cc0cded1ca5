package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.spark.verbs.Labeler;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.spark.ml.attribute.AttributeGroup;
import org.apache.spark.ml.attribute.NominalAttribute;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.ml.param.DoubleArrayParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** The parameters that the estimator and its model have in common: the columns that a model reads and writes. */
final class Columns {
    private static final Map<Task, String> PREDICTION = Map.of(
            Task.SINGLE_LABEL, "column that gets the number of the likeliest class",
            Task.MULTI_LABEL, "column that gets the names of the classes that are not below their thresholds",
            Task.REGRESSION, "column that gets the value, of several targets a vector");

    final Param<String> image;
    final Param<String> prediction;
    final Param<String> probability; // no parameter of a model of values
    final Param<String> raw; // of models of one class
    final DoubleArrayParam thresholds; // of models of one class
    final Param<String> embedding;
    final Param<String> handleInvalid;
    final Param<String> pretrained;
    private final Params of;
    private final Task task;

    Columns(Params of, Task task) {
        this.of = of;
        this.task = task;
        this.image = new TextParam(
                of,
                "imageCol",
                "column of the images: the bytes of JPEG or PNG files, a struct with a field bytes, or Spark's image struct");
        this.prediction = new TextParam(of, "predictionCol", PREDICTION.get(task) + "; '' for none");
        this.probability =
                new TextParam(of, "probabilityCol", "column that gets the probability of each class; '' for none");
        this.raw = new TextParam(of, "rawPredictionCol", "column that gets the logit of each class; '' for none");
        this.thresholds = new DoubleArrayParam(
                of,
                "thresholds",
                "one for each class, >= 0 and at most one of them 0: the class with the largest probability / threshold is predicted");
        this.embedding = new TextParam(
                of, "embeddingCol", "column that gets the features that the head reads, a vector; '' for none");
        this.handleInvalid = new TextParam(
                of,
                "handleInvalid",
                "what becomes of rows with a null or broken image, or in fit without a label: error, skip, or keep (with nulls; not in fit)");
        this.pretrained = new TextParam(
                of, "pretrained", "path of the pretrained checkpoint: model.pretrained; of a model, where it lies now");
        of.setDefault(image, "image");
        of.setDefault(prediction, "prediction");
        if (task != Task.REGRESSION) {
            of.setDefault(probability, "probability");
        }
        if (task == Task.SINGLE_LABEL) {
            of.setDefault(raw, "rawPrediction");
        }
        of.setDefault(embedding, "");
        of.setDefault(handleInvalid, "error");
    }

    /** Returns the value of a column's parameter. */
    String of(Param<String> column) {
        return of.getOrDefault(column);
    }

    Labeler.Broken broken() {
        String word = of.getOrDefault(handleInvalid);
        for (Labeler.Broken broken : Labeler.Broken.values()) {
            if (broken.name().toLowerCase(Locale.ROOT).equals(word)) {
                return broken;
            }
        }
        throw new UserError(of.uid() + ": handleInvalid must be one of error, skip, keep, got '" + word + "'");
    }

    private boolean writes(Param<String> column) {
        return of.hasParam(column.name()) && !of(column).isEmpty();
    }

    /** What is made of the outputs of the head as its task reads them, {@code [K]}; sent to tasks. */
    interface Prediction extends Serializable {
        /** Returns the cell of the prediction. */
        Object of(float[] outputs);
    }

    private interface Cell extends Serializable {
        Object of(Labeler.Said said);
    }

    /** Returns what fills the columns of {@link #with}. */
    Labeler.Cells cells(Prediction made) {
        List<Cell> cells = new ArrayList<>();
        if (writes(prediction)) {
            cells.add(said -> made.of(said.predictions()));
        }
        if (writes(probability)) {
            cells.add(said -> vector(said.predictions(), 0));
        }
        if (writes(raw)) {
            cells.add(said -> vector(said.raw(), shift(said.raw())));
        }
        if (writes(embedding)) {
            cells.add(said -> vector(said.features(), 0));
        }
        Cell[] each = cells.toArray(Cell[]::new); // tasks take this along, not the parameters
        return said -> said == null
                ? new @Nullable Object[each.length]
                : Arrays.stream(each).map(cell -> cell.of(said)).toArray();
    }

    /**
     * Returns what is taken from the logits: of two classes their mean, for BinaryClassificationEvaluator looks at the second one alone.
     * Then that one rises with its probability, except with {@code evaluation.flip}: these are means of two passes, and a mean of logits does not
     * rank as a mean of probabilities.
     */
    private static double shift(float[] logits) {
        return logits.length == 2 ? ((double) logits[0] + logits[1]) / 2 : 0;
    }

    static Vector vector(float[] values) {
        return vector(values, 0);
    }

    private static Vector vector(float[] values, double less) {
        double[] all = new double[values.length];
        for (int k = 0; k < all.length; k++) {
            all[k] = values[k] - less;
        }
        return Vectors.dense(all);
    }

    /**
     * Returns the thresholds of the classes; null if none are set.
     *
     * @param classes how many there are; 0 if that is not known yet
     * @throws UserError if they are not as many as the classes, or out of range
     */
    double @Nullable [] thresholds(int classes) {
        if (task != Task.SINGLE_LABEL || !of.isSet(thresholds)) {
            return null;
        }
        double[] set = of.getOrDefault(thresholds);
        boolean inRange = Arrays.stream(set).allMatch(each -> each >= 0 && each <= Double.MAX_VALUE);
        if (!inRange || Arrays.stream(set).filter(each -> each == 0).count() > 1) {
            throw new UserError(
                    of.uid() + ": thresholds must be numbers >= 0, at most one of them 0, got " + Arrays.toString(set));
        }
        if (classes > 0 && set.length != classes) {
            throw new UserError(of.uid() + ": thresholds has " + set.length + " values, there are " + classes
                    + " classes; set one for each, in the order of labels()");
        }
        return set;
    }

    /**
     * Returns a schema with the columns that a model writes.
     *
     * @param outputs names of the classes in the order of their numbers, empty while they are not known; or of the targets
     * @param features how many the head reads, 0 while it is not known
     * @throws UserError if there is a column of such a name already
     */
    StructType with(StructType schema, List<String> outputs, int features) {
        boolean nullable = broken() == Labeler.Broken.KEEP;
        thresholds(outputs.size());
        List<StructField> fields = new ArrayList<>(Arrays.asList(schema.fields()));
        Set<String> names = new HashSet<>(Arrays.asList(schema.fieldNames()));
        for (Param<String> column : List.of(prediction, probability, raw, embedding)) {
            if (!writes(column)) {
                continue;
            }
            String name = of(column);
            if (!names.add(name)) {
                throw new UserError(
                        of.uid() + ": column " + name + " exists already; drop it or set another " + column.name());
            }
            fields.add(
                    column.equals(prediction)
                            ? prediction(outputs, nullable)
                            : vector(name, column.equals(embedding) ? features : outputs.size(), nullable));
        }
        return new StructType(fields.toArray(StructField[]::new)); // which, unlike its factory, takes a name twice
    }

    private static StructField vector(String name, int size, boolean nullable) {
        Metadata known = size == 0 ? Metadata.empty() : new AttributeGroup(name, size).toMetadata();
        return DataTypes.createStructField(name, SQLDataTypes.VectorType(), nullable, known);
    }

    private StructField prediction(List<String> outputs, boolean nullable) {
        String name = of(prediction);
        return switch (task) {
            case SINGLE_LABEL ->
                DataTypes.createStructField(
                        name,
                        DataTypes.DoubleType,
                        nullable,
                        outputs.isEmpty()
                                ? Metadata.empty()
                                : NominalAttribute.defaultAttr()
                                        .withName(name)
                                        .withValues(outputs.toArray(String[]::new))
                                        .toMetadata());
            case MULTI_LABEL ->
                DataTypes.createStructField(name, DataTypes.createArrayType(DataTypes.StringType, false), nullable);
            case REGRESSION ->
                outputs.size() == 1
                        ? DataTypes.createStructField(name, DataTypes.DoubleType, nullable)
                        : vector(name, outputs.size(), nullable);
        };
    }
}
