package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.size;
import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.sum;

import org.nd4j.linalg.api.ndarray.INDArray;

/** Layer normalization, a row at a time. */
final class CpuLayerNorm {
    private final CpuScratch scratch;

    CpuLayerNorm(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void layerNorm(
            INDArray x, INDArray gamma, INDArray beta, double eps, INDArray normalized, INDArray inverse, INDArray y) {
        int m = size(x, 0);
        int n = size(x, 1);
        float[] v = scratch.row(0, n);
        float[] g = read(memory(gamma), scratch.row(1, n), n);
        float[] b = read(memory(beta), scratch.row(2, n), n);
        CpuMemory in = memory(x);
        CpuMemory z = memory(normalized);
        CpuMemory inv = memory(inverse);
        CpuMemory out = scratch.memory(0, y);
        for (long i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            float mean = sum(v, 0, n) / n;
            for (int j = 0; j < n; j++) {
                v[j] -= mean;
            }
            float s = (float) (1 / Math.sqrt(dot(v, v, 0, n) / n + eps));
            for (int j = 0; j < n; j++) {
                v[j] *= s;
            }
            z.put(i * n, v, 0, n);
            inv.put(i, s);
            for (int j = 0; j < n; j++) {
                v[j] = v[j] * g[j] + b[j];
            }
            out.put(i * n, v, 0, n);
        }
        out.flush();
    }

    void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        int m = size(normalized, 0);
        int n = size(normalized, 1);
        float[] v = scratch.row(0, n);
        float[] g = read(memory(gamma), scratch.row(1, n), n);
        float[] b = read(memory(beta), scratch.row(2, n), n);
        CpuMemory in = memory(normalized);
        CpuMemory out = scratch.memory(0, y);
        for (long i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] = v[j] * g[j] + b[j];
            }
            out.put(i * n, v, 0, n);
        }
        out.flush();
    }

    void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        int m = size(dy, 0);
        int n = size(dy, 1);
        float[] d = scratch.row(0, n);
        float[] g = read(memory(gamma), scratch.row(1, n), n);
        float[] z = scratch.row(2, n);
        CpuMemory in = scratch.memory(0, dy);
        CpuMemory zs = memory(normalized);
        CpuMemory inv = memory(inverse);
        CpuMemory acc = memory(dx);
        float[] old = scratch.row(3, n);
        for (long i = 0; i < m; i++) {
            in.get(i * n, d, 0, n);
            zs.get(i * n, z, 0, n);
            acc.get(i * n, old, 0, n);
            for (int j = 0; j < n; j++) {
                d[j] *= g[j];
            }
            float meanD = sum(d, 0, n) / n;
            float meanDz = dot(d, z, 0, n) / n;
            float s = inv.get(i);
            for (int j = 0; j < n; j++) {
                old[j] += s * (d[j] - meanD - z[j] * meanDz);
            }
            acc.put(i * n, old, 0, n);
        }
    }
}
