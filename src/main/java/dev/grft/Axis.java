package dev.grft;

/** The two ways to cut a weight matrix {@code [out, in]} into slices. */
public enum Axis {
    /** A slice is a row: the {@code in} incoming weights of one output neuron. */
    ROW,

    /** A slice is a column: the {@code out} outgoing weights of one input feature. */
    COLUMN;

    /** Returns how many slices a matrix has along this axis: {@code out} rows or {@code in} columns. */
    public int count(MatrixShape shape) {
        return this == ROW ? shape.out() : shape.in();
    }

    /** Returns how many numbers one slice holds: {@code in} for a row, {@code out} for a column. */
    public int length(MatrixShape shape) {
        return this == ROW ? shape.in() : shape.out();
    }

    /**
     * Returns where a number of a slice lies in the row-major matrix {@code [out, in]}.
     *
     * @param index of the slice, in {@code [0, count)}
     * @param number within the slice, in {@code [0, length)}
     */
    public int position(MatrixShape shape, int index, int number) {
        return this == ROW ? index * shape.in() + number : number * shape.in() + index;
    }

    /**
     * Returns the index of the slice in which a number of the row-major matrix {@code [out, in]} lies.
     *
     * @param position in {@code [0, out * in)}
     */
    public int index(MatrixShape shape, int position) {
        return this == ROW ? position / shape.in() : position % shape.in();
    }
}
