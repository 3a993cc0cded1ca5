package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.size;
import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.sum;

import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Layer normalization, a row at a time. */
final class CpuLayerNorm {
    private final CpuThreads threads;

    CpuLayerNorm(CpuThreads threads) {
        this.threads = threads;
    }

    void layerNorm(
            INDArray x,
            INDArray gamma,
            INDArray beta,
            double eps,
            @Nullable INDArray normalized,
            @Nullable INDArray inverse,
            INDArray y) {
        int n = size(x, 1);
        float[] g = read(gamma);
        float[] b = read(beta);
        CpuMemory in = memory(x);
        CpuMemory z = normalized == null ? null : memory(normalized);
        CpuMemory inv = inverse == null ? null : memory(inverse);
        threads.rows(x.size(0), n, (lane, from, to) -> {
            float[] v = lane.row(0, n);
            CpuMemory out = lane.memory(0, y, to * n);
            for (long i = from; i < to; i++) {
                in.get(i * n, v, 0, n);
                float s = normalize(v, eps, n);
                if (inv != null) {
                    inv.put(i, s);
                }
                if (z != null) {
                    z.put(i * n, v, 0, n);
                }
                scaleAndShift(v, g, b, n);
                out.put(i * n, v, 0, n);
            }
            out.flush();
        });
    }

    /** Normalizes n values and returns what they were multiplied by. */
    private static float normalize(float[] v, double eps, int n) {
        float mean = sum(v, 0, n) / n;
        for (int j = 0; j < n; j++) {
            v[j] -= mean;
        }
        float s = (float) (1 / Math.sqrt(dot(v, v, 0, n) / n + eps));
        for (int j = 0; j < n; j++) {
            v[j] *= s;
        }
        return s;
    }

    private static void scaleAndShift(float[] v, float[] g, float[] b, int n) {
        for (int j = 0; j < n; j++) {
            v[j] = v[j] * g[j] + b[j];
        }
    }

    void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        int n = size(normalized, 1);
        float[] g = read(gamma);
        float[] b = read(beta);
        CpuMemory in = memory(normalized);
        threads.rows(normalized.size(0), n, (lane, from, to) -> {
            float[] v = lane.row(0, n);
            CpuMemory out = lane.memory(0, y, to * n);
            for (long i = from; i < to; i++) {
                in.get(i * n, v, 0, n);
                scaleAndShift(v, g, b, n);
                out.put(i * n, v, 0, n);
            }
            out.flush();
        });
    }

    void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        int n = size(dy, 1);
        float[] g = read(gamma);
        CpuMemory zs = memory(normalized);
        CpuMemory inv = memory(inverse);
        CpuMemory acc = memory(dx);
        threads.rows(dy.size(0), n, (lane, from, to) -> {
            float[] d = lane.row(0, n);
            float[] z = lane.row(1, n);
            float[] old = lane.row(2, n);
            CpuMemory in = lane.memory(0, dy, to * n);
            for (long i = from; i < to; i++) {
                in.get(i * n, d, 0, n);
                zs.get(i * n, z, 0, n);
                acc.get(i * n, old, 0, n);
                addGradient(d, g, z, inv.get(i), old, n);
                acc.put(i * n, old, 0, n);
            }
        });
    }

    /** Adds the gradient of a row's values to {@code old}, given that of its results, {@code d}, which is overwritten. */
    private static void addGradient(float[] d, float[] g, float[] z, float inverse, float[] old, int n) {
        for (int j = 0; j < n; j++) {
            d[j] *= g[j];
        }
        float meanD = sum(d, 0, n) / n;
        float meanDz = dot(d, z, 0, n) / n;
        for (int j = 0; j < n; j++) {
            old[j] += inverse * (d[j] - meanD - z[j] * meanDz);
        }
    }
}
