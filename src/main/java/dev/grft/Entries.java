package dev.grft;

import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/**
 * Single entries of a matrix, as many of each row: what GPS trains (arXiv 2312.10136). {@code W[o, columns[k, o]] +=
 * values[k, o]}.
 */
public final class Entries extends Addition implements Mergeable {
    private static final long serialVersionUID = 1L;

    private final int[] columns; // [K, out]
    private final float[] values; // [K, out]

    /**
     * Returns trained entries.
     *
     * @param columns the column of each entry, {@code [K, out]}: the k-th entries of all rows side by side; distinct in a
     *     row
     * @param values trained minus pretrained values, {@code [K, out]}
     * @throws IllegalArgumentException if they do not fit the shape
     */
    public Entries(String matrix, MatrixShape shape, int[] columns, float[] values) {
        super(matrix, shape);
        this.columns = columns;
        this.values = values;
        if (columns.length == 0 || columns.length % shape.out() != 0 || values.length != columns.length) {
            throw new IllegalArgumentException(matrix + ": " + values.length + " values at " + columns.length
                    + " columns are not as many entries of each of " + shape.out() + " rows");
        }
        int perRow = columns.length / shape.out();
        for (int o = 0; o < shape.out(); o++) {
            int[] row = new int[perRow];
            for (int k = 0; k < perRow; k++) {
                row[k] = columns[k * shape.out() + o];
            }
            Arrays.sort(row);
            for (int k = 0; k < perRow; k++) {
                if (row[k] < 0 || row[k] >= shape.in() || (k > 0 && row[k] == row[k - 1])) {
                    throw new IllegalArgumentException(matrix + ": row " + o + " has the columns "
                            + Arrays.toString(row) + ", expected distinct ones in [0, " + shape.in() + ")");
                }
            }
        }
    }

    /**
     * Returns the entries with the largest absolute values of each row, with differences of 0; ties go to the lower column.
     *
     * @param gradient {@code [out, in]} row-major
     * @param perRow how many of each row, 1 or more; all of them if the rows are shorter
     */
    public static Entries largest(String matrix, MatrixShape shape, float[] gradient, int perRow) {
        int k = Math.min(perRow, shape.in());
        int[] columns = new int[Math.multiplyExact(k, shape.out())];
        boolean[] taken = new boolean[shape.in()];
        for (int o = 0; o < shape.out(); o++) {
            Arrays.fill(taken, false);
            for (int i = 0; i < k; i++) {
                int best = largest(gradient, o * shape.in(), taken);
                taken[best] = true;
                columns[i * shape.out() + o] = best;
            }
        }
        return new Entries(matrix, shape, columns, new float[columns.length]);
    }

    private static int largest(float[] numbers, int from, boolean[] taken) {
        int best = -1;
        for (int i = 0; i < taken.length; i++) {
            if (!taken[i] && (best < 0 || Math.abs(numbers[from + i]) > Math.abs(numbers[from + best]))) {
                best = i;
            }
        }
        return best;
    }

    /** Returns the same entries with other values. */
    public Entries with(float[] others) {
        return new Entries(matrix, shape, columns, others);
    }

    /** Returns the first entries of each row only, with differences of 0: of the largest, the largest. */
    public Entries first(int perRow) {
        int[] some = Arrays.copyOf(columns, Math.min(perRow, perRow()) * shape.out());
        return new Entries(matrix, shape, some, new float[some.length]);
    }

    /** Returns the name under which the entries of a matrix train. */
    public static String name(String matrix) {
        return matrix + ".entries";
    }

    /** Returns K, how many entries of each row. */
    public int perRow() {
        return columns.length / shape.out();
    }

    /** Returns the column of each entry, {@code [K, out]}, not copied; for reading only. */
    public int[] columns() {
        return columns;
    }

    @Override
    public Map<String, float[]> arrays() {
        return Map.of(name(matrix), values);
    }

    @Override
    public Mergeable mergeable() {
        return this;
    }

    @Override
    public Kind kind() {
        return Kind.ENTRIES;
    }

    /** Returns the numbers of a matrix {@code [out, in]} where the entries lie, {@code [K, out]}. */
    public float[] read(float[] weight) {
        float[] numbers = new float[columns.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = weight[position(i)];
        }
        return numbers;
    }

    @Override
    public void mergeInto(float[] weight) {
        for (int i = 0; i < values.length; i++) {
            int at = position(i);
            weight[at] = Slices.sum(weight[at], values[i]);
        }
    }

    /** Returns where an entry lies in its matrix, row-major. */
    private int position(int entry) {
        return (entry % shape.out()) * shape.in() + columns[entry];
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Entries entries
                && matrix.equals(entries.matrix)
                && shape.equals(entries.shape)
                && Arrays.equals(columns, entries.columns)
                && Arrays.equals(values, entries.values);
    }

    @Override
    public int hashCode() {
        return Objects.hash(matrix, shape, Arrays.hashCode(columns));
    }

    @Override
    public String toString() {
        return perRow() + " entries of each row of " + matrix;
    }
}
