package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.buffer;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.sum;

import java.nio.FloatBuffer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Layer normalization, a row at a time. */
final class CpuLayerNorm {
    private final CpuScratch scratch;

    CpuLayerNorm(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void layerNorm(
            INDArray x, INDArray gamma, INDArray beta, double eps, INDArray normalized, INDArray inverse, INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] v = scratch.row(0, n);
        float[] g = read(buffer(gamma), 0, scratch.row(1, n), n);
        float[] b = read(buffer(beta), 0, scratch.row(2, n), n);
        FloatBuffer in = buffer(x);
        FloatBuffer z = buffer(normalized);
        FloatBuffer inv = buffer(inverse);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
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
    }

    void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        int m = (int) normalized.size(0);
        int n = (int) normalized.size(1);
        float[] v = scratch.row(0, n);
        float[] g = read(buffer(gamma), 0, scratch.row(1, n), n);
        float[] b = read(buffer(beta), 0, scratch.row(2, n), n);
        FloatBuffer in = buffer(normalized);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] = v[j] * g[j] + b[j];
            }
            out.put(i * n, v, 0, n);
        }
    }

    void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        int m = (int) dy.size(0);
        int n = (int) dy.size(1);
        float[] d = scratch.row(0, n);
        float[] g = read(buffer(gamma), 0, scratch.row(1, n), n);
        float[] z = scratch.row(2, n);
        FloatBuffer in = buffer(dy);
        FloatBuffer zs = buffer(normalized);
        FloatBuffer inv = buffer(inverse);
        FloatBuffer acc = buffer(dx);
        float[] old = scratch.row(3, n);
        for (int i = 0; i < m; i++) {
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
