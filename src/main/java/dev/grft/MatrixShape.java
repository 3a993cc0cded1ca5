package dev.grft;

import java.io.Serializable;

/**
 * The shape {@code [out, in]} of a weight matrix, in PyTorch's layout: {@code out} rows (output neurons) of {@code in}
 * columns (input features).
 *
 * @param out number of rows, at least 1
 * @param in number of columns, at least 1
 */
public record MatrixShape(int out, int in) implements Serializable {
    public MatrixShape {
        if (out < 1 || in < 1) {
            throw new IllegalArgumentException(
                    "a matrix needs at least one row and one column, got [" + out + ", " + in + "]");
        }
    }

    /** Returns the number of entries, {@code out * in}. */
    public long size() {
        return (long) out * in;
    }
}
