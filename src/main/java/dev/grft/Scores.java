package dev.grft;

import java.io.Serializable;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * The scores of every row and every column: the paper's is the sum of its squared gradients at the pretrained weights ({@link Grft#score}).
 *
 * <p>A sum over examples is a sum over machines: each adds what it has seen to a {@link #zero}, and {@link #merge} puts
 * the parts together. Two vectors per matrix, {@code out + in} numbers, stand for the {@code out * in} squares; for
 * ViT-B/16 that is 148,992 numbers instead of 85.5 million.
 *
 * <p>Whose gradients are squared, or what else is added, is the choice of {@code selection.score}. Mutable; one thread at a
 * time.
 */
public final class Scores implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Map<String, MatrixShape> shapes = new LinkedHashMap<>();
    private final Map<String, double[]> rows = new LinkedHashMap<>(); // [out] each
    private final Map<String, double[]> columns = new LinkedHashMap<>(); // [in] each
    private long examples;

    private Scores() {}

    /**
     * Returns scores of 0 for matrices of these shapes, from no example; the iteration order is kept as network
     * order.
     */
    public static Scores zero(Map<String, MatrixShape> shapes) {
        Scores scores = new Scores();
        shapes.forEach((matrix, shape) -> {
            scores.shapes.put(matrix, shape);
            scores.rows.put(matrix, new double[shape.out()]);
            scores.columns.put(matrix, new double[shape.in()]);
        });
        return scores;
    }

    /**
     * Returns the squares of the weights themselves in place of gradients': the score of a baseline that has seen no image.
     *
     * @param weights {@code [out, in]} row-major by matrix
     */
    public static Scores ofWeights(Map<String, MatrixShape> shapes, Map<String, float[]> weights) {
        Scores scores = zero(shapes);
        shapes.forEach((matrix, shape) -> {
            float[] w = weights.get(matrix);
            if (w == null || w.length != shape.size()) {
                throw new IllegalArgumentException("no weights of " + matrix + ", or not " + shape);
            }
            double[] values =
                    IntStream.range(0, w.length).mapToDouble(i -> w[i]).toArray();
            scores.add(matrix, Grft.score(shape, Axis.ROW, values), Grft.score(shape, Axis.COLUMN, values));
        });
        return scores;
    }

    /** Returns a copy of the scores of some of the matrices. */
    public Scores only(Predicate<String> wanted) {
        Map<String, MatrixShape> some = new LinkedHashMap<>(shapes);
        some.keySet().removeIf(matrix -> !wanted.test(matrix));
        Scores scores = zero(some);
        some.keySet().forEach(matrix -> scores.add(matrix, known(rows, matrix), known(columns, matrix)));
        scores.countExamples(examples);
        return scores;
    }

    /**
     * Adds the squared gradients of one matrix.
     *
     * @param rows {@code [out]}: for each row, the sum of its squared gradients; not kept
     * @param columns {@code [in]}: the same for each column; not kept
     * @throws IllegalArgumentException for an unknown matrix or the wrong length
     */
    public void add(String matrix, double[] rows, double[] columns) {
        double[] rowSums = known(this.rows, matrix);
        double[] columnSums = known(this.columns, matrix);
        if (rows.length != rowSums.length || columns.length != columnSums.length) {
            throw new IllegalArgumentException(matrix + " is " + shapes.get(matrix) + ", got sums of " + rows.length
                    + " rows and " + columns.length + " columns");
        }
        accumulate(rowSums, rows);
        accumulate(columnSums, columns);
    }

    /** Counts {@code n} more examples, which have been added to every matrix. */
    public void countExamples(long n) {
        if (n < 0) {
            throw new IllegalArgumentException("a number of examples must not be negative, got " + n);
        }
        examples += n;
    }

    /**
     * Returns these scores after adding the other's to them in place. Associative and commutative up to rounding;
     * {@link #zero} is the identity. Add the parts in a fixed order where the last bit matters.
     *
     * @throws IllegalArgumentException if the other has other matrices
     */
    @SuppressWarnings("CanIgnoreReturnValueSuggester") // the result is for aggregators; a caller in a loop may drop it
    public Scores merge(Scores other) {
        if (!shapes.equals(other.shapes)) {
            throw new IllegalArgumentException(
                    "cannot merge scores of different matrices: " + shapes + " and " + other.shapes);
        }
        for (String matrix : shapes.keySet()) {
            add(matrix, known(other.rows, matrix), known(other.columns, matrix));
        }
        examples += other.examples;
        return this;
    }

    /** Returns a copy of the scores of a matrix's rows, {@code [out]}. */
    public double[] rows(String matrix) {
        return known(rows, matrix).clone();
    }

    /** Returns a copy of the scores of a matrix's columns, {@code [in]}. */
    public double[] columns(String matrix) {
        return known(columns, matrix).clone();
    }

    /** Returns a copy of the scores of a matrix's slices along an axis, {@code [axis.count(shape)]}. */
    public double[] of(String matrix, Axis axis) {
        return axis == Axis.ROW ? rows(matrix) : columns(matrix);
    }

    /** Returns the number of examples counted so far. */
    public long examples() {
        return examples;
    }

    /** Returns the shapes of the matrices in network order; a view that cannot be changed. */
    public Map<String, MatrixShape> shapes() {
        return Collections.unmodifiableMap(shapes);
    }

    /**
     * Returns the shape of a matrix.
     *
     * @throws IllegalArgumentException for an unknown matrix
     */
    MatrixShape shape(String matrix) {
        return known(shapes, matrix);
    }

    /** Refuses sums that cannot be ranked: NaN, infinite or negative. */
    void requireRankable() {
        rows.forEach((matrix, sums) -> requireRankable(matrix, "row", sums));
        columns.forEach((matrix, sums) -> requireRankable(matrix, "column", sums));
    }

    private static void requireRankable(String matrix, String slice, double[] sums) {
        for (int i = 0; i < sums.length; i++) {
            if (!(sums[i] >= 0 && sums[i] < Double.POSITIVE_INFINITY)) {
                throw UserError.of(
                        "scores: %s %s %d has the score %s, expected a finite number >= 0; look for NaN in the pretrained"
                                + " weights and the images, and at selection.score",
                        matrix, slice, i, sums[i]);
            }
        }
    }

    private static void accumulate(double[] sums, double[] summands) {
        for (int i = 0; i < sums.length; i++) {
            sums[i] += summands[i];
        }
    }

    private static <T> T known(Map<String, T> some, String matrix) {
        T found = some.get(matrix);
        if (found == null) {
            throw new IllegalArgumentException("no scores of " + matrix + ", only of " + some.keySet());
        }
        return found;
    }
}
