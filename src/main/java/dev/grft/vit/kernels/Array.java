package dev.grft.vit.kernels;

import java.util.Arrays;

/**
 * Values of one type in the memory that kernels compute on, row-major and contiguous. A {@link Memory} allocates them; {@link #close}
 * frees them at once. Views share the memory of the array that they are views of, and must not be used once it is closed.
 *
 * <p>An array is for the kernels of its own memory. What Java reads and writes are copies.
 */
public abstract class Array implements AutoCloseable {
    /** What values are. */
    public enum DataType {
        /** 32 bits. */
        FLOAT(4),
        /** 64 bits. */
        DOUBLE(8),
        /** 16 bits, the upper half of a float. */
        BFLOAT16(2);

        private final int width;

        DataType(int width) {
            this.width = width;
        }

        /** Returns the bytes of a value. */
        public int width() {
            return width;
        }
    }

    private final DataType type;
    private final long[] shape;
    private final long length;

    Array(DataType type, long... shape) {
        this.type = type;
        this.shape = shape.clone();
        this.length = length(shape);
    }

    /** Returns the type of the values. */
    public final DataType type() {
        return type;
    }

    /** Returns a copy of the shape. */
    public final long[] shape() {
        return shape.clone();
    }

    /** Returns the number of dimensions. */
    public final int rank() {
        return shape.length;
    }

    /** Returns the size of a dimension. */
    public final long size(int dimension) {
        return shape[dimension];
    }

    /** Returns the number of values. */
    public final long length() {
        return length;
    }

    /** Returns the bytes of the values. */
    public final long bytes() {
        return length * type.width();
    }

    /**
     * Returns a view of all values in another shape.
     *
     * @throws IllegalArgumentException if that has another number of values
     */
    public final Array reshape(long... newShape) {
        if (length(newShape) != length) {
            throw new IllegalArgumentException(this + " cannot have the shape " + Arrays.toString(newShape));
        }
        return part(0, newShape);
    }

    /**
     * Returns a view of as many values as a shape has.
     *
     * @param from number of the first value, counted from 0
     * @throws IllegalArgumentException if there are fewer
     */
    public final Array view(long from, long... newShape) {
        if (from < 0 || Arrays.stream(newShape).anyMatch(size -> size < 0) || length - from < length(newShape)) {
            throw new IllegalArgumentException(this + " has no " + Arrays.toString(newShape) + " from value " + from);
        }
        return part(from, newShape);
    }

    /**
     * Returns a view of rows {@code from} to {@code to} (exclusive) of the first dimension; those of a vector are its values.
     *
     * @throws IllegalArgumentException if they are not there
     */
    public final Array rows(long from, long to) {
        long[] some = shape.clone();
        some[0] = to - from;
        return view(from * (length / Math.max(1, shape[0])), some);
    }

    static long length(long... shape) {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    /** Returns a view of values that are there. */
    abstract Array part(long from, long... newShape);

    /** Returns this array, after putting a value everywhere. */
    public abstract Array fill(double value);

    /** Returns this array, after overwriting it with the values of another, of equal length and any type. */
    public abstract Array copy(Array other);

    /**
     * Returns this array, after overwriting its values.
     *
     * @throws IllegalArgumentException if there are more or fewer
     */
    public abstract Array write(float[] values);

    /** Returns the same, see {@link #write(float[])}. */
    public abstract Array write(double[] values);

    /** Puts the values into an array of as many. */
    public abstract void read(float[] values);

    /** Returns a copy of the values. */
    public abstract double[] doubles();

    /** Returns a copy of the values. */
    public final float[] floats() {
        float[] values = new float[Math.toIntExact(length)];
        read(values);
        return values;
    }

    /** Returns a copy of a matrix, by rows. */
    public final float[][] matrix() {
        return byRow(floats(), Math.toIntExact(size(0)));
    }

    /** Returns copies of the rows of a matrix, given its values row by row. */
    public static float[][] byRow(float[] values, int count) {
        float[][] rows = new float[count][];
        for (int r = 0; r < count; r++) {
            int columns = values.length / count;
            rows[r] = Arrays.copyOfRange(values, r * columns, (r + 1) * columns);
        }
        return rows;
    }

    /** Frees the memory. Does nothing to views and to arrays that are freed already. */
    @Override
    public abstract void close();

    final void requireLength(long other) {
        if (other != length) {
            throw new IllegalArgumentException(other + " values for " + this);
        }
    }

    @Override
    public final String toString() {
        return type + Arrays.toString(shape);
    }
}
