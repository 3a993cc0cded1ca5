package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.max;
import static dev.grft.vit.kernels.CpuMath.sum;
import static dev.grft.vit.kernels.CpuProducts.sgemm;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.pointer;
import static dev.grft.vit.kernels.HostArray.size;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** Multi-head attention: products by BLAS, softmax some rows at a time. */
final class CpuAttention {
    /** How many weights are computed at once, unless they are kept. Fewer cost time, because products become small. */
    private static final int TILE = 1 << 19;

    private final CpuScratch scratch;
    private final CpuThreads threads;

    CpuAttention(CpuScratch scratch, CpuThreads threads) {
        this.scratch = scratch;
        this.threads = threads;
    }

    void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out) {
        int d = size(out, 1);
        int t = Math.toIntExact(qkv.size(0) / examples);
        int queries = Math.toIntExact(out.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer q = pointer(qkv);
        FloatPointer k = pointer(qkv);
        FloatPointer v = pointer(qkv);
        FloatPointer o = pointer(out);
        int most = tile(queries, t, weights);
        FloatPointer w = weights == null ? scratch.matrix(0, (long) most * t) : pointer(weights);
        CpuMemory soft = new CpuMemory(w);
        for (long b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = b * t * ld + (long) head * h;
                k.position(at + d);
                v.position(at + 2L * d);
                for (int from = 0; from < queries; from += most) {
                    int rows = Math.min(most, queries - from);
                    q.position(at + (long) from * ld);
                    o.position((b * queries + from) * d + (long) head * h);
                    w.position(weights == null ? 0 : (b * heads + head) * queries * t);
                    weights(q, k, ld, scale, w, soft, rows, t, h);
                    sgemm(false, w, t, false, v, ld, rows, h, t, 1, 0, o, d);
                }
            }
        }
    }

    /** Puts the softmax of {@code scale q k'}, of so many queries and t keys, where {@code w}, which points into {@code soft}, stands. */
    private void weights(
            FloatPointer q,
            FloatPointer k,
            int ld,
            float scale,
            FloatPointer w,
            CpuMemory soft,
            int rows,
            int t,
            int h) {
        sgemm(false, q, ld, true, k, ld, rows, t, h, scale, 0, w, t);
        softmax(soft, w.position(), rows, t);
    }

    void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv) {
        int d = size(dout, 1);
        int t = Math.toIntExact(qkv.size(0) / examples);
        int queries = Math.toIntExact(dout.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer q = pointer(qkv);
        FloatPointer k = pointer(qkv);
        FloatPointer v = pointer(qkv);
        FloatPointer o = pointer(dout);
        FloatPointer out = pointer(dqkv);
        int most = tile(queries, t, weights);
        FloatPointer w = weights == null ? scratch.matrix(1, (long) most * t) : pointer(weights);
        CpuMemory soft = new CpuMemory(w);
        FloatPointer dw = scratch.matrix(0, (long) most * t);
        CpuMemory ds = new CpuMemory(dw);
        if (queries < t) {
            // The queries of the other tokens are not read: their gradient is 0.
            Pointer.memset(out.position(0), 0, dqkv.length() * Float.BYTES);
        }
        for (long b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = b * t * ld + (long) head * h;
                k.position(at + d);
                v.position(at + 2L * d);
                for (int from = 0; from < queries; from += most) {
                    int rows = Math.min(most, queries - from);
                    int beta = from == 0 ? 0 : 1; // gradients of keys and values are sums over the queries
                    q.position(at + (long) from * ld);
                    o.position((b * queries + from) * d + (long) head * h);
                    w.position(weights == null ? 0 : (b * heads + head) * queries * t);
                    if (weights == null) {
                        weights(q, k, ld, scale, w, soft, rows, t, h);
                    }
                    // dv = w' do, dw = do v', which becomes ds
                    sgemm(true, w, t, false, o, d, t, h, rows, 1, beta, out.position(at + 2L * d), ld);
                    sgemm(false, o, d, true, v, ld, rows, t, h, 1, 0, dw, t);
                    softmaxBackward(soft, w.position(), ds, scale, rows, t);
                    // dq = ds k, dk = ds' q
                    sgemm(false, dw, t, false, k, ld, rows, h, t, 1, 0, out.position(at + (long) from * ld), ld);
                    sgemm(true, dw, t, false, q, ld, t, h, rows, 1, beta, out.position(at + d), ld);
                }
            }
        }
    }

    /** Returns how many queries are computed at once: all, if their weights are kept. */
    private static int tile(int queries, int t, @Nullable Array weights) {
        return weights == null ? Math.min(queries, Math.max(1, TILE / t)) : queries;
    }

    void attend(Array u, Array x, double scale, Array weights, Array out) {
        int d = size(x, 1);
        int t = size(weights, 1);
        int examples = (int) (x.size(0) / t);
        int q = Math.toIntExact(u.size(0) / examples);
        FloatPointer asked = pointer(u);
        FloatPointer tokens = pointer(x);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(out);
        CpuMemory soft = memory(weights);
        for (long b = 0; b < examples; b++) {
            asked.position(b * q * d);
            tokens.position(b * t * d);
            w.position(b * q * t);
            sgemm(false, asked, d, true, tokens, d, q, t, d, (float) scale, 0, w, t);
            softmax(soft, b * q * t, q, t);
            sgemm(false, w, t, false, tokens, d, q, d, t, 1, 0, o.position(b * q * d), d);
        }
    }

    void attendBackward(Array dout, Array u, Array x, double scale, Array weights, Array du, @Nullable Array dx) {
        int d = size(x, 1);
        int t = size(weights, 1);
        int examples = (int) (x.size(0) / t);
        int q = Math.toIntExact(u.size(0) / examples);
        FloatPointer o = pointer(dout);
        FloatPointer asked = pointer(u);
        FloatPointer tokens = pointer(x);
        FloatPointer w = pointer(weights);
        FloatPointer dasked = pointer(du);
        CpuMemory soft = memory(weights);
        FloatPointer dw = scratch.matrix(0, (long) q * t);
        CpuMemory ds = new CpuMemory(dw);
        for (long b = 0; b < examples; b++) {
            o.position(b * q * d);
            asked.position(b * q * d);
            tokens.position(b * t * d);
            w.position(b * q * t);
            sgemm(false, o, d, true, tokens, d, q, t, d, 1, 0, dw, t);
            softmaxBackward(soft, b * q * t, ds, (float) scale, q, t);
            sgemm(false, dw, t, false, tokens, d, q, d, t, 1, 0, dasked.position(b * q * d), d);
            if (dx != null) {
                // as keys, then as values
                FloatPointer dtokens = pointer(dx).position(b * t * d);
                sgemm(true, dw, t, false, asked, d, t, d, q, 1, 0, dtokens, d);
                sgemm(true, w, t, false, o, d, t, d, q, 1, 1, dtokens, d);
            }
        }
    }

    void headsApart(Array x, int heads, Array y) {
        int d = size(x, 1);
        int h = d / heads;
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        threads.moves(y.size(0), d, (lane, first, last) -> {
            float[] v = lane.row(0, d);
            Arrays.fill(v, 0, d, 0f);
            for (long i = first; i < last; i++) {
                int from = (int) (i % heads) * h;
                in.get(i / heads * d + from, v, from, h);
                out.put(i * d, v, 0, d);
                Arrays.fill(v, from, from + h, 0f);
            }
        });
    }

    void addHeads(Array x, int heads, Array y) {
        int d = size(x, 1);
        int h = d / heads;
        CpuMemory in = memory(x);
        CpuMemory out = memory(y);
        threads.rows(x.size(0), h, (lane, first, last) -> {
            float[] v = lane.row(0, h);
            float[] sum = lane.row(1, h);
            for (long i = first; i < last; i++) {
                int from = (int) (i % heads) * h;
                long to = i / heads * d + from;
                in.get(i * d + from, v, 0, h);
                out.get(to, sum, 0, h);
                for (int j = 0; j < h; j++) {
                    sum[j] += v[j];
                }
                out.put(to, sum, 0, h);
            }
        });
    }

    /** Replaces {@code m} rows of {@code t} scores each, from {@code at} on, by their softmax. */
    private void softmax(CpuMemory rows, long at, int m, int t) {
        int chunk = chunk(t);
        threads.rows(m, t, (lane, first, last) -> {
            float[] s = lane.row(0, chunk * t);
            float[] power = lane.row(1, chunk * t);
            for (long i = first; i < last; i += chunk) {
                int count = (int) Math.min(chunk, last - i);
                rows.get(at + i * t, s, 0, count * t);
                softmaxRows(lane.math(), s, power, count, t);
                rows.put(at + i * t, s, 0, count * t);
            }
        });
    }

    /** Replaces each row of {@code s [m, t]} by its softmax; {@code power} is scratch of the same size. */
    private static void softmaxRows(CpuMath math, float[] s, float[] power, int m, int t) {
        for (int i = 0; i < m * t; i += t) {
            float max = max(s, i, t);
            for (int j = i; j < i + t; j++) {
                s[j] -= max;
            }
        }
        math.exp(s, power, m * t);
        for (int i = 0; i < m * t; i += t) {
            float inverse = 1f / sum(s, i, t);
            for (int j = i; j < i + t; j++) {
                s[j] *= inverse;
            }
        }
    }

    /** Softmax backward, in place: {@code gradients [m, t]}, given the softmax that begins at {@code at}; multiplies by {@code scale}. */
    private void softmaxBackward(CpuMemory softmax, long at, CpuMemory gradients, float scale, int m, int t) {
        int chunk = chunk(t);
        threads.rows(m, t, (lane, first, last) -> {
            float[] p = lane.row(0, chunk * t);
            float[] g = lane.row(1, chunk * t);
            for (long i = first; i < last; i += chunk) {
                int count = (int) Math.min(chunk, last - i);
                softmax.get(at + i * t, p, 0, count * t);
                gradients.get(i * t, g, 0, count * t);
                softmaxRowsBackward(p, g, scale, count, t);
                gradients.put(i * t, g, 0, count * t);
            }
        });
    }

    /** Replaces the gradient {@code g [m, t]} of a softmax {@code p [m, t]} by that of its scores, times {@code scale}. */
    private static void softmaxRowsBackward(float[] p, float[] g, float scale, int m, int t) {
        for (int i = 0; i < m * t; i += t) {
            float inner = dot(p, g, i, t);
            for (int j = i; j < i + t; j++) {
                g[j] = scale * p[j] * (g[j] - inner);
            }
        }
    }

    /** Returns how many rows of {@code t} values are in the cache at once. */
    private static int chunk(int t) {
        return Math.max(1, CpuScratch.CHUNK / t);
    }
}
