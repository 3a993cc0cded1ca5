package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuScratch.CHUNK;
import static dev.grft.vit.kernels.HostArray.isNarrow;
import static dev.grft.vit.kernels.HostArray.keep;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.shorts;
import static dev.grft.vit.kernels.HostArray.size;

import java.nio.FloatBuffer;
import org.bytedeco.javacpp.ShortPointer;
import org.bytedeco.javacpp.indexer.ShortIndexer;

/** Copies, sums and products of chosen columns or entries of a matrix. */
final class CpuGathers {
    private static final long COST = 4; // of a value that does not lie beside the one before

    private final CpuThreads threads;

    CpuGathers(CpuThreads threads) {
        this.threads = threads;
    }

    void columnsToRows(Array x, int[] columns, Array y) {
        int m = size(x, 0);
        int n = size(x, 1);
        int k = columns.length;
        CpuMemory out = memory(y);
        if (isNarrow(x)) {
            ShortPointer values = shorts(x);
            ShortIndexer in = ShortIndexer.create(values);
            transposed(m, k, (v, i, rows, most) -> {
                for (int r = 0; r < rows; r++) {
                    for (int j = 0; j < k; j++) {
                        v[j * most + r] = widen(in.get((long) (i + r) * n + columns[j]));
                    }
                }
                put(v, most, out, (long) i, m, rows, k);
            });
            keep(values);
            return;
        }
        CpuMemory in = memory(x);
        transposed(m, k, (v, i, rows, most) -> {
            FloatBuffer some = in.window((long) i * n);
            int first = in.in((long) i * n);
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    v[j * most + r] = some.get(first + r * n + columns[j]);
                }
            }
            put(v, most, out, (long) i, m, rows, k);
        });
        in.keep();
    }

    private static void put(float[] v, int most, CpuMemory out, long i, long m, int rows, int k) {
        for (int j = 0; j < k; j++) {
            out.put(j * m + i, v, j * most, rows);
        }
    }

    void addRowsToColumns(Array x, int[] columns, Array y) {
        int m = size(y, 0);
        int n = size(y, 1);
        int k = columns.length;
        CpuMemory in = memory(x);
        if (isNarrow(y)) {
            ShortPointer values = shorts(y);
            ShortIndexer out = ShortIndexer.create(values);
            transposed(m, k, (v, i, rows, most) -> {
                get(in, (long) i, m, rows, k, v, most);
                for (int r = 0; r < rows; r++) {
                    for (int j = 0; j < k; j++) {
                        long at = (long) (i + r) * n + columns[j];
                        out.put(at, narrow(widen(out.get(at)) + v[j * most + r]));
                    }
                }
            });
            keep(values);
            return;
        }
        CpuMemory out = memory(y);
        transposed(m, k, (v, i, rows, most) -> {
            get(in, (long) i, m, rows, k, v, most);
            FloatBuffer some = out.window((long) i * n);
            int first = out.in((long) i * n);
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    int at = first + r * n + columns[j];
                    some.put(at, some.get(at) + v[j * most + r]);
                }
            }
        });
        out.keep();
    }

    private static void get(CpuMemory in, long i, long m, int rows, int k, float[] v, int most) {
        for (int j = 0; j < k; j++) {
            in.get(j * m + i, v, j * most, rows);
        }
    }

    /** What is done to some rows from row {@code i} on, k values of each, which lie in {@code v [k, most]}. */
    private interface Transposed {
        void rows(float[] v, int i, int rows, int most);
    }

    private void transposed(int m, int k, Transposed some) {
        int most = Math.max(16, CHUNK / k);
        threads.rows(m, COST * k, (lane, from, to) -> {
            float[] v = lane.row(0, k * most);
            for (int i = (int) from; i < to; i += most) {
                some.rows(v, i, (int) Math.min(most, to - i), most);
            }
        });
    }

    private static float widen(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Returns a number in bfloat16, rounded to nearest even. */
    private static short narrow(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? (short) 0x7fc0 : (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    void addEntries(Array x, int[] columns, Array values, Array y) {
        int m = size(x, 0);
        int n = size(x, 1);
        float[] added = read(values);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        threads.rows(m, n, (lane, from, to) -> {
            float[] v = lane.row(0, n);
            for (long i = from; i < to; i++) {
                in.get(i * n, v, 0, n);
                for (int at = (int) i; at < columns.length; at += m) {
                    v[columns[at]] += added[at];
                }
                out.put(i * n, v, 0, n);
            }
        });
    }

    void entryDots(Array a, Array b, int[] columns, Array dots) {
        int n = size(a, 1);
        int l = size(b, 1);
        int k = columns.length;
        float[] sums = threads.sum(a.size(0), n + l + COST * k, k, (lane, first, last, acc) -> {
            float[] u = lane.row(0, n);
            float[] v = lane.row(1, l);
            CpuMemory left = lane.memory(0, a, last * n);
            CpuMemory right = lane.memory(1, b, last * l);
            for (long i = first; i < last; i++) {
                left.get(i * n, u, 0, n);
                right.get(i * l, v, 0, l);
                for (int from = 0; from < k; from += n) {
                    addProducts(u, v, columns, from, acc, n);
                }
            }
        });
        memory(dots).put(0, sums, 0, k);
    }

    /** Adds n products {@code u[j] * v[columns[from + j]]} to {@code acc}, from {@code from} on. */
    private static void addProducts(float[] u, float[] v, int[] columns, int from, float[] acc, int n) {
        for (int j = 0; j < n; j++) {
            acc[from + j] += u[j] * v[columns[from + j]];
        }
    }
}
