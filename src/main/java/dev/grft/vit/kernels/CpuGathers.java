package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.isNarrow;
import static dev.grft.vit.kernels.CpuArrays.keep;
import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.shorts;
import static dev.grft.vit.kernels.CpuArrays.size;
import static dev.grft.vit.kernels.CpuScratch.CHUNK;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.bytedeco.javacpp.ShortPointer;
import org.bytedeco.javacpp.indexer.ShortIndexer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Copies, sums and products of chosen columns or entries of a matrix. */
final class CpuGathers {
    private final CpuScratch scratch;

    CpuGathers(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void columnsToRows(INDArray x, int[] columns, INDArray y) {
        int m = size(x, 0);
        int n = size(x, 1);
        int k = columns.length;
        int most = rowsAtOnce(k);
        float[] v = scratch.row(0, k * most);
        CpuMemory out = memory(y);
        if (isNarrow(x)) {
            ShortPointer values = shorts(x);
            ShortIndexer in = ShortIndexer.create(values);
            for (int i = 0; i < m; i += most) {
                int rows = Math.min(most, m - i);
                for (int r = 0; r < rows; r++) {
                    for (int j = 0; j < k; j++) {
                        v[j * most + r] = widen(in.get((long) (i + r) * n + columns[j]));
                    }
                }
                for (int j = 0; j < k; j++) {
                    out.put((long) j * m + i, v, j * most, rows);
                }
            }
            keep(values);
            return;
        }
        CpuMemory in = memory(x);
        for (int i = 0; i < m; i += most) {
            int rows = Math.min(most, m - i);
            FloatBuffer some = in.window((long) i * n);
            int first = in.in((long) i * n);
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    v[j * most + r] = some.get(first + r * n + columns[j]);
                }
            }
            for (int j = 0; j < k; j++) {
                out.put((long) j * m + i, v, j * most, rows);
            }
        }
        in.keep();
    }

    void addRowsToColumns(INDArray x, int[] columns, INDArray y) {
        int m = size(y, 0);
        int n = size(y, 1);
        int k = columns.length;
        int most = rowsAtOnce(k);
        float[] v = scratch.row(0, k * most);
        CpuMemory in = memory(x);
        if (isNarrow(y)) {
            ShortPointer values = shorts(y);
            ShortIndexer out = ShortIndexer.create(values);
            for (int i = 0; i < m; i += most) {
                int rows = Math.min(most, m - i);
                for (int j = 0; j < k; j++) {
                    in.get((long) j * m + i, v, j * most, rows);
                }
                for (int r = 0; r < rows; r++) {
                    for (int j = 0; j < k; j++) {
                        long at = (long) (i + r) * n + columns[j];
                        out.put(at, narrow(widen(out.get(at)) + v[j * most + r]));
                    }
                }
            }
            keep(values);
            return;
        }
        CpuMemory out = memory(y);
        for (int i = 0; i < m; i += most) {
            int rows = Math.min(most, m - i);
            for (int j = 0; j < k; j++) {
                in.get((long) j * m + i, v, j * most, rows);
            }
            FloatBuffer some = out.window((long) i * n);
            int first = out.in((long) i * n);
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    int at = first + r * n + columns[j];
                    some.put(at, some.get(at) + v[j * most + r]);
                }
            }
        }
        out.keep();
    }

    private static float widen(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Returns a number in bfloat16, rounded to nearest even. */
    private static short narrow(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? (short) 0x7fc0 : (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** Returns how many rows of k values each are transposed at once. */
    private static int rowsAtOnce(int k) {
        return Math.max(16, CHUNK / k);
    }

    void addEntries(INDArray x, int[] columns, INDArray values, INDArray y) {
        int m = size(x, 0);
        int n = size(x, 1);
        float[] v = scratch.row(0, n);
        float[] added = read(memory(values), scratch.row(1, columns.length), columns.length);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        for (long i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int at = (int) i; at < columns.length; at += m) {
                v[columns[at]] += added[at];
            }
            out.put(i * n, v, 0, n);
        }
    }

    void entryDots(INDArray a, INDArray b, int[] columns, INDArray dots) {
        int m = size(a, 0);
        int n = size(a, 1);
        int l = size(b, 1);
        float[] u = scratch.row(0, n);
        float[] v = scratch.row(1, l);
        float[] acc = scratch.row(2, columns.length);
        Arrays.fill(acc, 0, columns.length, 0f);
        CpuMemory left = scratch.memory(0, a);
        CpuMemory right = scratch.memory(1, b);
        for (long i = 0; i < m; i++) {
            left.get(i * n, u, 0, n);
            right.get(i * l, v, 0, l);
            for (int from = 0; from < columns.length; from += n) {
                addProducts(u, v, columns, from, acc, n);
            }
        }
        memory(dots).put(0, acc, 0, columns.length);
    }

    /** Adds n products {@code u[j] * v[columns[from + j]]} to {@code acc}, from {@code from} on. */
    private static void addProducts(float[] u, float[] v, int[] columns, int from, float[] acc, int n) {
        for (int j = 0; j < n; j++) {
            acc[from + j] += u[j] * v[columns[from + j]];
        }
    }
}
