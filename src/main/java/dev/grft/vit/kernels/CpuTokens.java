package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.buffer;
import static dev.grft.vit.kernels.CpuArrays.length;
import static dev.grft.vit.kernels.CpuArrays.read;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Rows of tokens: from images, from example to example, and their means. */
final class CpuTokens {
    private final CpuScratch scratch;

    CpuTokens(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void patches(INDArray images, int patchSize, INDArray y) {
        int examples = (int) images.size(0);
        int channels = (int) images.size(1);
        int side = (int) images.size(2);
        int grid = side / patchSize;
        float[] v = scratch.row(0, patchSize);
        FloatBuffer in = buffer(images);
        FloatBuffer out = buffer(y);
        int at = 0;
        for (int b = 0; b < examples; b++) {
            for (int py = 0; py < grid; py++) {
                for (int px = 0; px < grid; px++) {
                    for (int c = 0; c < channels; c++) {
                        for (int i = 0; i < patchSize; i++) {
                            int from = ((b * channels + c) * side + py * patchSize + i) * side + px * patchSize;
                            in.get(from, v, 0, patchSize);
                            out.put(at, v, 0, patchSize);
                            at += patchSize;
                        }
                    }
                }
            }
        }
    }

    void tokens(INDArray patches, @Nullable INDArray first, INDArray positions, int examples, INDArray y) {
        int t = (int) positions.size(0);
        int d = (int) positions.size(1);
        int n = (int) (patches.size(0) / examples);
        int prefix = t - n;
        float[] p = read(buffer(positions), 0, scratch.row(0, t * d), t * d);
        float[] v = scratch.row(1, d);
        FloatBuffer in = buffer(patches);
        FloatBuffer before = first == null ? in : buffer(first);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            for (int i = 0; i < t; i++) {
                if (i < prefix) {
                    before.get(i * d, v, 0, d);
                } else {
                    in.get((b * n + i - prefix) * d, v, 0, d);
                }
                for (int j = 0; j < d; j++) {
                    v[j] += p[i * d + j];
                }
                out.put((b * t + i) * d, v, 0, d);
            }
        }
    }

    void copyRows(INDArray x, int from, INDArray y, int to, int count, int examples) {
        int d = (int) x.size(1);
        int inX = length(x) / examples;
        int inY = length(y) / examples;
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            out.put(b * inY + to * d, in, b * inX + from * d, count * d);
        }
    }

    void pool(INDArray x, int prefix, INDArray y) {
        int examples = (int) y.size(0);
        int width = (int) y.size(1);
        int d = (int) x.size(1);
        int t = (int) (x.size(0) / examples);
        float[] acc = scratch.row(0, d);
        float[] v = scratch.row(1, d);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            if (width > d) {
                in.get(b * t * d, v, 0, d);
                out.put(b * width, v, 0, d);
            }
            Arrays.fill(acc, 0, d, 0f);
            for (int i = prefix; i < t; i++) {
                in.get((b * t + i) * d, v, 0, d);
                for (int j = 0; j < d; j++) {
                    acc[j] += v[j];
                }
            }
            for (int j = 0; j < d; j++) {
                acc[j] /= t - prefix;
            }
            out.put((b + 1) * width - d, acc, 0, d);
        }
    }

    void poolBackward(INDArray dy, int prefix, INDArray dx) {
        int examples = (int) dy.size(0);
        int width = (int) dy.size(1);
        int d = (int) dx.size(1);
        int t = (int) (dx.size(0) / examples);
        float[] zeros = scratch.row(0, d);
        float[] v = scratch.row(1, d);
        Arrays.fill(zeros, 0, d, 0f);
        FloatBuffer in = buffer(dy);
        FloatBuffer out = buffer(dx);
        for (int b = 0; b < examples; b++) {
            for (int i = 0; i < prefix; i++) {
                out.put((b * t + i) * d, zeros, 0, d);
            }
            if (width > d) {
                in.get(b * width, v, 0, d);
                out.put(b * t * d, v, 0, d);
            }
            in.get((b + 1) * width - d, v, 0, d);
            for (int j = 0; j < d; j++) {
                v[j] /= t - prefix;
            }
            for (int i = prefix; i < t; i++) {
                out.put((b * t + i) * d, v, 0, d);
            }
        }
    }
}
