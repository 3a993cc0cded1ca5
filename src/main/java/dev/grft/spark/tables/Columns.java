package dev.grft.spark.tables;

import dev.grft.UserError;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Columns of a table by their names. */
public final class Columns {
    private Columns() {}

    /**
     * Returns the type of a column.
     *
     * @throws UserError if there is none of that name, or more than one
     */
    public static DataType type(StructType table, String column, String place, String remedy) {
        List<StructField> found = Arrays.stream(table.fields())
                .filter(field -> field.name().equals(column))
                .toList();
        if (found.size() != 1) {
            throw new UserError(place
                    + (found.isEmpty()
                            ? ": there is no column " + column + ", only " + String.join(", ", table.fieldNames())
                            : ": there are " + found.size() + " columns " + column)
                    + "; " + remedy);
        }
        return found.get(0).dataType();
    }

    /** Returns a name as Spark's expressions take it, dots and all. */
    public static String quoted(String column) {
        return "`" + column.replace("`", "``") + "`";
    }
}
