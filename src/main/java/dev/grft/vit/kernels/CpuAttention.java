package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.buffer;
import static dev.grft.vit.kernels.CpuArrays.pointer;
import static dev.grft.vit.kernels.CpuMath.dot;
import static dev.grft.vit.kernels.CpuMath.max;
import static dev.grft.vit.kernels.CpuMath.sum;
import static dev.grft.vit.kernels.CpuProducts.sgemm;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Multi-head attention: products by BLAS, softmax some rows at a time. */
final class CpuAttention {
    private final CpuScratch scratch;
    private final CpuMath math;

    CpuAttention(CpuScratch scratch, CpuMath math) {
        this.scratch = scratch;
        this.math = math;
    }

    void attention(INDArray qkv, int heads, INDArray weights, INDArray out) {
        int d = (int) out.size(1);
        int t = (int) weights.size(1);
        int examples = (int) (qkv.size(0) / t);
        int queries = (int) (out.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer q = pointer(qkv);
        FloatPointer k = pointer(qkv);
        FloatPointer v = pointer(qkv);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(out);
        FloatBuffer soft = buffer(weights);
        int n = queries * t;
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = (long) b * t * ld + (long) head * h;
                long atW = ((long) b * heads + head) * n;
                w.position(atW);
                sgemm(false, q.position(at), ld, true, k.position(at + d), ld, queries, t, h, scale, 0, w, t);
                softmax(soft, (int) atW, queries, t);
                o.position((long) b * queries * d + (long) head * h);
                sgemm(false, w, t, false, v.position(at + 2L * d), ld, queries, h, t, 1, 0, o, d);
            }
        }
    }

    void attentionBackward(INDArray dout, INDArray qkv, INDArray weights, int heads, INDArray dqkv) {
        int d = (int) dout.size(1);
        int t = (int) weights.size(1);
        int examples = (int) (qkv.size(0) / t);
        int queries = (int) (dout.size(0) / examples);
        int h = d / heads;
        int ld = 3 * d;
        float scale = (float) (1 / Math.sqrt(h));
        FloatPointer in = pointer(qkv);
        FloatPointer w = pointer(weights);
        FloatPointer o = pointer(dout);
        FloatPointer out = pointer(dqkv);
        FloatBuffer soft = buffer(weights);
        int n = queries * t;
        FloatPointer dw = scratch.matrix(0, n);
        FloatBuffer ds = dw.asBuffer();
        if (queries < t) {
            // The queries of the other tokens are not read: their gradient is 0.
            Pointer.memset(out.position(0), 0, dqkv.length() * Float.BYTES);
        }
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                long at = (long) b * t * ld + (long) head * h;
                long atW = ((long) b * heads + head) * n;
                w.position(atW);
                o.position((long) b * queries * d + (long) head * h);
                // dv = w' do, dw = do v', which becomes ds
                sgemm(true, w, t, false, o, d, t, h, queries, 1, 0, out.position(at + 2L * d), ld);
                sgemm(false, o, d, true, in.position(at + 2L * d), ld, queries, t, h, 1, 0, dw, t);
                softmaxBackward(soft, (int) atW, ds, scale, queries, t);
                // dq = ds k, dk = ds' q
                sgemm(false, dw, t, false, in.position(at + d), ld, queries, h, t, 1, 0, out.position(at), ld);
                sgemm(true, dw, t, false, in.position(at), ld, t, h, queries, 1, 0, out.position(at + d), ld);
            }
        }
    }

    void attend(INDArray u, INDArray x, double scale, INDArray weights, INDArray out) {
        int d = (int) x.size(1);
        int t = (int) weights.size(1);
        int examples = (int) (x.size(0) / t);
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

    void attendBackward(
            INDArray dout, INDArray u, INDArray x, double scale, INDArray weights, INDArray du, @Nullable INDArray dx) {
        int d = (int) x.size(1);
        int t = (int) weights.size(1);
        int examples = (int) (x.size(0) / t);
        int q = (int) (u.size(0) / examples);
        FloatPointer o = pointer(dout);
        FloatPointer asked = pointer(u);
        FloatPointer tokens = pointer(x);
        FloatPointer w = pointer(weights);
        FloatPointer dasked = pointer(du);
        FloatBuffer soft = buffer(weights);
        FloatPointer dw = scratch.matrix(0, (long) q * t);
        FloatBuffer ds = dw.asBuffer();
        for (long b = 0; b < examples; b++) {
            o.position(b * q * d);
            asked.position(b * q * d);
            tokens.position(b * t * d);
            w.position(b * q * t);
            sgemm(false, o, d, true, tokens, d, q, t, d, 1, 0, dw, t);
            softmaxBackward(soft, (int) b * q * t, ds, (float) scale, q, t);
            sgemm(false, dw, t, false, tokens, d, q, d, t, 1, 0, dasked.position(b * q * d), d);
            if (dx != null) {
                // as keys, then as values
                FloatPointer dtokens = pointer(dx).position(b * t * d);
                sgemm(true, dw, t, false, asked, d, t, d, q, 1, 0, dtokens, d);
                sgemm(true, w, t, false, o, d, t, d, q, 1, 1, dtokens, d);
            }
        }
    }

    void headsApart(INDArray x, int heads, INDArray y) {
        int d = (int) x.size(1);
        int h = d / heads;
        float[] v = scratch.row(0, d);
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

    void addHeads(INDArray x, int heads, INDArray y) {
        int d = (int) x.size(1);
        int h = d / heads;
        float[] v = scratch.row(0, h);
        float[] sum = scratch.row(1, h);
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

    /** Replaces {@code m} rows of {@code t} scores each, from {@code at} on, by their softmax. */
    private void softmax(FloatBuffer rows, int at, int m, int t) {
        int chunk = chunk(t);
        float[] s = scratch.row(0, chunk * t);
        float[] power = scratch.row(1, chunk * t);
        for (int i = 0; i < m; i += chunk) {
            int count = Math.min(chunk, m - i);
            rows.get(at + i * t, s, 0, count * t);
            softmaxRows(s, power, count, t);
            rows.put(at + i * t, s, 0, count * t);
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
        math.exp(s, power, m * t);
        for (int i = 0; i < m * t; i += t) {
            float inverse = 1f / sum(s, i, t);
            for (int j = i; j < i + t; j++) {
                s[j] *= inverse;
            }
        }
    }

    /** Softmax backward, in place: {@code gradients [m, t]}, given the softmax that begins at {@code at}; multiplies by {@code scale}. */
    private void softmaxBackward(FloatBuffer softmax, int at, FloatBuffer gradients, float scale, int m, int t) {
        int chunk = chunk(t);
        float[] p = scratch.row(0, chunk * t);
        float[] g = scratch.row(1, chunk * t);
        for (int i = 0; i < m; i += chunk) {
            int count = Math.min(chunk, m - i);
            softmax.get(at + i * t, p, 0, count * t);
            gradients.get(i * t, g, 0, count * t);
            softmaxRowsBackward(p, g, scale, count, t);
            gradients.put(i * t, g, 0, count * t);
        }
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
