package dev.grft.vit.kernels;

import static org.bytedeco.openblas.global.openblas_nolapack.CblasNoTrans;
import static org.bytedeco.openblas.global.openblas_nolapack.CblasRowMajor;
import static org.bytedeco.openblas.global.openblas_nolapack.CblasTrans;
import static org.bytedeco.openblas.global.openblas_nolapack.blas_set_num_threads;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_saxpy;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_sgemm;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The fast path on a CPU: BLAS directly on ND4J's buffers, and row kernels in Java that work on one cached row at a time.
 *
 * <p>FLOAT only. All reductions run in a fixed order, so the same inputs give the same bits.
 */
public final class CpuKernels implements Kernels {
    /** So many numbers of each array are worked on at once: they stay in the nearest cache. */
    private static final int CHUNK = 2048;

    private float[] row = new float[0];
    private float[] row2 = new float[0];
    private float[] row3 = new float[0];
    private float[] row4 = new float[0];
    private double[] sums = new double[0];
    /** Numbers, and in the same memory their bits. */
    private final FloatBuffer asFloats;

    private final IntBuffer asIntegers;
    private final int[] integers = new int[CHUNK];
    private FloatPointer scratch = new FloatPointer();
    private FloatPointer scratch2 = new FloatPointer();

    /** Returns new kernels. */
    public CpuKernels() {
        ByteBuffer memory = ByteBuffer.allocateDirect(CHUNK * Float.BYTES).order(ByteOrder.nativeOrder());
        asFloats = memory.asFloatBuffer();
        asIntegers = memory.asIntBuffer();
    }

    /** Returns the bytes of native memory that all kernels of this process hold as scratch, beside the arrays of ND4J. */
    public static long scratchBytes() {
        return Pointer.totalBytes();
    }

    /** Sets how many threads a product of this thread may use. Other numbers of threads, other last bits. */
    public static void threads(int threads) {
        blas_set_num_threads(threads);
    }

    /** Returns the 10^9 operations a second of each of {@code tasks} tasks that multiply square matrices here, all at once. */
    public static double gflops(int tasks) {
        int side = 1024;
        double[] rates = IntStream.range(0, Math.max(1, tasks))
                .mapToObj(task -> CompletableFuture.supplyAsync(
                        () -> {
                            Kernels kernels = new CpuKernels();
                            INDArray a = Nd4j.rand(DataType.FLOAT, side, side);
                            INDArray c = Nd4j.create(DataType.FLOAT, side, side);
                            threads(1); // after the arrays: ND4J sets it when it starts
                            long best = Long.MAX_VALUE;
                            for (int i = 0; i < 20; i++) {
                                long start = System.nanoTime();
                                kernels.gemm(false, a, true, a, 1, 0, c);
                                best = Math.min(best, System.nanoTime() - start);
                            }
                            return 2.0 * side * side * side / best;
                        },
                        runnable -> new Thread(runnable, "measuring").start()))
                .toList()
                .stream()
                .mapToDouble(CompletableFuture::join)
                .toArray();
        return Arrays.stream(rates).average().orElseThrow();
    }

    @Override
    public void gemm(
            boolean transposeA, INDArray a, boolean transposeB, INDArray b, double alpha, double beta, INDArray c) {
        long m = c.size(0);
        long n = c.size(1);
        long k = transposeA ? a.size(0) : a.size(1);
        long kb = transposeB ? b.size(1) : b.size(0);
        if (k != kb || m != (transposeA ? a.size(1) : a.size(0)) || n != (transposeB ? b.size(0) : b.size(1))) {
            throw new IllegalArgumentException("gemm: shapes " + Arrays.toString(a.shape()) + (transposeA ? "'" : "")
                    + " x " + Arrays.toString(b.shape()) + (transposeB ? "'" : "") + " -> "
                    + Arrays.toString(c.shape()));
        }
        sgemm(
                transposeA,
                pointer(a),
                (int) a.size(1),
                transposeB,
                pointer(b),
                (int) b.size(1),
                (int) m,
                (int) n,
                (int) k,
                (float) alpha,
                (float) beta,
                pointer(c),
                (int) n);
    }

    @Override
    public void fillRows(INDArray values, INDArray y) {
        int n = (int) y.size(1);
        int m = (int) y.size(0);
        float[] v = read(buffer(values), 0, row = ensure(row, n), n);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            out.put(i * n, v, 0, n);
        }
    }

    @Override
    public void add(INDArray x, INDArray y) {
        cblas_saxpy(intLength(x), 1f, pointer(x), 1, pointer(y), 1);
    }

    @Override
    public void multiply(INDArray x, INDArray y) {
        inPairs(x, y, y, (a, b, n) -> {
            for (int i = 0; i < n; i++) {
                b[i] *= a[i];
            }
        });
    }

    @Override
    public void sum(INDArray base, INDArray delta, INDArray y) {
        inPairs(base, delta, y, (a, b, n) -> {
            for (int i = 0; i < n; i++) {
                b[i] += a[i];
            }
        });
    }

    /** A function of pairs of numbers: replaces the first n of {@code b} by it. */
    private interface Pairwise {
        void apply(float[] a, float[] b, int n);
    }

    private void inPairs(INDArray first, INDArray second, INDArray y, Pairwise function) {
        int length = intLength(y);
        float[] a = row = ensure(row, CHUNK);
        float[] b = row2 = ensure(row2, CHUNK);
        FloatBuffer left = buffer(first);
        FloatBuffer right = buffer(second);
        FloatBuffer out = buffer(y);
        for (int at = 0; at < length; at += CHUNK) {
            int n = Math.min(CHUNK, length - at);
            left.get(at, a, 0, n);
            right.get(at, b, 0, n);
            function.apply(a, b, n);
            out.put(at, b, 0, n);
        }
    }

    @Override
    public void columnSums(INDArray x, INDArray out) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] acc = row = ensure(row, n);
        float[] v = row2 = ensure(row2, n);
        Arrays.fill(acc, 0, n, 0f);
        FloatBuffer in = buffer(x);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += v[j];
            }
        }
        buffer(out).put(0, acc, 0, n);
    }

    @Override
    public void columnDots(INDArray a, INDArray b, INDArray out) {
        int m = (int) a.size(0);
        int n = (int) a.size(1);
        float[] acc = row = ensure(row, n);
        float[] u = row2 = ensure(row2, n);
        float[] v = row3 = ensure(row3, n);
        Arrays.fill(acc, 0, n, 0f);
        FloatBuffer left = buffer(a);
        FloatBuffer right = buffer(b);
        for (int i = 0; i < m; i++) {
            left.get(i * n, u, 0, n);
            right.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                acc[j] += u[j] * v[j];
            }
        }
        buffer(out).put(0, acc, 0, n);
    }

    @Override
    public void columnsToRows(INDArray x, int[] columns, INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        int k = columns.length;
        int most = rowsAtOnce(k);
        float[] v = row = ensure(row, k * most);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i += most) {
            int rows = Math.min(most, m - i);
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    v[j * most + r] = in.get((i + r) * n + columns[j]);
                }
            }
            for (int j = 0; j < k; j++) {
                out.put(j * m + i, v, j * most, rows);
            }
        }
    }

    /** Returns of how many rows k numbers each are brought into another order at once. */
    private static int rowsAtOnce(int k) {
        return Math.max(16, CHUNK / k);
    }

    @Override
    public void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] v = row = ensure(row, n);
        float[] f = read(buffer(factors), 0, row2 = ensure(row2, n), n);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                v[j] *= f[j];
            }
            out.put(i * n, v, 0, n);
        }
    }

    @Override
    public void addRowsToColumns(INDArray x, int[] columns, INDArray y) {
        int m = (int) y.size(0);
        int n = (int) y.size(1);
        int k = columns.length;
        int most = rowsAtOnce(k);
        float[] v = row = ensure(row, k * most);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i += most) {
            int rows = Math.min(most, m - i);
            for (int j = 0; j < k; j++) {
                in.get(j * m + i, v, j * most, rows);
            }
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < k; j++) {
                    int at = (i + r) * n + columns[j];
                    out.put(at, out.get(at) + v[j * most + r]);
                }
            }
        }
    }

    @Override
    public void addEntries(INDArray x, int[] columns, INDArray values, INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] v = row = ensure(row, n);
        float[] added = read(buffer(values), 0, row2 = ensure(row2, columns.length), columns.length);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < m; i++) {
            in.get(i * n, v, 0, n);
            for (int at = i; at < columns.length; at += m) {
                v[columns[at]] += added[at];
            }
            out.put(i * n, v, 0, n);
        }
    }

    @Override
    public void entryDots(INDArray a, INDArray b, int[] columns, INDArray dots) {
        int m = (int) a.size(0);
        int n = (int) a.size(1);
        int l = (int) b.size(1);
        float[] u = row = ensure(row, n);
        float[] v = row2 = ensure(row2, l);
        float[] acc = row3 = ensure(row3, columns.length);
        Arrays.fill(acc, 0, columns.length, 0f);
        FloatBuffer left = buffer(a);
        FloatBuffer right = buffer(b);
        for (int i = 0; i < m; i++) {
            left.get(i * n, u, 0, n);
            right.get(i * l, v, 0, l);
            for (int from = 0; from < columns.length; from += n) {
                addProducts(u, v, columns, from, acc, n);
            }
        }
        buffer(dots).put(0, acc, 0, columns.length);
    }

    private static void addProducts(float[] u, float[] v, int[] columns, int from, float[] acc, int n) {
        for (int j = 0; j < n; j++) {
            acc[from + j] += u[j] * v[columns[from + j]];
        }
    }

    @Override
    public void layerNorm(
            INDArray x,
            INDArray gamma,
            INDArray beta,
            double epsilon,
            INDArray normalized,
            INDArray inverse,
            INDArray y) {
        int m = (int) x.size(0);
        int n = (int) x.size(1);
        float[] v = row = ensure(row, n);
        float[] g = read(buffer(gamma), 0, row2 = ensure(row2, n), n);
        float[] b = read(buffer(beta), 0, row3 = ensure(row3, n), n);
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
            float s = (float) (1 / Math.sqrt(dot(v, v, 0, n) / n + epsilon));
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

    @Override
    public void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        int m = (int) normalized.size(0);
        int n = (int) normalized.size(1);
        float[] v = row = ensure(row, n);
        float[] g = read(buffer(gamma), 0, row2 = ensure(row2, n), n);
        float[] b = read(buffer(beta), 0, row3 = ensure(row3, n), n);
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

    @Override
    public void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        int m = (int) dy.size(0);
        int n = (int) dy.size(1);
        float[] d = row = ensure(row, n);
        float[] g = read(buffer(gamma), 0, row2 = ensure(row2, n), n);
        float[] z = row3 = ensure(row3, n);
        FloatBuffer in = buffer(dy);
        FloatBuffer zs = buffer(normalized);
        FloatBuffer inv = buffer(inverse);
        FloatBuffer acc = buffer(dx);
        float[] old = row4 = ensure(row4, n);
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

    @Override
    public void gelu(@Nullable INDArray bias, INDArray y, @Nullable INDArray derivative) {
        inChunks(bias, y, derivative, (v, d, q, n) -> {
            gaussian(v, d, n);
            tail(v, d, q, n);
            if (derivative != null) {
                geluDerivative(v, d, q, n);
            }
            gelu(v, q, n);
        });
    }

    @Override
    public void sigmoidGelu(
            @Nullable INDArray bias, double linear, double cubic, INDArray y, @Nullable INDArray derivative) {
        float one = (float) linear;
        float three = (float) cubic;
        inChunks(bias, y, derivative, (v, e, power, n) -> {
            for (int i = 0; i < n; i++) {
                float a = Math.min(60f, Math.abs(v[i]));
                e[i] = -a * (one + three * a * a);
            }
            exp(e, power, n);
            sigmoidGelu(v, e, one, three, n);
        });
    }

    /** A function of single numbers: replaces the first n of {@code v} by it and of {@code slope} by its derivative. */
    private interface Elementwise {
        void apply(float[] v, float[] slope, float[] scratch, int n);
    }

    /** Puts the function of y + bias {@code [columns]} (null for none) into {@code y}, and its derivative there into {@code derivative}. */
    private void inChunks(@Nullable INDArray bias, INDArray y, @Nullable INDArray derivative, Elementwise function) {
        int length = intLength(y);
        float[] v = row = ensure(row, CHUNK);
        float[] d = row2 = ensure(row2, CHUNK);
        float[] scratch = row3 = ensure(row3, CHUNK);
        float[] b = bias == null ? null : again(bias);
        int columns = bias == null ? 1 : intLength(bias);
        FloatBuffer out = buffer(y);
        FloatBuffer slope = derivative == null ? null : buffer(derivative);
        for (int at = 0; at < length; at += CHUNK) {
            int n = Math.min(CHUNK, length - at);
            out.get(at, v, 0, n);
            if (b != null) {
                add(b, at % columns, v, n);
            }
            function.apply(v, d, scratch, n);
            out.put(at, v, 0, n);
            if (slope != null) {
                slope.put(at, d, 0, n);
            }
        }
    }

    /** Returns the numbers of {@code x [n]} again and again: a chunk from each of the n on. */
    private float[] again(INDArray x) {
        int n = intLength(x);
        float[] numbers = read(buffer(x), 0, row4 = ensure(row4, n + CHUNK), n);
        for (int i = n; i < n + CHUNK; i++) {
            numbers[i] = numbers[i - n];
        }
        return numbers;
    }

    /** Adds n numbers of {@code a}, from {@code from} on, to the first of {@code v}. */
    private static void add(float[] a, int from, float[] v, int n) {
        for (int i = 0; i < n; i++) {
            v[i] += a[from + i];
        }
    }

    @Override
    public void attention(INDArray qkv, int examples, int heads, INDArray weights, INDArray out) {
        int d = (int) out.size(1);
        int t = (int) weights.size(1);
        int asking = (int) (out.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer q = pointer(qkv);
        FloatPointer k = pointer(qkv);
        FloatPointer v = pointer(qkv);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(out);
        FloatBuffer soft = buffer(weights);
        int n = asking * t;
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = (long) b * t * ld + (long) head * h;
                long atW = ((long) b * heads + head) * n;
                w.position(atW);
                sgemm(false, q.position(at), ld, true, k.position(at + d), ld, asking, t, h, scale, 0, w, t);
                softmax(soft, (int) atW, asking, t);
                o.position((long) b * asking * d + (long) head * h);
                sgemm(false, w, t, false, v.position(at + 2L * d), ld, asking, h, t, 1, 0, o, d);
            }
        }
    }

    @Override
    public void attentionBackward(
            INDArray dout, INDArray qkv, INDArray weights, int examples, int heads, INDArray dqkv) {
        int d = (int) dout.size(1);
        int t = (int) weights.size(1);
        int asking = (int) (dout.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer in = pointer(qkv);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(dout);
        FloatPointer out = pointer(dqkv);
        FloatBuffer soft = buffer(weights);
        int n = asking * t;
        scratch = ensure(scratch, n);
        FloatBuffer ds = scratch.position(0).asBuffer();
        if (asking < t) {
            Pointer.memset(
                    out.position(0), 0, dqkv.length() * Float.BYTES); // who does not ask has no gradient of a query
        }
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = (long) b * t * ld + (long) head * h;
                long atW = ((long) b * heads + head) * n;
                w.position(atW);
                o.position((long) b * asking * d + (long) head * h);
                // dv = w' do, dw = do v'
                sgemm(true, w, t, false, o, d, t, h, asking, 1, 0, out.position(at + 2L * d), ld);
                sgemm(false, o, d, true, in.position(at + 2L * d), ld, asking, t, h, 1, 0, scratch, t);
                softmaxBackward(soft, (int) atW, ds, scale, asking, t);
                // dq = ds k, dk = ds' q
                sgemm(false, scratch, t, false, in.position(at + d), ld, asking, h, t, 1, 0, out.position(at), ld);
                sgemm(true, scratch, t, false, in.position(at), ld, t, h, asking, 1, 0, out.position(at + d), ld);
            }
        }
    }

    /** Replaces {@code m} rows of {@code t} numbers of a buffer, from a place on, by their softmax. */
    private void softmax(FloatBuffer rows, int at, int m, int t) {
        int chunk = chunk(t);
        float[] s = row = ensure(row, chunk * t);
        float[] power = row2 = ensure(row2, chunk * t);
        for (int i = 0; i < m; i += chunk) {
            int count = Math.min(chunk, m - i);
            rows.get(at + i * t, s, 0, count * t);
            softmaxRows(s, power, count, t);
            rows.put(at + i * t, s, 0, count * t);
        }
    }

    /**
     * Replaces gradients, {@code m} rows of {@code t} numbers, of the softmax that stands in a buffer from a place on by those of what it
     * is the softmax of, times {@code scale}.
     */
    private void softmaxBackward(FloatBuffer softmax, int at, FloatBuffer gradients, float scale, int m, int t) {
        int chunk = chunk(t);
        float[] p = row = ensure(row, chunk * t);
        float[] g = row2 = ensure(row2, chunk * t);
        for (int i = 0; i < m; i += chunk) {
            int count = Math.min(chunk, m - i);
            softmax.get(at + i * t, p, 0, count * t);
            gradients.get(i * t, g, 0, count * t);
            softmaxRowsBackward(p, g, scale, count, t);
            gradients.put(i * t, g, 0, count * t);
        }
    }

    @Override
    public void attend(INDArray u, INDArray x, int examples, double scale, INDArray weights, INDArray out) {
        int d = (int) x.size(1);
        int t = (int) weights.size(1);
        int q = (int) (u.size(0) / examples);
        FloatPointer asked = pointer(u);
        FloatPointer tokens = pointer(x);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(out);
        FloatBuffer soft = buffer(weights);
        for (long b = 0; b < examples; b++) {
            asked.position(b * q * d);
            tokens.position(b * t * d);
            w.position(b * q * t);
            sgemm(false, asked, d, true, tokens, d, q, t, d, (float) scale, 0, w, t);
            softmax(soft, (int) b * q * t, q, t);
            sgemm(false, w, t, false, tokens, d, q, d, t, 1, 0, o.position(b * q * d), d);
        }
    }

    @Override
    public void attendBackward(
            INDArray dout,
            INDArray u,
            INDArray x,
            int examples,
            double scale,
            INDArray weights,
            INDArray du,
            @Nullable INDArray dx) {
        int d = (int) x.size(1);
        int t = (int) weights.size(1);
        int q = (int) (u.size(0) / examples);
        FloatPointer o = pointer(dout);
        FloatPointer asked = pointer(u);
        FloatPointer tokens = pointer(x);
        FloatPointer w = pointer(weights);
        FloatPointer dasked = pointer(du);
        FloatBuffer soft = buffer(weights);
        scratch = ensure(scratch, (long) q * t);
        FloatBuffer ds = scratch.position(0).asBuffer();
        for (long b = 0; b < examples; b++) {
            o.position(b * q * d);
            asked.position(b * q * d);
            tokens.position(b * t * d);
            w.position(b * q * t);
            sgemm(false, o, d, true, tokens, d, q, t, d, 1, 0, scratch, t);
            softmaxBackward(soft, (int) b * q * t, ds, (float) scale, q, t);
            sgemm(false, scratch, t, false, tokens, d, q, d, t, 1, 0, dasked.position(b * q * d), d);
            if (dx != null) {
                // as keys, then as values
                FloatPointer dtokens = pointer(dx).position(b * t * d);
                sgemm(true, scratch, t, false, asked, d, t, d, q, 1, 0, dtokens, d);
                sgemm(true, w, t, false, o, d, t, d, q, 1, 1, dtokens, d);
            }
        }
    }

    @Override
    public void headsApart(INDArray x, int heads, INDArray y) {
        int d = (int) x.size(1);
        int h = d / heads;
        float[] v = row = ensure(row, d);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        Arrays.fill(v, 0, d, 0f);
        for (int i = 0; i < y.size(0); i++) {
            int from = i % heads * h;
            in.get(i / heads * d + from, v, from, h);
            out.put(i * d, v, 0, d);
            Arrays.fill(v, from, from + h, 0f);
        }
    }

    @Override
    public void addHeads(INDArray x, int heads, INDArray y) {
        int d = (int) x.size(1);
        int h = d / heads;
        float[] v = row = ensure(row, h);
        float[] sum = row2 = ensure(row2, h);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int i = 0; i < x.size(0); i++) {
            int from = i % heads * h;
            int to = i / heads * d + from;
            in.get(i * d + from, v, 0, h);
            out.get(to, sum, 0, h);
            for (int j = 0; j < h; j++) {
                sum[j] += v[j];
            }
            out.put(to, sum, 0, h);
        }
    }

    @Override
    public void patches(INDArray images, int patchSize, INDArray y) {
        int examples = (int) images.size(0);
        int channels = (int) images.size(1);
        int side = (int) images.size(2);
        int grid = side / patchSize;
        float[] v = row = ensure(row, patchSize);
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

    @Override
    public void tokens(INDArray patches, @Nullable INDArray first, INDArray positions, int examples, INDArray y) {
        int t = (int) positions.size(0);
        int d = (int) positions.size(1);
        int n = (int) (patches.size(0) / examples);
        int prefix = t - n;
        float[] p = read(buffer(positions), 0, row = ensure(row, t * d), t * d);
        float[] v = row2 = ensure(row2, d);
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

    @Override
    public void patchRows(INDArray x, int examples, INDArray y) {
        int d = (int) x.size(1);
        int t = (int) (x.size(0) / examples);
        int n = (int) (y.size(0) / examples);
        float[] v = row = ensure(row, n * d);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            in.get((b * t + t - n) * d, v, 0, n * d);
            out.put(b * n * d, v, 0, n * d);
        }
    }

    @Override
    public void copyRows(INDArray x, int from, INDArray y, int to, int count) {
        long d = y.size(1);
        Pointer.memcpy(pointer(y).getPointer(to * d), pointer(x).getPointer(from * d), count * d * Float.BYTES);
    }

    @Override
    public void pool(INDArray x, int prefix, INDArray y) {
        int examples = (int) y.size(0);
        int width = (int) y.size(1);
        int d = (int) x.size(1);
        int t = (int) (x.size(0) / examples);
        float[] acc = row = ensure(row, d);
        float[] v = row2 = ensure(row2, d);
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

    @Override
    public void poolBackward(INDArray dy, int prefix, INDArray dx) {
        int examples = (int) dy.size(0);
        int width = (int) dy.size(1);
        int d = (int) dx.size(1);
        int t = (int) (dx.size(0) / examples);
        float[] zeros = row = ensure(row, d);
        float[] v = row2 = ensure(row2, d);
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

    @Override
    public void sumExamples(INDArray x, int examples, INDArray y) {
        int length = intLength(y);
        float[] acc = row = ensure(row, length);
        float[] v = row2 = ensure(row2, length);
        Arrays.fill(acc, 0, length, 0f);
        FloatBuffer in = buffer(x);
        for (int b = 0; b < examples; b++) {
            in.get(b * length, v, 0, length);
            for (int j = 0; j < length; j++) {
                acc[j] += v[j];
            }
        }
        buffer(y).put(0, acc, 0, length);
    }

    @Override
    public void classRows(INDArray x, INDArray y) {
        int examples = (int) y.size(0);
        int d = (int) y.size(1);
        int t = (int) (x.size(0) / examples);
        float[] v = row = ensure(row, d);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            in.get(b * t * d, v, 0, d);
            out.put(b * d, v, 0, d);
        }
    }

    @Override
    public void spreadClassRows(INDArray x, INDArray y) {
        int examples = (int) x.size(0);
        int d = (int) x.size(1);
        int t = (int) (y.size(0) / examples);
        float[] v = row = ensure(row, t * d);
        Arrays.fill(v, 0, t * d, 0f);
        FloatBuffer in = buffer(x);
        FloatBuffer out = buffer(y);
        for (int b = 0; b < examples; b++) {
            in.get(b * d, v, 0, d);
            out.put(b * t * d, v, 0, t * d);
        }
    }

    @Override
    public void crossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        int examples = (int) logits.size(0);
        int classes = (int) logits.size(1);
        float[] v = row = ensure(row, classes);
        float[] p = row2 = ensure(row2, classes);
        FloatBuffer in = buffer(logits);
        FloatBuffer target = buffer(targets);
        FloatBuffer loss = buffer(losses);
        FloatBuffer out = buffer(dlogits);
        for (int b = 0; b < examples; b++) {
            in.get(b * classes, v, 0, classes);
            target.get(b * classes, p, 0, classes);
            float max = Float.NEGATIVE_INFINITY;
            for (int k = 0; k < classes; k++) {
                max = Math.max(max, v[k]);
            }
            double total = 0;
            double expected = 0;
            for (int k = 0; k < classes; k++) {
                total += Math.exp((double) v[k] - max);
                expected += p[k] * ((double) v[k] - max);
            }
            loss.put(b, (float) (Math.log(total) - expected));
            for (int k = 0; k < classes; k++) {
                v[k] = (float) (Math.exp((double) v[k] - max) / total - p[k]);
            }
            out.put(b * classes, v, 0, classes);
        }
    }

    @Override
    public void contrastive(INDArray features, INDArray same, double temperature, INDArray losses, INDArray dfeatures) {
        int n = (int) features.size(0);
        int d = (int) features.size(1);
        double[] z = new double[n * d];
        double[] lengths = new double[n];
        normalize(read(buffer(features), 0, new float[n * d], n * d), z, lengths, d);
        float[] positive = read(buffer(same), 0, new float[n * n], n * n);
        FloatBuffer loss = buffer(losses);
        double[] ds = new double[n * n]; // gradient of the similarities z_a.z_n
        for (int a = 0; a < n; a++) {
            loss.put(a, (float) contrast(z, a, positive, temperature, ds, d));
        }
        double[] dz = new double[d];
        float[] df = new float[d];
        FloatBuffer out = buffer(dfeatures);
        for (int a = 0; a < n; a++) {
            Arrays.fill(dz, 0);
            for (int b = 0; b < n; b++) {
                double g = ds[a * n + b] + ds[b * n + a];
                for (int j = 0; j < d; j++) {
                    dz[j] += g * z[b * d + j];
                }
            }
            double radial = 0;
            for (int j = 0; j < d; j++) {
                radial += dz[j] * z[a * d + j];
            }
            for (int j = 0; j < d; j++) {
                df[j] = (float) ((dz[j] - radial * z[a * d + j]) / lengths[a]);
            }
            out.put(a * d, df, 0, d);
        }
    }

    /** Puts the rows of {@code f [N, d]}, brought to length 1, into {@code z}, and what they were divided by into {@code lengths}. */
    private static void normalize(float[] f, double[] z, double[] lengths, int d) {
        for (int a = 0; a < lengths.length; a++) {
            double squares = 0;
            for (int j = a * d; j < (a + 1) * d; j++) {
                squares += (double) f[j] * f[j];
            }
            lengths[a] = Math.max(Math.sqrt(squares), 1e-12);
            for (int j = a * d; j < (a + 1) * d; j++) {
                z[j] = f[j] / lengths[a];
            }
        }
    }

    /** Returns the loss of anchor {@code a}, and puts the gradient of its similarities into row a of {@code ds [N, N]}, zeros before. */
    private static double contrast(double[] z, int a, float[] positive, double temperature, double[] ds, int d) {
        int n = z.length / d;
        double[] s = new double[n];
        double max = Double.NEGATIVE_INFINITY;
        double positives = 0;
        for (int b = 0; b < n; b++) {
            positives += positive[a * n + b];
            if (b != a) {
                for (int j = 0; j < d; j++) {
                    s[b] += z[a * d + j] * z[b * d + j];
                }
                s[b] /= temperature;
                max = Math.max(max, s[b]);
            }
        }
        if (positives == 0) {
            return 0;
        }
        double total = 0;
        double mean = 0;
        for (int b = 0; b < n; b++) {
            if (b != a) {
                total += Math.exp(s[b] - max);
                mean += positive[a * n + b] / positives * (s[b] - max);
            }
        }
        for (int b = 0; b < n; b++) {
            if (b != a) {
                ds[a * n + b] = (Math.exp(s[b] - max) / total - positive[a * n + b] / positives) / temperature;
            }
        }
        return Math.log(total) - mean;
    }

    @Override
    public void addSquaredGradients(INDArray dy, INDArray x, int examples, INDArray rows, INDArray columns) {
        int t = (int) (dy.size(0) / examples);
        int out = (int) dy.size(1);
        int in = (int) x.size(1);
        FloatPointer d = pointer(dy);
        FloatPointer f = pointer(x);
        boolean ghost = Kernels.ghostIsCheaper(t, out, in);
        if (ghost) {
            scratch = ensure(scratch, (long) t * t);
            scratch2 = ensure(scratch2, (long) t * Math.max(in, out));
        } else {
            scratch = ensure(scratch, (long) out * in);
        }
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        for (int b = 0; b < examples; b++) {
            d.position((long) b * t * out);
            f.position((long) b * t * in);
            if (ghost) {
                sgemm(false, f, in, true, f, in, t, t, in, 1, 0, scratch, t);
                sgemm(false, scratch, t, false, d, out, t, out, t, 1, 0, scratch2, out);
                addColumnDots(d.asBuffer(), scratch2.asBuffer(), t, out, r);
                sgemm(false, d, out, true, d, out, t, t, out, 1, 0, scratch, t);
                sgemm(false, scratch, t, false, f, in, t, in, t, 1, 0, scratch2, in);
                addColumnDots(f.asBuffer(), scratch2.asBuffer(), t, in, c);
            } else {
                sgemm(true, d, out, false, f, in, out, in, t, 1, 0, scratch, in);
                addSquares(scratch.asBuffer(), out, in, r, c);
            }
        }
        rows.data().setData(r);
        columns.data().setData(c);
    }

    @Override
    public void addSquares(INDArray g, INDArray rows, INDArray columns) {
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        addSquares(buffer(g), (int) g.size(0), (int) g.size(1), r, c);
        rows.data().setData(r);
        columns.data().setData(c);
    }

    @Override
    public void addAbsolutes(INDArray g, INDArray rows, INDArray columns) {
        int in = (int) g.size(1);
        double[] r = doubles(rows);
        double[] c = doubles(columns);
        float[] v = row = ensure(row, in);
        FloatBuffer from = buffer(g);
        for (int o = 0; o < r.length; o++) {
            from.get(o * in, v, 0, in);
            double sum = 0;
            for (int i = 0; i < in; i++) {
                double absolute = Math.abs(v[i]);
                c[i] += absolute;
                sum += absolute;
            }
            r[o] += sum;
        }
        rows.data().setData(r);
        columns.data().setData(c);
    }

    private void addSquares(FloatBuffer g, int out, int in, double[] rows, double[] columns) {
        float[] v = row = ensure(row, in);
        double[] acc = sums = sums.length >= in ? sums : new double[in];
        for (int o = 0; o < out; o++) {
            g.get(o * in, v, 0, in);
            for (int i = 0; i < in; i++) {
                double square = (double) v[i] * v[i];
                columns[i] += square;
                acc[i] = square;
            }
            double sum = 0;
            for (int i = 0; i < in; i++) {
                sum += acc[i];
            }
            rows[o] += sum;
        }
    }

    /** Adds sum over rows of {@code a[., j] * b[., j]} to {@code acc[j]}, the sum of one example clamped at 0. */
    private void addColumnDots(FloatBuffer a, FloatBuffer b, int m, int n, double[] acc) {
        float[] u = row = ensure(row, n);
        float[] v = row2 = ensure(row2, n);
        double[] one = sums = sums.length >= n ? sums : new double[n];
        Arrays.fill(one, 0, n, 0);
        for (int i = 0; i < m; i++) {
            a.get(i * n, u, 0, n);
            b.get(i * n, v, 0, n);
            for (int j = 0; j < n; j++) {
                one[j] += (double) u[j] * v[j];
            }
        }
        for (int j = 0; j < n; j++) {
            acc[j] += Math.max(0, one[j]);
        }
    }

    /**
     * Puts exp(-a^2/2) into {@code e}: a polynomial raised to the 16th power (relative error below 2e-6; 1.5e-8 beyond |a| = 6).
     *
     * <p>The GELU is cut into short loops without branch, cast or call, because only such loops become vector code; {@code Math.fma} is one
     * instruction of each processor that ND4J runs on, and the same bits in the interpreter.
     */
    private static void gaussian(float[] v, float[] e, int n) {
        for (int i = 0; i < n; i++) {
            float u = Math.max(v[i] * v[i] * (-0.5f / 16), -1.125f) + 0.5625f;
            float p = 2.4801588e-5f;
            p = Math.fma(p, u, 1.9841270e-4f);
            p = Math.fma(p, u, 0.0013888889f);
            p = Math.fma(p, u, 0.008333334f);
            p = Math.fma(p, u, 0.041666668f);
            p = Math.fma(p, u, 0.16666667f);
            p = Math.fma(p, u, 0.5f);
            p = Math.fma(p, u, 1f);
            p = Math.fma(p, u, 1f) * 0.56978282f; // exp(-0.5625)
            p *= p;
            p *= p;
            p *= p;
            e[i] = p * p;
        }
    }

    /** Puts the upper tail of the normal distribution at |a| into {@code q} (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
    private static void tail(float[] v, float[] e, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float t = 1f / Math.fma(0.23164189f, Math.abs(v[i]), 1f);
            float p = Math.fma(t, 1.061405429f, -1.453152027f);
            p = Math.fma(t, p, 1.421413741f);
            p = Math.fma(t, p, -0.284496736f);
            p = Math.fma(t, p, 0.254829592f);
            q[i] = 0.5f * t * p * e[i];
        }
    }

    /** Replaces e by the derivative of the GELU at a: 1/2 + sign(a) (1/2 - q + |a| e / sqrt(2 pi)). */
    private static void geluDerivative(float[] v, float[] e, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(v[i]);
            float sign = v[i] / (magnitude + 1e-30f);
            float near = Math.min(6f, magnitude); // beyond it e is not quite 0
            e[i] = Math.fma(sign, Math.fma(near * 0.39894228f, e[i], 0.5f - q[i]), 0.5f);
        }
    }

    /** Replaces a by GELU(a) = max(a, 0) - |a| q. */
    private static void gelu(float[] v, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(v[i]);
            v[i] = 0.5f * (v[i] + magnitude) - magnitude * q[i];
        }
    }

    /** Replaces a by a sigmoid(u), and e, which comes in as exp(-|u|), by the derivative; u = linear a + cubic a^3. */
    private static void sigmoidGelu(float[] v, float[] e, float linear, float cubic, int n) {
        for (int i = 0; i < n; i++) {
            float a = v[i];
            float larger = 1f / (1f + e[i]);
            float smaller = e[i] * larger;
            float sigmoid = a < 0 ? smaller : larger;
            float near = Math.max(-60f, Math.min(60f, a)); // beyond it the slope of the sigmoid is 0
            e[i] = sigmoid + near * larger * smaller * (linear + 3f * cubic * near * near);
            v[i] = a * sigmoid;
        }
    }

    /** Replaces each row of {@code s [m, t]} by its softmax; {@code power} is scratch of the same size. */
    private void softmaxRows(float[] s, float[] power, int m, int t) {
        for (int i = 0; i < m * t; i += t) {
            float max = max(s, i, t);
            for (int j = i; j < i + t; j++) {
                s[j] -= max;
            }
        }
        exp(s, power, m * t);
        for (int i = 0; i < m * t; i += t) {
            float inverse = 1f / sum(s, i, t);
            for (int j = i; j < i + t; j++) {
                s[j] *= inverse;
            }
        }
    }

    /**
     * Replaces the first n numbers of {@code x}, at most 0, by e to their power, within 3 units in the last place; by 0
     * below about -88. {@code power} is scratch of length n.
     *
     * <p>x = m ln 2 + f; m goes into the exponent of what the polynomial of f gives. All loops become vector code, and they would not
     * if they took numbers for their bits one by one.
     */
    void exp(float[] x, float[] power, int n) {
        for (int i = 0; i < n; i++) {
            float clamped = Math.max(x[i], -88.1f); // its m is -127, whose exponent is that of 0
            float rounded = Math.fma(clamped, 1.44269504f, 12582912f); // the integer nearest, in the low bits
            float whole = rounded - 12582912f;
            float f = Math.fma(whole, 2.12194440e-4f, Math.fma(whole, -0.693359375f, clamped));
            float p = 1.9875691500e-4f;
            p = Math.fma(p, f, 1.3981999507e-3f);
            p = Math.fma(p, f, 8.3334519073e-3f);
            p = Math.fma(p, f, 4.1665795894e-2f);
            p = Math.fma(p, f, 1.6666665459e-1f);
            p = Math.fma(p, f, 5.0000001201e-1f);
            x[i] = Math.fma(p * f, f, f) + 1f;
            power[i] = rounded;
        }
        int[] bits = integers;
        for (int from = 0; from < n; from += CHUNK) {
            int count = Math.min(CHUNK, n - from);
            asFloats.put(0, power, from, count);
            asIntegers.get(0, bits, 0, count);
            for (int i = 0; i < count; i++) {
                bits[i] = (bits[i] - (0x4B400000 - 127)) << 23;
            }
            asIntegers.put(0, bits, 0, count);
            asFloats.get(0, power, from, count);
        }
        for (int i = 0; i < n; i++) {
            x[i] *= power[i];
        }
    }

    /** Returns how many rows of length {@code t} are worked on at once. */
    private static int chunk(int t) {
        return Math.max(1, CHUNK / t);
    }

    /** Replaces the gradient {@code g [m, t]} of each row of a softmax {@code p [m, t]} by that of the row before, times {@code scale}. */
    private static void softmaxRowsBackward(float[] p, float[] g, float scale, int m, int t) {
        for (int i = 0; i < m * t; i += t) {
            float inner = dot(p, g, i, t);
            for (int j = i; j < i + t; j++) {
                g[j] = scale * p[j] * (g[j] - inner);
            }
        }
    }

    /** Returns the largest of n numbers. A branch that is hardly ever taken costs less than {@link Math#max}, which looks for NaN. */
    private static float max(float[] v, int from, int n) {
        float max = v[from];
        for (int i = from + 1; i < from + n; i++) {
            if (v[i] > max) {
                max = v[i];
            }
        }
        return max;
    }

    /** Sum in eight interleaved parts: a fixed order that the processor can overlap. */
    private static float sum(float[] v, int from, int n) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        float e = 0;
        float f = 0;
        float g = 0;
        float h = 0;
        int i = from;
        for (; i + 7 < from + n; i += 8) {
            a += v[i];
            b += v[i + 1];
            c += v[i + 2];
            d += v[i + 3];
            e += v[i + 4];
            f += v[i + 5];
            g += v[i + 6];
            h += v[i + 7];
        }
        for (; i < from + n; i++) {
            a += v[i];
        }
        return ((a + b) + (c + d)) + ((e + f) + (g + h));
    }

    private static float dot(float[] u, float[] v, int from, int n) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        float e = 0;
        float f = 0;
        float g = 0;
        float h = 0;
        int i = from;
        for (; i + 7 < from + n; i += 8) {
            a = Math.fma(u[i], v[i], a);
            b = Math.fma(u[i + 1], v[i + 1], b);
            c = Math.fma(u[i + 2], v[i + 2], c);
            d = Math.fma(u[i + 3], v[i + 3], d);
            e = Math.fma(u[i + 4], v[i + 4], e);
            f = Math.fma(u[i + 5], v[i + 5], f);
            g = Math.fma(u[i + 6], v[i + 6], g);
            h = Math.fma(u[i + 7], v[i + 7], h);
        }
        for (; i < from + n; i++) {
            a = Math.fma(u[i], v[i], a);
        }
        return ((a + b) + (c + d)) + ((e + f) + (g + h));
    }

    private static void sgemm(
            boolean transposeA,
            FloatPointer a,
            int lda,
            boolean transposeB,
            FloatPointer b,
            int ldb,
            int m,
            int n,
            int k,
            float alpha,
            float beta,
            FloatPointer c,
            int ldc) {
        cblas_sgemm(
                CblasRowMajor,
                transposeA ? CblasTrans : CblasNoTrans,
                transposeB ? CblasTrans : CblasNoTrans,
                m,
                n,
                k,
                alpha,
                a,
                lda,
                b,
                ldb,
                beta,
                c,
                ldc);
    }

    /** Returns a pointer to the first number; refuses what raw BLAS would misread. */
    private static FloatPointer pointer(INDArray array) {
        if (array.dataType() != DataType.FLOAT || !isRowMajor(array)) {
            throw new IllegalArgumentException("CpuKernels needs a contiguous row-major FLOAT array, got "
                    + array.dataType() + Arrays.toString(array.shape()) + array.ordering());
        }
        FloatPointer pointer = new FloatPointer(array.data().addressPointer());
        return pointer.capacity(array.length());
    }

    /** Returns whether the numbers lie one after the other in 'c' order; ND4J's flags do not say it for views. */
    private static boolean isRowMajor(INDArray array) {
        long expected = 1;
        for (int i = array.rank() - 1; i >= 0; i--) {
            if (array.size(i) != 1 && array.stride(i) != expected) {
                return false;
            }
            expected *= array.size(i);
        }
        return true;
    }

    private static FloatBuffer buffer(INDArray array) {
        return pointer(array).asBuffer();
    }

    private static double[] doubles(INDArray array) {
        return array.data().asDouble();
    }

    private static float[] read(FloatBuffer from, int at, float[] to, int n) {
        from.get(at, to, 0, n);
        return to;
    }

    private static float[] ensure(float[] array, int n) {
        return array.length >= n ? array : new float[n];
    }

    private static FloatPointer ensure(FloatPointer pointer, long n) {
        return pointer.capacity() >= n ? pointer.position(0) : new FloatPointer(n);
    }

    private static int intLength(INDArray array) {
        return Math.toIntExact(array.length());
    }
}
