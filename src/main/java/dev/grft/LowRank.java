package dev.grft;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** A low-rank update, {@code W += scale B A}: what LoRA trains (Hu et al. 2021, arXiv 2106.09685, equation 3). */
public final class LowRank extends Addition implements Mergeable {
    private static final long serialVersionUID = 1L;

    private final double scale;
    private final float[] a; // [r, in]
    private final float[] b; // [out, r]

    /**
     * Returns an update.
     *
     * @param scale alpha / r
     * @param a {@code [r, in]} row-major
     * @param b {@code [out, r]} row-major
     * @throws IllegalArgumentException if they do not fit the shape
     */
    public LowRank(String matrix, MatrixShape shape, double scale, float[] a, float[] b) {
        super(matrix, shape);
        this.scale = scale;
        this.a = a;
        this.b = b;
        int rank = a.length / shape.in();
        if (rank < 1 || a.length != rank * shape.in() || b.length != shape.out() * rank) {
            throw new IllegalArgumentException(matrix + ": factors of " + a.length + " and " + b.length
                    + " numbers have no common rank for " + shape);
        }
    }

    /** Returns the name under which A of a matrix trains. */
    public static String nameOfA(String matrix) {
        return matrix + ".lora_a";
    }

    /** Returns the name under which B of a matrix trains. */
    public static String nameOfB(String matrix) {
        return matrix + ".lora_b";
    }

    /** Returns r. */
    public int rank() {
        return a.length / shape.in();
    }

    /** Returns the factor of B A. */
    public double scale() {
        return scale;
    }

    @Override
    public Map<String, float[]> arrays() {
        Map<String, float[]> arrays = new LinkedHashMap<>();
        arrays.put(nameOfA(matrix), a);
        arrays.put(nameOfB(matrix), b);
        return Collections.unmodifiableMap(arrays);
    }

    @Override
    public Mergeable mergeable() {
        return this;
    }

    @Override
    public Kind kind() {
        return Kind.LOW_RANK;
    }

    @Override
    public void mergeInto(float[] weight) {
        int rank = rank();
        int in = shape.in();
        for (int o = 0; o < shape.out(); o++) {
            for (int i = 0; i < in; i++) {
                double update = 0;
                for (int r = 0; r < rank; r++) {
                    update += (double) b[o * rank + r] * a[r * in + i];
                }
                weight[o * in + i] = Slices.sum(weight[o * in + i], (float) (scale * update));
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LowRank update
                && matrix.equals(update.matrix)
                && shape.equals(update.shape)
                && scale == update.scale
                && Arrays.equals(a, update.a)
                && Arrays.equals(b, update.b);
    }

    @Override
    public int hashCode() {
        return Objects.hash(matrix, shape, scale, Arrays.hashCode(b));
    }

    @Override
    public String toString() {
        return "an update of rank " + rank() + " of " + matrix;
    }
}
