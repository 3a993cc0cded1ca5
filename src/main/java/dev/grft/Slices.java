package dev.grft;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Objects;

/**
 * Some rows, or some columns, of one matrix. Their numbers are kept slice-major: {@code [count, length]} with the
 * whole of the first slice first, for rows and columns alike. Immutable.
 */
public final class Slices implements Serializable {
    private static final long serialVersionUID = 1L;

    private final String matrix;
    private final MatrixShape shape;
    private final Axis axis;
    private final int[] indices;

    /**
     * Returns the slices of a matrix at these indices.
     *
     * @param matrix timm name of the matrix
     * @param shape of the matrix
     * @param indices of the slices, at least one, ascending, each once, in {@code [0, axis.count(shape))}; copied
     * @throws IllegalArgumentException for other indices
     */
    public Slices(String matrix, MatrixShape shape, Axis axis, int... indices) {
        if (indices.length == 0) {
            throw new IllegalArgumentException(matrix + ": slices need an index; leave the matrix out instead");
        }
        for (int i = 0; i < indices.length; i++) {
            if (indices[i] < 0 || indices[i] >= axis.count(shape)) {
                throw new IllegalArgumentException(
                        matrix + ": index " + indices[i] + " is not in [0, " + axis.count(shape) + ")");
            }
            if (i > 0 && indices[i] <= indices[i - 1]) {
                throw new IllegalArgumentException(
                        matrix + ": indices must ascend, got " + indices[i] + " after " + indices[i - 1]);
            }
        }
        this.matrix = matrix;
        this.shape = shape;
        this.axis = axis;
        this.indices = indices.clone();
    }

    /** Returns the timm name of the matrix. */
    public String matrix() {
        return matrix;
    }

    /** Returns the shape of the matrix. */
    public MatrixShape shape() {
        return shape;
    }

    /** Returns whether these are rows or columns. */
    public Axis axis() {
        return axis;
    }

    /** Returns a copy of the indices, {@code [count]}, ascending. */
    public int[] indices() {
        return indices.clone();
    }

    /** Returns how many slices these are. */
    public int count() {
        return indices.length;
    }

    /** Returns how many numbers each slice holds. */
    public int length() {
        return axis.length(shape);
    }

    /** Returns how many numbers the slices hold together, {@code count * length}. */
    public long size() {
        return (long) count() * length();
    }

    /**
     * Returns a copy of the slices' numbers, {@code [count, length]}.
     *
     * @param weights {@code [out, in]} row-major
     * @throws IllegalArgumentException if the matrix has another size
     */
    public float[] read(float[] weights) {
        requireLength("matrix", weights, shape.size());
        float[] values = new float[Math.toIntExact(size())];
        int v = 0;
        for (int index : indices) {
            for (int number = 0; number < length(); number++) {
                values[v++] = weights[axis.position(shape, index, number)];
            }
        }
        return values;
    }

    /**
     * Puts numbers in place of the slices', the inverse of {@link #read}.
     *
     * @param values {@code [count, length]}
     * @param weights {@code [out, in]} row-major
     * @throws IllegalArgumentException if one of them has another size
     */
    public void write(float[] values, float[] weights) {
        requireLength("values", values, size());
        requireLength("matrix", weights, shape.size());
        int v = 0;
        for (int index : indices) {
            for (int number = 0; number < length(); number++) {
                weights[axis.position(shape, index, number)] = values[v++];
            }
        }
    }

    /**
     * Adds to the slices' numbers, in place, with one float addition each. Every number outside the slices keeps its
     * bits, and so does every value to which 0 is added.
     *
     * @param delta {@code [count, length]}
     * @param weights {@code [out, in]} row-major
     * @throws IllegalArgumentException if one of them has another size
     */
    public void add(float[] delta, float[] weights) {
        requireLength("delta", delta, size());
        requireLength("matrix", weights, shape.size());
        int v = 0;
        for (int index : indices) {
            for (int number = 0; number < length(); number++) {
                int position = axis.position(shape, index, number);
                weights[position] = sum(weights[position], delta[v++]);
            }
        }
    }

    /**
     * Returns numbers of these slices as other slices of the same matrix need them.
     *
     * @param values {@code [count, length]} of these
     * @param others along the same axis
     * @return {@code [others.count, length]}, 0 for those that are not among these
     * @throws IllegalArgumentException if the others are of another matrix or axis
     */
    float[] arranged(float[] values, Slices others) {
        requireLength("delta", values, size());
        requireAlike(others);
        float[] arranged = new float[Math.toIntExact(others.size())];
        for (int i = 0; i < others.indices.length; i++) {
            int at = Arrays.binarySearch(indices, others.indices[i]);
            if (at >= 0) {
                System.arraycopy(values, at * length(), arranged, i * length(), length());
            }
        }
        return arranged;
    }

    void requireAlike(Slices others) {
        if (!matrix.equals(others.matrix) || !shape.equals(others.shape) || axis != others.axis) {
            throw new IllegalArgumentException(this + " and " + others + " do not lie along one axis of one matrix");
        }
    }

    /** Returns {@code weight + delta}, and the very bits of {@code weight} for a delta of 0. */
    static float sum(float weight, float delta) {
        return delta == 0 ? weight : weight + delta; // -0.0f + 0.0f would be +0.0f
    }

    private void requireLength(String what, float[] array, long expected) {
        if (array.length != expected) {
            throw new IllegalArgumentException(
                    this + ": the " + what + " has " + array.length + " numbers, expected " + expected);
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Slices slices
                && matrix.equals(slices.matrix)
                && shape.equals(slices.shape)
                && axis == slices.axis
                && Arrays.equals(indices, slices.indices);
    }

    @Override
    public int hashCode() {
        return Objects.hash(matrix, shape, axis, Arrays.hashCode(indices));
    }

    @Override
    public String toString() {
        String slices = axis == Axis.ROW ? " rows of " : " columns of ";
        return count() + slices + matrix + " [" + shape.out() + ", " + shape.in() + "]";
    }
}
