package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuScratch.CHUNK;
import static dev.grft.vit.kernels.HostArray.isNarrow;
import static dev.grft.vit.kernels.HostArray.length;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.pointer;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.size;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_saxpy;

import org.bytedeco.javacpp.FloatPointer;

/** Sums and products entry by entry, by row and by column. */
final class CpuRows {
    private static final int MOST = 1 << 30; // values of one call of BLAS, whose sizes are ints

    private final CpuThreads threads;

    CpuRows(CpuThreads threads) {
        this.threads = threads;
    }

    void fillRows(Array values, Array y) {
        int n = size(y, 1);
        float[] v = read(values);
        threads.moves(y.size(0), n, (lane, from, to) -> {
            CpuMemory out = lane.memory(0, y, to * n);
            for (long i = from; i < to; i++) {
                out.put(i * n, v, 0, n);
            }
            out.flush();
        });
    }

    void add(Array x, Array y) {
        if (isNarrow(x) || isNarrow(y)) {
            inPairs(x, y, y, (a, b, n) -> {
                for (int i = 0; i < n; i++) {
                    b[i] += a[i];
                }
            });
            return;
        }
        FloatPointer from = pointer(x);
        FloatPointer to = pointer(y);
        for (long at = 0; at < x.length(); at += MOST) {
            cblas_saxpy((int) Math.min(MOST, x.length() - at), 1f, from.position(at), 1, to.position(at), 1);
        }
    }

    void multiply(Array x, Array y) {
        inPairs(x, y, y, (a, b, n) -> {
            for (int i = 0; i < n; i++) {
                b[i] *= a[i];
            }
        });
    }

    void sum(Array base, Array delta, Array y) {
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

    private void inPairs(Array first, Array second, Array y, Pairwise function) {
        long length = y.length();
        threads.rows((length + CHUNK - 1) / CHUNK, CHUNK, (lane, from, to) -> {
            long end = Math.min(length, to * CHUNK);
            float[] a = lane.row(0, CHUNK);
            float[] b = lane.row(1, CHUNK);
            CpuMemory left = lane.memory(0, first, end);
            CpuMemory right = lane.memory(1, second, end);
            CpuMemory out = y == second ? right : memory(y);
            for (long at = from * CHUNK; at < end; at += CHUNK) {
                int n = (int) Math.min(CHUNK, end - at);
                left.get(at, a, 0, n);
                right.get(at, b, 0, n);
                function.apply(a, b, n);
                out.put(at, b, 0, n);
            }
            out.flush();
        });
    }

    void columnSums(Array x, Array sums) {
        int n = length(sums);
        sumRows(x.size(0), n, sums, (lane, from, to, acc) -> {
            float[] v = lane.row(0, n);
            CpuMemory in = lane.memory(0, x, to * n);
            for (long i = from; i < to; i++) {
                in.get(i * n, v, 0, n);
                for (int j = 0; j < n; j++) {
                    acc[j] += v[j];
                }
            }
        });
    }

    void columnDots(Array a, Array b, Array sums) {
        int n = size(a, 1);
        sumRows(a.size(0), n, sums, (lane, from, to, acc) -> {
            float[] u = lane.row(0, n);
            float[] v = lane.row(1, n);
            CpuMemory left = lane.memory(0, a, to * n);
            CpuMemory right = lane.memory(1, b, to * n);
            for (long i = from; i < to; i++) {
                left.get(i * n, u, 0, n);
                right.get(i * n, v, 0, n);
                for (int j = 0; j < n; j++) {
                    acc[j] += u[j] * v[j];
                }
            }
        });
    }

    private void sumRows(long rows, int n, Array sums, CpuThreads.Sum sum) {
        memory(sums).put(0, threads.sum(rows, n, n, sum), 0, n);
    }

    /** Puts the sum of {@code m} parts of {@code x}, one after the other and each of the length of {@code out}, into out. */
    void sumParts(Array x, int m, Array out) {
        long n = out.length();
        CpuMemory in = memory(x);
        CpuMemory sums = memory(out);
        threads.rows((n + CHUNK - 1) / CHUNK, (long) m * CHUNK, (lane, first, last) -> {
            float[] acc = lane.row(0, CHUNK);
            float[] v = lane.row(1, CHUNK);
            for (long at = first * CHUNK; at < Math.min(n, last * CHUNK); at += CHUNK) {
                int some = (int) Math.min(CHUNK, n - at);
                in.get(at, acc, 0, some);
                for (long i = 1; i < m; i++) {
                    in.get(i * n + at, v, 0, some);
                    for (int j = 0; j < some; j++) {
                        acc[j] += v[j];
                    }
                }
                sums.put(at, acc, 0, some);
            }
        });
    }

    void scaleColumns(Array x, Array factors, Array y) {
        int n = size(x, 1);
        float[] f = read(factors);
        eachRow(x, y, (v, i) -> {
            for (int j = 0; j < n; j++) {
                v[j] *= f[j];
            }
        });
    }

    void scaleExamples(Array x, float[] factors, Array y) {
        int n = size(x, 1);
        long rows = x.size(0) / factors.length; // of an example
        eachRow(x, y, (v, i) -> {
            float factor = factors[(int) (i / rows)];
            for (int j = 0; j < n; j++) {
                v[j] *= factor;
            }
        });
    }

    /** Replaces the values of row {@code i}. */
    private interface OfRow {
        void apply(float[] v, long i);
    }

    private void eachRow(Array x, Array y, OfRow function) {
        int n = size(x, 1);
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        threads.moves(x.size(0), n, (lane, from, to) -> {
            float[] v = lane.row(0, n);
            for (long i = from; i < to; i++) {
                in.get(i * n, v, 0, n);
                function.apply(v, i);
                out.put(i * n, v, 0, n);
            }
        });
    }
}
