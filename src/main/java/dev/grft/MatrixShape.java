package dev.grft;

import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/**
 * The shape {@code [out, in]} of a weight matrix, in PyTorch's layout: {@code out} rows (output neurons) of {@code in}
 * columns (input features).
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public final class MatrixShape implements Serializable {
    private static final long serialVersionUID = 1L;

    private final int out;
    private final int in;

    /**
     * Returns a shape.
     *
     * @param out number of rows, at least 1
     * @param in number of columns, at least 1
     */
    public MatrixShape(int out, int in) {
        if (out < 1 || in < 1) {
            throw new IllegalArgumentException(
                    "a matrix needs at least one row and one column, got [" + out + ", " + in + "]");
        }
        this.out = out;
        this.in = in;
    }

    /** Returns the number of rows, at least 1. */
    public int out() {
        return out;
    }

    /** Returns the number of columns, at least 1. */
    public int in() {
        return in;
    }

    /** Returns the number of entries, {@code out * in}. */
    public long size() {
        return (long) out * in;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof MatrixShape shape && out == shape.out && in == shape.in;
    }

    @Override
    public int hashCode() {
        return 31 * out + in;
    }

    @Override
    public String toString() {
        return "[" + out + ", " + in + "]";
    }
}
