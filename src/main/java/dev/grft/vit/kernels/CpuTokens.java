package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.isNarrow;
import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.size;

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
        int examples = size(images, 0);
        int channels = size(images, 1);
        int side = size(images, 2);
        int grid = side / patchSize;
        float[] v = scratch.row(0, patchSize);
        CpuMemory in = memory(images);
        CpuMemory out = memory(y);
        long at = 0;
        for (long b = 0; b < examples; b++) {
            for (int py = 0; py < grid; py++) {
                for (int px = 0; px < grid; px++) {
                    for (int c = 0; c < channels; c++) {
                        for (int i = 0; i < patchSize; i++) {
                            long from = ((b * channels + c) * side + (long) py * patchSize + i) * side
                                    + (long) px * patchSize;
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
        int t = size(positions, 0);
        int d = size(positions, 1);
        int n = Math.toIntExact(patches.size(0) / examples);
        int prefix = t - n;
        float[] p = read(memory(positions), scratch.row(0, t * d), t * d);
        float[] v = scratch.row(1, d);
        CpuMemory in = memory(patches);
        CpuMemory before = first == null ? in : memory(first);
        CpuMemory out = memory(y);
        for (long b = 0; b < examples; b++) {
            for (int i = 0; i < t; i++) {
                if (i < prefix) {
                    before.get((long) i * d, v, 0, d);
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
        int d = size(x, 1);
        long inX = x.length() / examples;
        long inY = y.length() / examples;
        if (isNarrow(x) || isNarrow(y)) {
            float[] v = scratch.row(0, d);
            CpuMemory in = scratch.memory(0, x);
            CpuMemory out = scratch.memory(1, y);
            for (long row = 0; row < (long) examples * count; row++) {
                long b = row / count;
                long i = row % count;
                in.get(b * inX + (from + i) * d, v, 0, d);
                out.put(b * inY + (to + i) * d, v, 0, d);
            }
            out.flush();
            return;
        }
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        for (long b = 0; b < examples; b++) {
            out.put(b * inY + (long) to * d, in, b * inX + (long) from * d, (long) count * d);
        }
    }

    void pool(INDArray x, int prefix, INDArray y) {
        int examples = size(y, 0);
        int width = size(y, 1);
        int d = size(x, 1);
        int t = Math.toIntExact(x.size(0) / examples);
        float[] acc = scratch.row(0, d);
        float[] v = scratch.row(1, d);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        for (long b = 0; b < examples; b++) {
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
        int examples = size(dy, 0);
        int width = size(dy, 1);
        int d = size(dx, 1);
        int t = Math.toIntExact(dx.size(0) / examples);
        float[] zeros = scratch.row(0, d);
        float[] v = scratch.row(1, d);
        Arrays.fill(zeros, 0, d, 0f);
        CpuMemory in = memory(dy);
        CpuMemory out = memory(dx);
        for (long b = 0; b < examples; b++) {
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
