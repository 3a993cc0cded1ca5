package dev.grft.spark.tables;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.ClassNames;
import dev.grft.data.LabelForm;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** The columns of a table that tell what images show, as {@link LabelForm} says. */
public final class LabelColumns {
    private static final Set<DataType> LABELS = Set.of(
            DataTypes.StringType,
            DataTypes.BooleanType,
            DataTypes.ByteType,
            DataTypes.ShortType,
            DataTypes.IntegerType,
            DataTypes.LongType);

    private static final Set<String> NO_NUMBERS = Set.of("NaN", "Infinity", "-Infinity");
    private static final double MOST = 1e15; // whole numbers below are exact as doubles, and fit a long

    private LabelColumns() {}

    /** Returns the label of a column of numbers as text: whole ones without a point, null where it is not finite. */
    public static Column ofNumber(Column number) {
        Column finite = functions.when(number.between(-Double.MAX_VALUE, Double.MAX_VALUE), number);
        Column whole = functions.when(number.between(-MOST, MOST), number).cast(DataTypes.LongType);
        return functions
                .when(number.equalTo(whole), whole.cast(DataTypes.StringType))
                .otherwise(finite.cast(DataTypes.StringType));
    }

    /**
     * Returns the columns in which a cell of {@link #label} has no label: null, blank text for one class, a list with a class that has no name,
     * or no finite number. Empty if the row has a label. This decides for all parts of the program.
     */
    public static List<String> empty(Row row, int cell, LabelForm labels) {
        Object value = row.get(cell);
        if (value == null) {
            return labels.columns();
        }
        if (value instanceof String text) {
            return labels.task() == Task.SINGLE_LABEL && text.isBlank() ? labels.columns() : List.of();
        }
        List<@Nullable String> cells = row.getList(cell);
        if (!labels.byColumn()) {
            return cells.stream().anyMatch(LabelColumns::isNone) ? labels.columns() : List.of();
        }
        List<String> empty = new ArrayList<>();
        for (int i = 0; i < cells.size(); i++) {
            String text = cells.get(i);
            if (isNone(text) || NO_NUMBERS.contains(text)) {
                empty.add(labels.columns().get(i));
            }
        }
        return empty;
    }

    private static boolean isNone(@Nullable String text) {
        return text == null || text.isBlank();
    }

    /**
     * Returns the labels of a table: a string, or an array of strings, of which {@link #text} makes one.
     *
     * @param key of the settings that names the columns, for messages
     */
    public static Column label(Dataset<?> table, LabelForm labels, String path, String key) {
        check(table.schema(), labels, path, key);
        List<Column> columns = new ArrayList<>();
        for (String name : labels.columns()) {
            Column column = table.col(Columns.quoted(name));
            boolean list = isList(table.schema().apply(name).dataType(), labels);
            columns.add(column.cast(list ? DataTypes.createArrayType(DataTypes.StringType) : DataTypes.StringType));
        }
        return labels.byColumn() ? functions.array(columns.toArray(Column[]::new)) : columns.get(0);
    }

    private static boolean isList(DataType type, LabelForm labels) {
        return labels.task() == Task.MULTI_LABEL && type instanceof ArrayType array && isClass(array.elementType());
    }

    /** Refuses columns of another type than the labels have. */
    public static void check(StructType schema, LabelForm labels, String path, String key) {
        for (String name : labels.columns()) {
            DataType type = Columns.type(schema, name, path, "set " + key);
            boolean fits = labels.byColumn()
                    ? type instanceof NumericType || type.equals(DataTypes.BooleanType)
                    : labels.task() == Task.SINGLE_LABEL
                            ? isClass(type)
                            : isList(type, labels) || type.equals(DataTypes.StringType);
            if (!fits) {
                throw new UserError(path + ": column " + name + " is " + type.simpleString() + ", needs "
                        + switch (labels.task()) {
                            case SINGLE_LABEL -> "string, boolean or an integer";
                            case MULTI_LABEL ->
                                labels.byColumn()
                                        ? "0 and 1 or a boolean"
                                        : "an array of strings or integers, or string with " + LabelForm.BAR
                                                + " between classes";
                            case REGRESSION -> "a number";
                        }
                        + "; is " + key + " right?");
            }
        }
    }

    private static boolean isClass(DataType type) {
        boolean whole = type instanceof DecimalType decimal && decimal.scale() == 0; // as unsigned longs are read
        return whole || LABELS.contains(type);
    }

    /**
     * Returns the label of a cell of {@link #label}; null if there is none.
     *
     * @param classes by number; null if the cell names them
     * @throws IllegalArgumentException if it does not fit; the message goes on from the image's name
     */
    public static @Nullable String text(Row row, int cell, LabelForm labels, @Nullable ClassNames classes) {
        Object value = row.get(cell);
        if (value == null
                || (value instanceof String && !empty(row, cell, labels).isEmpty())) {
            return null;
        }
        if (value instanceof String text) {
            return classes == null || labels.task() != Task.SINGLE_LABEL ? labels.ofText(text) : number(classes, text);
        }
        List<@Nullable String> texts = new ArrayList<>(row.getList(cell));
        if (labels.byColumn()) {
            return labels.ofCells(texts);
        }
        texts.replaceAll(name -> classes == null || name == null ? name : number(classes, name));
        return labels.ofClasses(texts);
    }

    private static @Nullable String number(ClassNames classes, String number) {
        try {
            return classes.of(number);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("has the label of " + e.getMessage(), e);
        }
    }
}
