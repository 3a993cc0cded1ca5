package dev.grft.ml;

import dev.grft.UserError;
import dev.grft.spark.verbs.Labeler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
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
    final Param<String> image;
    final Param<String> prediction;
    final Param<String> probability;
    final Param<String> handleInvalid;
    final Param<String> pretrained;
    private final Params of;

    Columns(Params of) {
        this.of = of;
        this.image = new Param<>(
                of,
                "imageCol",
                "column of the images: the bytes of JPEG or PNG files, a struct with a field bytes, or Spark's image struct");
        this.prediction =
                new Param<>(of, "predictionCol", "column that gets the number of the likeliest class; '' for none");
        this.probability =
                new Param<>(of, "probabilityCol", "column that gets the probability of each class; '' for none");
        this.handleInvalid = new Param<>(
                of,
                "handleInvalid",
                "what becomes of a row whose image is broken when it is transformed: error, skip or keep (with nulls)");
        this.pretrained = new Param<>(
                of, "pretrained", "path of the pretrained checkpoint: model.pretrained; of a model, where it lies now");
        of.setDefault(image, "image");
        of.setDefault(prediction, "prediction");
        of.setDefault(probability, "probability");
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

    /**
     * Returns a schema with the columns that a model writes.
     *
     * @param labels of the classes in the order of their numbers; empty while they are not known
     * @throws UserError if there is a column of such a name already
     */
    StructType with(StructType schema, List<String> labels) {
        boolean nullable = broken() == Labeler.Broken.KEEP;
        List<StructField> fields = new ArrayList<>(Arrays.asList(schema.fields()));
        if (!of(prediction).isEmpty()) {
            Metadata names = labels.isEmpty()
                    ? Metadata.empty()
                    : NominalAttribute.defaultAttr()
                            .withName(of(prediction))
                            .withValues(labels.toArray(String[]::new))
                            .toMetadata();
            fields.add(DataTypes.createStructField(of(prediction), DataTypes.DoubleType, nullable, names));
        }
        if (!of(probability).isEmpty()) {
            Metadata size = labels.isEmpty()
                    ? Metadata.empty()
                    : new AttributeGroup(of(probability), labels.size()).toMetadata();
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
}
