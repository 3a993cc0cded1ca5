package dev.grft.vit.kernels.onednn;

/**
 * Matrices {@code [count, rows, columns]} in memory, as views: the distance of their entries, in values, from one matrix, row and column to
 * the next.
 */
public record Matrices(long count, long rows, long columns, long perMatrix, long perRow, long perColumn) {

    /** Returns one matrix, row after row. */
    public static Matrices one(long rows, long columns) {
        return new Matrices(1, rows, columns, rows * columns, columns, 1);
    }

    /** Returns matrices one after the other, each row after row. */
    public static Matrices several(long count, long rows, long columns) {
        return new Matrices(count, rows, columns, rows * columns, columns, 1);
    }

    /** Returns heads side by side: head i has the columns from {@code i * columns} on of rows that are {@code perRow} values apart. */
    public static Matrices heads(long count, long rows, long columns, long perRow) {
        return new Matrices(count, rows, columns, columns, perRow, 1);
    }

    /** Returns the transposed view of the same memory. */
    public Matrices transposed() {
        return new Matrices(count, columns, rows, perMatrix, perColumn, perRow);
    }

    long[] sizes() {
        return count == 1 ? new long[] {rows, columns} : new long[] {count, rows, columns};
    }

    long[] strides() {
        return count == 1 ? new long[] {perRow, perColumn} : new long[] {perMatrix, perRow, perColumn};
    }
}
