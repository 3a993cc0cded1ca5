package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.spark.tables.Columns;
import dev.grft.spark.tables.LabelColumns;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Which columns of a data frame hold what.
 *
 * @param image see {@link ImageColumn}
 * @param label of one class, text or numbers; of several, and of values, as {@link LabelForm} reads it
 * @param name of each row; null for what the images name themselves, a column {@code path}, or the SHA-256 of their bytes
 * @param weight of each row in the loss, a number of 0 or more; null: 1 each
 * @param task what the label tells
 */
public record FrameColumns(
        String image,
        String label,
        @Nullable String name,
        @Nullable String weight,
        Task task) {
    /** What names the columns, for messages. */
    public enum Keys {
        /** Parameters of Spark ML. */
        PARAMETERS(
                "imageCol",
                "labelCol",
                "cache the frame, or set nameCol",
                "; set handleInvalid to skip to train without them",
                "; is imageCol right? Set handleInvalid to skip, without data.maxBroken, to train without them"),
        /** Settings of a run. */
        SETTINGS("data.imageColumn", "data.labelColumn", "give them different names in a column path", "", "");

        final String image;
        final String label;
        final String apart; // what tells rows apart
        final String unlabeled; // ends a message about rows without labels
        final String broken; // likewise about broken images

        Keys(String image, String label, String apart, String unlabeled, String broken) {
            this.image = image;
            this.label = label;
            this.apart = apart;
            this.unlabeled = unlabeled;
            this.broken = broken;
        }
    }

    /** Returns the columns of images of one class each. */
    public FrameColumns(String image, String label, @Nullable String name, @Nullable String weight) {
        this(image, label, name, weight, Task.SINGLE_LABEL);
    }

    /** Returns the same columns for images that do not train. */
    public FrameColumns withoutWeight() {
        return new FrameColumns(image, label, name, null, task);
    }

    /**
     * Refuses a frame that lacks one of the columns.
     *
     * @param place what the frame is called in messages
     * @throws UserError if a column is missing or of another type
     */
    public void check(String place, StructType schema) {
        checkImage(place, schema, image);
        FrameSource.checkLabel(place, schema, this, Keys.PARAMETERS);
        if (name != null) {
            Columns.type(schema, name, place, "set nameCol");
        }
        if (weight != null && !(Columns.type(schema, weight, place, "set weightCol") instanceof NumericType)) {
            throw new UserError(place + ": column " + weight + " is "
                    + schema.apply(weight).dataType().simpleString() + ", needs a number; set weightCol");
        }
    }

    /**
     * Refuses a frame that has no column of truth values of that name.
     *
     * @param remedy ends the message
     */
    public static void checkBoolean(String place, StructType schema, String column, String remedy) {
        DataType type = List.of(schema.fieldNames()).contains(column)
                ? schema.apply(column).dataType()
                : null;
        if (!DataTypes.BooleanType.equals(type)) {
            throw new UserError(place + ": column " + column + " is " + (type == null ? "missing" : type.simpleString())
                    + ", needs boolean; " + remedy);
        }
    }

    /** Refuses a frame that has no column of images of that name. */
    public static void checkImage(String place, StructType schema, String image) {
        ImageColumn.of(schema, image, place, "set imageCol");
    }

    /** Returns whether a frame has a column {@code path} of text, which names its images. */
    public static boolean hasPath(StructType schema) {
        return List.of(schema.fieldNames()).contains("path")
                && schema.apply("path").dataType().equals(DataTypes.StringType);
    }

    /** Returns the rows that have a label, see {@link LabelColumns#empty}, and an image, which may be broken. */
    public Dataset<Row> usable(String place, Dataset<?> frame) {
        LabelForm form = LabelForm.of(task, label);
        UserDefinedFunction labeled = functions.udf(
                (UDF1<Row, Boolean>) row -> LabelColumns.empty(row, 0, form).isEmpty(), DataTypes.BooleanType);
        ImageColumn images = ImageColumn.of(frame.schema(), image, place, "set imageCol");
        return frame.toDF()
                .filter(images.isThere(column(image)))
                .filter(labeled.apply(functions.struct(labels(frame, place, Keys.PARAMETERS))));
    }

    /** Returns the labels of a frame: text, or an array of text, of which {@link LabelColumns#text} makes one. */
    Column labels(Dataset<?> frame, String place, Keys keys) {
        if (task != Task.SINGLE_LABEL) {
            return LabelColumns.label(frame, LabelForm.of(task, label), place, keys.label);
        }
        Column one = column(label);
        return frame.schema().apply(label).dataType() instanceof NumericType
                ? LabelColumns.ofNumber(one)
                : one.cast(DataTypes.StringType); // of booleans: false and true
    }

    /** Returns the names of a frame's images, null where only the images themselves tell them. */
    Column names(StructType schema, String place) {
        if (name != null) {
            Columns.type(schema, name, place, "set nameCol");
            return column(name).cast(DataTypes.StringType);
        }
        return hasPath(schema) ? column("path") : functions.lit(null).cast(DataTypes.StringType);
    }

    /** Returns the column of that very name, dots and all. */
    public static Column column(String name) {
        return functions.col(Columns.quoted(name));
    }
}
