package dev.grft.ml;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.spark.verbs.Labeler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.ml.attribute.AttributeGroup;
import org.apache.spark.ml.attribute.NominalAttribute;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The parameters that the estimator and its model have in common: the columns that a model reads and writes. */
final class Columns {
    private static final Map<Task, String> PREDICTION = Map.of(
            Task.SINGLE_LABEL, "column that gets the number of the likeliest class",
            Task.MULTI_LABEL, "column that gets the names of the classes that are not below their thresholds",
            Task.REGRESSION, "column that gets the value, of several targets a vector");

    final Param<String> image;
    final Param<String> prediction;
    final Param<String> probability; // no parameter of a model of values
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
        this.handleInvalid = new TextParam(
                of,
                "handleInvalid",
                "what becomes of a row whose image is broken when it is transformed: error, skip or keep (with nulls)");
        this.pretrained = new TextParam(
                of, "pretrained", "path of the pretrained checkpoint: model.pretrained; of a model, where it lies now");
        of.setDefault(image, "image");
        of.setDefault(prediction, "prediction");
        if (task != Task.REGRESSION) {
            of.setDefault(probability, "probability");
        }
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

    /** Returns whether a prediction is written. */
    boolean predicts() {
        return !of(prediction).isEmpty();
    }

    /** Returns whether probabilities are written. */
    boolean tellsProbabilities() {
        return task != Task.REGRESSION && !of(probability).isEmpty();
    }

    /**
     * Returns a schema with the columns that a model writes.
     *
     * @param outputs names of the classes in the order of their numbers, empty while they are not known; or of the targets
     * @throws UserError if there is a column of such a name already
     */
    StructType with(StructType schema, List<String> outputs) {
        boolean nullable = broken() == Labeler.Broken.KEEP;
        List<StructField> fields = new ArrayList<>(Arrays.asList(schema.fields()));
        if (predicts()) {
            fields.add(prediction(outputs, nullable));
        }
        if (tellsProbabilities()) {
            Metadata size = outputs.isEmpty()
                    ? Metadata.empty()
                    : new AttributeGroup(of(probability), outputs.size()).toMetadata();
            fields.add(DataTypes.createStructField(of(probability), SQLDataTypes.VectorType(), nullable, size));
        }
        for (int i = schema.size(); i < fields.size(); i++) {
            String name = fields.get(i).name();
            if (Arrays.asList(schema.fieldNames()).contains(name)) {
                throw new UserError(of.uid() + ": column " + name + " exists already; drop it or set another "
                        + (name.equals(of(prediction)) ? "predictionCol" : "probabilityCol"));
            }
        }
        return new StructType(fields.toArray(StructField[]::new)); // which, unlike its factory, takes a name twice
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
                        : DataTypes.createStructField(
                                name,
                                SQLDataTypes.VectorType(),
                                nullable,
                                new AttributeGroup(name, outputs.size()).toMetadata());
        };
    }
}
