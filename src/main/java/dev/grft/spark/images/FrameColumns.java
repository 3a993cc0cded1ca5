package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.spark.tables.Columns;
import java.util.List;
import org.apache.spark.sql.Column;
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
                "; set handleInvalid to skip to train without them"),
        /** Settings of a run. */
        SETTINGS("data.imageColumn", "data.labelColumn", "give them different names in a column path", "");

        final String image;
        final String label;
        final String apart; // what tells rows apart
        final String unlabeled; // ends a message about rows without labels

        Keys(String image, String label, String apart, String unlabeled) {
            this.image = image;
            this.label = label;
            this.apart = apart;
            this.unlabeled = unlabeled;
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

    /** Returns the condition that a row has a label: neither null nor blank nor NaN in any of the columns. */
    public Column labeled(StructType schema) {
        Column all = functions.lit(true);
        for (String name : LabelForm.of(task, label).columns()) {
            DataType type = schema.apply(name).dataType();
            Column cell = column(name);
            all = all.and(cell.isNotNull());
            if (type.equals(DataTypes.DoubleType) || type.equals(DataTypes.FloatType)) {
                all = all.and(functions.not(functions.isnan(cell)));
            } else if (type.equals(DataTypes.StringType) && task == Task.SINGLE_LABEL) {
                all = all.and(functions.trim(cell).notEqual(""));
            }
        }
        return all;
    }

    /** Returns the column of that very name, dots and all. */
    public static Column column(String name) {
        return functions.col(Columns.quoted(name));
    }
}
