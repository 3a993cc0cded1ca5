package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuProducts.sgemm;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.pointer;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.size;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;

/** Sums of squared or absolute gradients: the scores of rows and columns. */
final class CpuSquares {
    private static final int COLUMNS = 256; // that a thread sums at once

    private final CpuScratch scratch;
    private final CpuThreads threads;

    CpuSquares(CpuScratch scratch, CpuThreads threads) {
        this.scratch = scratch;
        this.threads = threads;
    }

    void addSquaredGradients(Array dy, Array x, int examples, Array rows, Array columns) {
        int t = Math.toIntExact(dy.size(0) / examples);
        int out = size(dy, 1);
        int in = size(x, 1);
        FloatPointer d = pointer(dy);
        FloatPointer f = pointer(x);
        CpuMemory ds = memory(dy);
        CpuMemory xs = memory(x);
        boolean ghost = ghostIsCheaper(t, out, in);
        double[] r = rows.doubles();
        double[] c = columns.doubles();
        for (long b = 0; b < examples; b++) {
            d.position(b * t * out);
            f.position(b * t * in);
            if (ghost) {
                addGhost(d, ds, out, f, in, t, r);
                addGhost(f, xs, in, d, out, t, c);
            } else {
                FloatPointer g = scratch.matrix(0, (long) out * in);
                sgemm(true, d, out, false, f, in, out, in, t, 1, 0, g, in);
                addSquares(new CpuMemory(g), out, in, r, c);
            }
        }
        rows.write(r);
        columns.write(c);
    }

    /** Returns whether forming the gradient of one example costs more multiplications than the ghost-norm identity. */
    static boolean ghostIsCheaper(long tokens, long out, long in) {
        return 2 * tokens * tokens * (out + in) < tokens * out * in + 2 * out * in;
    }

    void addToSums(Array x, Array sums) {
        x.requireLength(sums.length());
        double[] all = sums.doubles();
        float[] values = read(x);
        for (int i = 0; i < all.length; i++) {
            all[i] += values[i];
        }
        sums.write(all);
    }

    void addSquares(Array g, Array rows, Array columns) {
        double[] r = rows.doubles();
        double[] c = columns.doubles();
        addSquares(memory(g), size(g, 0), size(g, 1), r, c);
        rows.write(r);
        columns.write(c);
    }

    void addAbsolutes(Array g, Array rows, Array columns) {
        double[] r = rows.doubles();
        double[] c = columns.doubles();
        add(memory(g), size(g, 0), size(g, 1), r, c, (v, values, n) -> {
            for (int i = 0; i < n; i++) {
                values[i] = Math.abs(v[i]);
            }
        });
        rows.write(r);
        columns.write(c);
    }

    /** Adds the row and column sums of the squares of {@code g [out, in]}. */
    void addSquares(CpuMemory g, int out, int in, double[] rows, double[] columns) {
        add(g, out, in, rows, columns, (v, values, n) -> {
            for (int i = 0; i < n; i++) {
                values[i] = (double) v[i] * v[i];
            }
        });
    }

    /** Puts a function of each of the first n entries of {@code v} into {@code values}. */
    private interface OfEntry {
        void apply(float[] v, double[] values, int n);
    }

    private void add(CpuMemory g, int out, int in, double[] rows, double[] columns, OfEntry function) {
        long block = CpuThreads.block(out, in, in);
        double[][] parts = new double[Math.toIntExact((out + block - 1) / block)][in];
        threads.blocks(out, block, (lane, from, to) -> {
            float[] v = lane.row(0, in);
            double[] values = lane.sums(in);
            double[] part = parts[(int) (from / block)];
            for (int o = (int) from; o < to; o++) {
                g.get((long) o * in, v, 0, in);
                function.apply(v, values, in);
                double sum = 0;
                for (int i = 0; i < in; i++) {
                    part[i] += values[i];
                    sum += values[i];
                }
                rows[o] += sum;
            }
        });
        for (double[] part : parts) {
            for (int i = 0; i < in; i++) {
                columns[i] += part[i];
            }
        }
    }

    /** Adds diag(a' (b b') a), each entry at least 0, to {@code sums [n]}; a is {@code [t, n]}, b {@code [t, k]}, where the pointers stand. */
    private void addGhost(FloatPointer a, CpuMemory ofA, int n, FloatPointer b, int k, int t, double[] sums) {
        FloatPointer between = scratch.matrix(0, (long) t * t);
        FloatPointer product = scratch.matrix(1, (long) t * Math.max(n, k)); // as large as the other call's
        sgemm(false, b, k, true, b, k, t, t, k, 1, 0, between, t);
        sgemm(false, between, t, false, a, n, t, n, t, 1, 0, product, n);
        addColumnDots(ofA, a.position(), new CpuMemory(product), t, n, sums);
    }

    /** Adds the column sums of {@code a * b}, both {@code [m, n]}, each at least 0, to {@code acc [n]}; a begins at {@code at}. */
    void addColumnDots(CpuMemory a, long at, CpuMemory b, int m, int n, double[] acc) {
        threads.rows((n + COLUMNS - 1) / COLUMNS, (long) m * COLUMNS, (lane, first, last) -> {
            int from = (int) first * COLUMNS;
            int some = (int) Math.min(n, last * COLUMNS) - from;
            float[] u = lane.row(0, some);
            float[] v = lane.row(1, some);
            double[] one = lane.sums(some);
            Arrays.fill(one, 0, some, 0);
            for (long i = 0; i < m; i++) {
                a.get(at + i * n + from, u, 0, some);
                b.get(i * n + from, v, 0, some);
                for (int j = 0; j < some; j++) {
                    one[j] += (double) u[j] * v[j];
                }
            }
            for (int j = 0; j < some; j++) {
                acc[from + j] += Math.max(0, one[j]);
            }
        });
    }
}
