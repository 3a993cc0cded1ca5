package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.isNarrow;
import static dev.grft.vit.kernels.CpuArrays.length;
import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.pointer;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.size;
import static dev.grft.vit.kernels.CpuScratch.CHUNK;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_saxpy;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Sums and products entry by entry, by row and by column. */
final class CpuRows {
    private static final int MOST = 1 << 30; // values of one call of BLAS, whose sizes are ints

    private final CpuScratch scratch;

    CpuRows(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void fillRows(INDArray values, INDArray y) {
        int n = size(y, 1);
        int m = size(y, 0);
        float[] v = read(memory(values), scratch.row(0, n), n);
        CpuMemory out = scratch.memory(0, y);
        for (long i = 0; i < m; i++) {
            out.put(i * n, v, 0, n);
        }
        out.flush();
    }

    void add(INDArray x, INDArray y) {
        if (isNarrow(x) || isNarrow(y)) {
            inPairs(x, y, y, (a, b, n) -> {
                for (int i = 0; i < n; i++) {
                    b[i] += a[i];
                }
            });
            return;
        }
        FloatPointer from = pointer(x);
        FloatPointer to = pointer(y);
        for (long at = 0; at < x.length(); at += MOST) {
            cblas_saxpy((int) Math.min(MOST, x.length() - at), 1f, from.position(at), 1, to.position(at), 1);
        }
    }

    void multiply(INDArray x, INDArray y) {
        inPairs(x, y, y, (a, b, n) -> {
            for (int i = 0; i < n; i++) {
                b[i] *= a[i];
            }
        });
    }

    void sum(INDArray base, INDArray delta, INDArray y) {
        inPairs(base, delta, y, (a, b, n) -> {
            for (int i = 0; i < n; i++) {
                b[i] += a[i];
            }
        });
    }

    /** A function of two values: replaces the first n values of {@code b} by its results. */
    private interface Pairwise {
        void apply(float[] a, float[] b, int n);
    }

    private void inPairs(INDArray first, INDArray second, INDArray y, Pairwise function) {
        long length = y.length();
        float[] a = scratch.row(0, CHUNK);
        float[] b = scratch.row(1, CHUNK);
        CpuMemory left = scratch.memory(0, first);
        CpuMemory right = scratch.memory(1, second);
        CpuMemory out = y == second ? right : memory(y);
        for (long at = 0; at < length; at += CHUNK) {
            int n = (int) Math.min(CHUNK, length - at);
            left.get(at, a, 0, n);
            right.get(at, b, 0, n);
            function.apply(a, b, n);
            out.put(at, b, 0, n);
        }
        out.flush();
    }

    void columnSums(INDArray x, INDArray out) {
        sumParts(x, size(x, 0), out);
    }

    /** Puts the sum of {@code m} parts of {@code x}, one after the other and each of the length of {@code out}, into out. */
    void sumParts(INDArray x, int m, INDArray out) {
        int n = length(out);
        float[] acc = scratch.row(0, n);
        float[] v = scratch.row(1, n);
        Arrays.fill(acc, 0, n, 0f);
        CpuMemory in = scratch.memory(0, x);
        for (long i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += v[j];
            }
        }
        memory(out).put(0, acc, 0, n);
    }

    void columnDots(INDArray a, INDArray b, INDArray out) {
        int m = size(a, 0);
        int n = size(a, 1);
        float[] acc = scratch.row(0, n);
        float[] u = scratch.row(1, n);
        float[] v = scratch.row(2, n);
        Arrays.fill(acc, 0, n, 0f);
        CpuMemory left = scratch.memory(0, a);
        CpuMemory right = scratch.memory(1, b);
        for (long i = 0; i < m; i++) {
            left.get(i * n, u, 0, n);
            right.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += u[j] * v[j];
            }
        }
        memory(out).put(0, acc, 0, n);
    }

    void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        int m = size(x, 0);
        int n = size(x, 1);
        float[] v = scratch.row(0, n);
        float[] f = read(memory(factors), scratch.row(1, n), n);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        for (long i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] *= f[j];
            }
            out.put(i * n, v, 0, n);
        }
    }

    void scaleExamples(INDArray x, float[] factors, INDArray y) {
        int n = size(x, 1);
        int rows = size(x, 0) / factors.length; // of an example
        float[] v = scratch.row(0, n);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        for (long i = 0; i < x.size(0); i++) {
            float factor = factors[(int) (i / rows)];
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] *= factor;
            }
            out.put(i * n, v, 0, n);
        }
    }
}
