package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.pointer;
import static dev.grft.vit.kernels.CpuArrays.size;

import dev.grft.vit.kernels.onednn.Matrices;
import dev.grft.vit.kernels.onednn.Packed;
import dev.grft.vit.kernels.onednn.Products;
import java.lang.ref.Reference;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * Products with weights, and those of attention, in bfloat16. What goes in is rounded to bfloat16, sums and results are FLOAT; everything
 * between the products is FLOAT.
 */
final class CpuBf16 {
    private static final long FEW = 64; // rows for which it does not pay to convert a weight that changes

    private final Products products = new Products();
    private final CpuAttention attention;
    private final CpuScratch scratch;
    private final ShortPointer[] rounded = {
        new ShortPointer(), new ShortPointer(), new ShortPointer(), new ShortPointer()
    };

    CpuBf16(CpuAttention attention, CpuScratch scratch) {
        this.attention = attention;
        this.scratch = scratch;
    }

    void free() {
        products.close();
        for (int i = 0; i < rounded.length; i++) {
            rounded[i].close();
            rounded[i] = new ShortPointer();
        }
    }

    /** Does {@link Kernels#linear}. */
    void linear(INDArray x, INDArray w, @Nullable Packed packed, boolean adds, INDArray y) {
        long m = x.size(0);
        long out = w.size(0);
        long in = w.size(1);
        if (packed != null) {
            products.forward(round(0, x), packed, pointer(w), m, out, in, adds, pointer(y));
        } else if (m < FEW) {
            CpuProducts.gemm(false, x, true, w, 1, adds ? 1 : 0, y);
        } else {
            Matrices transposed = Matrices.one(out, in).transposed();
            products.multiply(
                    round(0, x),
                    Matrices.one(m, in),
                    round(1, w),
                    transposed,
                    1,
                    adds,
                    pointer(y),
                    Matrices.one(m, out));
        }
    }

    /** Does {@link Kernels#linearBackward}. */
    void linearBackward(INDArray dy, INDArray w, @Nullable Packed packed, INDArray dx) {
        long m = dy.size(0);
        long out = w.size(0);
        long in = w.size(1);
        if (packed != null) {
            products.backward(round(0, dy), packed, pointer(w), m, out, in, pointer(dx));
        } else if (m < FEW) {
            CpuProducts.gemm(false, dy, false, w, 1, 0, dx);
        } else {
            products.multiply(
                    round(0, dy),
                    Matrices.one(m, out),
                    round(1, w),
                    Matrices.one(out, in),
                    1,
                    false,
                    pointer(dx),
                    Matrices.one(m, in));
        }
    }

    /** Does {@link Kernels#attention}, an example at a time, all heads at once. */
    void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        Attention sizes = new Attention(qkv, heads, examples, out);
        FloatPointer in = pointer(qkv);
        FloatPointer to = pointer(out);
        FloatPointer kept = weights == null ? scratch.matrix(0, sizes.weights()) : pointer(weights);
        for (long b = 0; b < examples; b++) {
            ShortPointer rounded = round(0, at(in, b * sizes.ofInput()), sizes.ofInput());
            FloatPointer w = at(kept, weights == null ? 0 : b * sizes.weights());
            sizes.weights(rounded, w);
            products.multiply(
                    round(1, w, sizes.weights()),
                    sizes.square(),
                    at(rounded, 2L * sizes.d),
                    sizes.keys(),
                    1,
                    false,
                    at(to, b * sizes.queries * sizes.d),
                    sizes.results());
        }
        keep(in, to, kept);
    }

    /** Does {@link Kernels#attentionBackward}. */
    void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        Attention sizes = new Attention(qkv, heads, examples, dout);
        FloatPointer in = pointer(qkv);
        FloatPointer from = pointer(dout);
        FloatPointer to = pointer(dqkv);
        FloatPointer kept = weights == null ? scratch.matrix(1, sizes.weights()) : pointer(weights);
        FloatPointer dw = scratch.matrix(0, sizes.weights());
        if (sizes.queries < sizes.t) {
            // The queries of the other tokens are not read: their gradient is 0.
            Pointer.memset(to, 0, dqkv.length() * Float.BYTES);
        }
        for (long b = 0; b < examples; b++) {
            ShortPointer q = round(0, at(in, b * sizes.ofInput()), sizes.ofInput());
            ShortPointer k = at(q, sizes.d);
            ShortPointer v = at(q, 2L * sizes.d);
            FloatPointer dq = at(to, b * sizes.ofInput());
            FloatPointer w = at(kept, weights == null ? 0 : b * sizes.weights());
            if (weights == null) {
                sizes.weights(q, w);
            }
            long ofOutput = sizes.queries * sizes.d;
            ShortPointer o = round(1, at(from, b * ofOutput), ofOutput);
            // dv = w' do, dw = do v', which becomes ds
            ShortPointer p = round(2, w, sizes.weights());
            products.multiply(
                    p, sizes.square().transposed(), o, sizes.results(), 1, false, at(dq, 2L * sizes.d), sizes.keys());
            products.multiply(o, sizes.results(), v, sizes.keys().transposed(), 1, false, dw, sizes.square());
            attention.softmaxBackward(
                    new CpuMemory(w),
                    0,
                    new CpuMemory(dw),
                    sizes.scale,
                    Math.toIntExact(heads * sizes.queries),
                    sizes.t);
            // dq = ds k, dk = ds' q
            ShortPointer ds = round(2, dw, sizes.weights());
            products.multiply(ds, sizes.square(), k, sizes.keys(), 1, false, dq, sizes.inputs());
            products.multiply(
                    ds, sizes.square().transposed(), q, sizes.inputs(), 1, false, at(dq, sizes.d), sizes.keys());
        }
        keep(in, from, to, kept);
    }

    /** The sizes of an attention of H heads, and the views of one example's arrays. */
    private final class Attention {
        final int heads;
        final int d;
        final int t;
        final long queries;
        final long h;
        final float scale;

        Attention(INDArray qkv, int heads, int examples, INDArray out) {
            this.heads = heads;
            this.d = size(out, 1);
            this.t = Math.toIntExact(qkv.size(0) / examples);
            this.queries = out.size(0) / examples;
            this.h = d / heads;
            this.scale = (float) (1 / Math.sqrt((double) h));
        }

        /** Returns the number of queries, keys and values of an example, {@code [T, 3D]}. */
        long ofInput() {
            return 3L * d * t;
        }

        /** Returns the number of weights of an example, {@code [H, Q, T]}. */
        long weights() {
            return heads * queries * t;
        }

        Matrices inputs() {
            return Matrices.heads(heads, queries, h, 3L * d);
        }

        Matrices keys() {
            return Matrices.heads(heads, t, h, 3L * d);
        }

        Matrices results() {
            return Matrices.heads(heads, queries, h, d);
        }

        Matrices square() {
            return Matrices.several(heads, queries, t);
        }

        /** Puts the softmax of {@code scale q k'} into {@code w [H, Q, T]}. */
        void weights(ShortPointer qkv, FloatPointer w) {
            products.multiply(qkv, inputs(), at(qkv, d), keys().transposed(), scale, false, w, square());
            attention.softmax(new CpuMemory(w), 0, Math.toIntExact(heads * queries), t);
        }
    }

    /** Returns an array in bfloat16, which lasts until the next call with the index. */
    private ShortPointer round(int index, INDArray array) {
        return round(index, pointer(array), array.length());
    }

    private ShortPointer round(int index, FloatPointer from, long n) {
        if (rounded[index].capacity() < n) {
            rounded[index].close();
            rounded[index] = new ShortPointer(n);
        }
        products.convert(from, rounded[index], n);
        return rounded[index];
    }

    /** Returns the memory from value {@code index} on: oneDNN reads the address alone, not the position. */
    private static FloatPointer at(FloatPointer pointer, long index) {
        return pointer.position(0).getPointer(index);
    }

    /** Keeps memory from being freed before this call: pointers {@linkplain #at into it} do not. */
    @SuppressWarnings("ReachabilityFenceUsage") // in no finally: after an exception nothing uses the memory
    private static void keep(FloatPointer... pointers) {
        Reference.reachabilityFence(pointers);
    }

    private static ShortPointer at(ShortPointer pointer, long index) {
        return pointer.position(0).getPointer(index);
    }
}
