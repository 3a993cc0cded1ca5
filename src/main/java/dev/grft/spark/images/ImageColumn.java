package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Target;
import dev.grft.spark.tables.Columns;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * How a column of a table holds images: the bytes of files; a struct with a field {@code bytes} of them, as Hugging Face
 * writes; or pixels, as Spark's data source {@code image} reads.
 */
public final class ImageColumn implements Serializable {
    /** Spark's setting of the rows of Parquet that it decodes at a time, into one array. */
    public static final String ROWS_AT_A_TIME = "spark.sql.parquet.columnarReaderBatchSize";

    /** Its value where rows hold images: 4,096 photos, as by default, would be gigabytes. */
    public static final String AT_A_TIME = "8";

    private static final long serialVersionUID = 1L;
    private static final List<String> PIXELS = List.of("height", "width", "nChannels", "data");

    private final int name; // of the field with a name; -1: none
    private final int bytes; // of the field with the bytes of a file; -1: no struct, or pixels
    private final int @Nullable [] pixels; // of the fields of PIXELS

    private ImageColumn(int name, int bytes, int @Nullable [] pixels) {
        this.name = name;
        this.bytes = bytes;
        this.pixels = pixels;
    }

    /**
     * Returns the images of a column.
     *
     * @param place for messages
     * @param remedy such as {@code set data.imageColumn}
     * @throws UserError if there is no such column, or it is of another type
     */
    public static ImageColumn of(StructType table, String column, String place, String remedy) {
        DataType type = Columns.type(table, column, place, remedy);
        if (type.equals(DataTypes.BinaryType)) {
            return new ImageColumn(-1, -1, null);
        }
        if (type instanceof StructType struct) {
            int bytes = index(struct, "bytes", DataTypes.BinaryType);
            if (bytes >= 0) {
                return new ImageColumn(index(struct, "path", DataTypes.StringType), bytes, null);
            }
            int[] pixels = PIXELS.stream()
                    .mapToInt(field ->
                            index(struct, field, field.equals("data") ? DataTypes.BinaryType : DataTypes.IntegerType))
                    .toArray();
            if (Arrays.stream(pixels).allMatch(index -> index >= 0)) {
                return new ImageColumn(index(struct, "origin", DataTypes.StringType), -1, pixels);
            }
        }
        throw new UserError(place + ": column " + column + " is " + type.simpleString()
                + ", needs binary, a struct with a binary field bytes, or a Spark image; " + remedy);
    }

    private static int index(StructType struct, String name, DataType type) {
        StructField[] fields = struct.fields();
        for (int i = 0; i < fields.length; i++) {
            if (fields[i].name().equals(name) && fields[i].dataType().equals(type)) {
                return i;
            }
        }
        return -1;
    }

    /** Returns the name that a cell itself has, such as the path that it was read from; null if it has none. */
    @Nullable
    public String name(@Nullable Object cell) {
        return name < 0 || cell == null ? null : ((Row) cell).getString(name);
    }

    /** Returns the condition that a cell of the column has an image, broken or not. */
    Column isThere(Column column) {
        return (bytes < 0 ? column : column.getField("bytes")).isNotNull();
    }

    /**
     * Returns the image in a cell.
     *
     * @param cell null is a broken image
     */
    public Encoded image(String imageName, Target target, @Nullable Object cell) {
        if (cell == null) {
            return Encoded.broken(imageName, target, "empty");
        }
        if (pixels != null) {
            Row image = (Row) cell;
            byte[] samples = image.isNullAt(pixels[3]) ? new byte[0] : image.<byte[]>getAs(pixels[3]);
            return Encoded.pixels(
                    imageName,
                    target,
                    number(image, pixels[0]),
                    number(image, pixels[1]),
                    number(image, pixels[2]),
                    samples);
        }
        if (bytes < 0) {
            return Encoded.file(imageName, target, (byte[]) cell);
        }
        Row image = (Row) cell;
        if (image.isNullAt(bytes)) {
            String path = name(cell);
            return Encoded.broken(
                    imageName,
                    target,
                    path == null ? "empty" : "has no bytes, only the path " + path + "; embed the file");
        }
        return Encoded.file(imageName, target, image.<byte[]>getAs(bytes));
    }

    private static int number(Row image, int field) {
        return image.isNullAt(field) ? 0 : image.getInt(field);
    }
}
