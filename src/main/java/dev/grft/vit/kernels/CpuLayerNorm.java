package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.sum;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.size;

import org.jspecify.annotations.Nullable;

/** Layer normalization, a row at a time. */
final class CpuLayerNorm {
    private final CpuThreads threads;

    CpuLayerNorm(CpuThreads threads) {
        this.threads = threads;
    }

    void layerNorm(
            Array x,
            Array gamma,
            Array beta,
            double eps,
            @Nullable Array normalized,
            @Nullable Array inverse,
            Array y) {
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

    void scaleAndShift(Array normalized, Array gamma, Array beta, Array y) {
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

    void layerNormBackward(Array dy, Array gamma, Array normalized, Array inverse, Array dx) {
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
