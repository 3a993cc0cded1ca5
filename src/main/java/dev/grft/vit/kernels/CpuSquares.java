package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.buffer;
import static dev.grft.vit.kernels.CpuArrays.doubles;
import static dev.grft.vit.kernels.CpuArrays.pointer;
import static dev.grft.vit.kernels.CpuProducts.sgemm;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Sums of squared or absolute gradients: the scores of rows and columns. */
final class CpuSquares {
    private final CpuScratch scratch;

    CpuSquares(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void addSquaredGradients(INDArray dy, INDArray x, int examples, INDArray rows, INDArray columns) {
        int t = (int) (dy.size(0) / examples);
        int out = (int) dy.size(1);
        int in = (int) x.size(1);
        FloatPointer d = pointer(dy);
        FloatPointer f = pointer(x);
        boolean ghost = GhostNorm.isCheaper(t, out, in);
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        for (int b = 0; b < examples; b++) {
            d.position((long) b * t * out);
            f.position((long) b * t * in);
            if (ghost) {
                addGhost(d, out, f, in, t, r);
                addGhost(f, in, d, out, t, c);
            } else {
                FloatPointer g = scratch.matrix(0, (long) out * in);
                sgemm(true, d, out, false, f, in, out, in, t, 1, 0, g, in);
                addSquares(g.asBuffer(), out, in, r, c);
            }
        }
        rows.data().setData(r);
        columns.data().setData(c);
    }

    void addSquares(INDArray g, INDArray rows, INDArray columns) {
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        addSquares(buffer(g), (int) g.size(0), (int) g.size(1), r, c);
        rows.data().setData(r);
        columns.data().setData(c);
    }

    void addAbsolutes(INDArray g, INDArray rows, INDArray columns) {
        int in = (int) g.size(1);
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        float[] v = scratch.row(0, in);
        FloatBuffer from = buffer(g);
        for (int o = 0; o < r.length; o++) {
            from.get(o * in, v, 0, in);
            double sum = 0;
            for (int i = 0; i < in; i++) {
                double absolute = Math.abs(v[i]);
                c[i] += absolute;
                sum += absolute;
            }
            r[o] += sum;
        }
        rows.data().setData(r);
        columns.data().setData(c);
    }

    /** Adds the row and column sums of the squares of {@code g [out, in]}. */
    private void addSquares(FloatBuffer g, int out, int in, double[] rows, double[] columns) {
        float[] v = scratch.row(0, in);
        double[] acc = scratch.sums(in);
        for (int o = 0; o < out; o++) {
            g.get(o * in, v, 0, in);
            for (int i = 0; i < in; i++) {
                double square = (double) v[i] * v[i];
                columns[i] += square;
                acc[i] = square;
            }
            double sum = 0;
            for (int i = 0; i < in; i++) {
                sum += acc[i];
            }
            rows[o] += sum;
        }
    }

    /** Adds diag(a' (b b') a), each entry at least 0, to {@code sums [n]}; a is {@code [t, n]}, b {@code [t, k]}. */
    private void addGhost(FloatPointer a, int n, FloatPointer b, int k, int t, double[] sums) {
        FloatPointer between = scratch.matrix(0, (long) t * t);
        FloatPointer product = scratch.matrix(1, (long) t * Math.max(n, k)); // as large as the other call's
        sgemm(false, b, k, true, b, k, t, t, k, 1, 0, between, t);
        sgemm(false, between, t, false, a, n, t, n, t, 1, 0, product, n);
        addColumnDots(a.asBuffer(), product.asBuffer(), t, n, sums);
    }

    /** Adds the column sums of {@code a * b}, both {@code [m, n]}, each at least 0, to {@code acc [n]}. */
    private void addColumnDots(FloatBuffer a, FloatBuffer b, int m, int n, double[] acc) {
        float[] u = scratch.row(0, n);
        float[] v = scratch.row(1, n);
        double[] one = scratch.sums(n);
        Arrays.fill(one, 0, n, 0);
        for (int i = 0; i < m; i++) {
            a.get(i * n, u, 0, n);
            b.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                one[j] += (double) u[j] * v[j];
            }
        }
        for (int j = 0; j < n; j++) {
            acc[j] += Math.max(0, one[j]);
        }
    }
}
