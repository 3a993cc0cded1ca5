package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.isNarrow;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.size;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Rows of tokens: from images, from example to example, and their means. */
final class CpuTokens {
    private final CpuThreads threads;

    CpuTokens(CpuThreads threads) {
        this.threads = threads;
    }

    void patches(Array images, int patchSize, Array y) {
        int channels = size(images, 1);
        int side = size(images, 2);
        int grid = side / patchSize;
        int width = channels * patchSize * patchSize;
        CpuMemory in = memory(images);
        CpuMemory out = memory(y);
        threads.rows(y.size(0), width, (lane, first, last) -> {
            float[] v = lane.row(0, patchSize);
            long at = first * width;
            for (long patch = first; patch < last; patch++) {
                long b = patch / ((long) grid * grid);
                int py = (int) (patch / grid % grid);
                int px = (int) (patch % grid);
                for (int c = 0; c < channels; c++) {
                    for (int i = 0; i < patchSize; i++) {
                        long from =
                                ((b * channels + c) * side + (long) py * patchSize + i) * side + (long) px * patchSize;
                        in.get(from, v, 0, patchSize);
                        out.put(at, v, 0, patchSize);
                        at += patchSize;
                    }
                }
            }
        });
    }

    void tokens(Array patches, @Nullable Array first, Array positions, int examples, Array y) {
        int t = size(positions, 0);
        int d = size(positions, 1);
        int n = Math.toIntExact(patches.size(0) / examples);
        int prefix = t - n;
        float[] p = read(positions);
        CpuMemory in = memory(patches);
        CpuMemory before = first == null ? in : memory(first);
        CpuMemory out = memory(y);
        threads.moves((long) examples * t, d, (lane, from, to) -> {
            float[] v = lane.row(0, d);
            for (long row = from; row < to; row++) {
                int i = (int) (row % t);
                if (i < prefix) {
                    before.get((long) i * d, v, 0, d);
                } else {
                    in.get((row / t * n + i - prefix) * d, v, 0, d);
                }
                for (int j = 0; j < d; j++) {
                    v[j] += p[i * d + j];
                }
                out.put(row * d, v, 0, d);
            }
        });
    }

    void copyRows(Array x, int from, Array y, int to, int count, int examples) {
        int d = size(x, 1);
        long inX = x.length() / examples;
        long inY = y.length() / examples;
        boolean narrow = isNarrow(x) || isNarrow(y);
        threads.moves((long) examples * count, d, (lane, first, last) -> {
            float[] v = lane.row(0, narrow ? d : 0);
            CpuMemory in = lane.memory(0, x, x.length());
            CpuMemory out = lane.memory(1, y, y.length());
            long rows;
            for (long row = first; row < last; row += rows) {
                long i = row % count;
                rows = narrow ? 1 : Math.min(count - i, last - row);
                long source = row / count * inX + (from + i) * d;
                long place = row / count * inY + (to + i) * d;
                if (narrow) {
                    in.get(source, v, 0, d);
                    out.put(place, v, 0, d);
                } else {
                    out.put(place, in, source, rows * d);
                }
            }
            out.flush();
        });
    }

    void pool(Array x, int prefix, Array y) {
        int width = size(y, 1);
        int d = size(x, 1);
        int t = Math.toIntExact(x.size(0) / y.size(0));
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        threads.rows(y.size(0), (long) t * d, (lane, from, to) -> {
            float[] acc = lane.row(0, d);
            float[] v = lane.row(1, d);
            for (long b = from; b < to; b++) {
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
        });
    }

    void poolBackward(Array dy, int prefix, Array dx) {
        int width = size(dy, 1);
        int d = size(dx, 1);
        int t = Math.toIntExact(dx.size(0) / dy.size(0));
        CpuMemory in = memory(dy);
        CpuMemory out = memory(dx);
        threads.rows(dy.size(0), (long) t * d, (lane, from, to) -> {
            float[] zeros = lane.row(0, d);
            float[] v = lane.row(1, d);
            Arrays.fill(zeros, 0, d, 0f);
            for (long b = from; b < to; b++) {
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
        });
    }
}
