package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.buffer;
import static dev.grft.vit.kernels.CpuArrays.length;
import static dev.grft.vit.kernels.CpuArrays.pointer;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuScratch.CHUNK;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_saxpy;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Sums and products entry by entry, by row and by column. */
final class CpuRows {
    private final CpuScratch scratch;

    CpuRows(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void fillRows(INDArray values, INDArray y) {
        int n = (int) y.size(1);
        int m = (int) y.size(0);
        float[] v = read(buffer(values), 0, scratch.row(0, n), n);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            out.put(i * n, v, 0, n);
        }
    }

    void add(INDArray x, INDArray y) {
        cblas_saxpy(length(x), 1f, pointer(x), 1, pointer(y), 1);
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
        int length = length(y);
        float[] a = scratch.row(0, CHUNK);
        float[] b = scratch.row(1, CHUNK);
        FloatBuffer left = buffer(first);
        FloatBuffer right = buffer(second);
        FloatBuffer out = buffer(y);
        for (int at = 0; at < length; at += CHUNK) {
            int n = Math.min(CHUNK, length - at);
            left.get(at, a, 0, n);
            right.get(at, b, 0, n);
            function.apply(a, b, n);
            out.put(at, b, 0, n);
        }
    }

    void columnSums(INDArray x, INDArray out) {
        sumParts(x, (int) x.size(0), out);
    }

    /** Puts the sum of {@code m} parts of {@code x}, one after the other and each of the length of {@code out}, into out. */
    void sumParts(INDArray x, int m, INDArray out) {
        int n = length(out);
        float[] acc = scratch.row(0, n);
        float[] v = scratch.row(1, n);
        Arrays.fill(acc, 0, n, 0f);
        FloatBuffer in = buffer(x);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += v[j];
            }
        }
        buffer(out).put(0, acc, 0, n);
    }

    void columnDots(INDArray a, INDArray b, INDArray out) {
        int m = (int) a.size(0);
        int n = (int) a.size(1);
        float[] acc = scratch.row(0, n);
        float[] u = scratch.row(1, n);
        float[] v = scratch.row(2, n);
        Arrays.fill(acc, 0, n, 0f);
        FloatBuffer left = buffer(a);
        FloatBuffer right = buffer(b);
        for (int i = 0; i < m; i++) {
            left.get(i * n, u, 0, n);
            right.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += u[j] * v[j];
            }
        }
        buffer(out).put(0, acc, 0, n);
    }

    void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] v = scratch.row(0, n);
        float[] f = read(buffer(factors), 0, scratch.row(1, n), n);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] *= f[j];
            }
            out.put(i * n, v, 0, n);
        }
    }
}
