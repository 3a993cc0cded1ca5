package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.at;
import static dev.grft.vit.kernels.CpuArrays.shorts;
import static dev.grft.vit.kernels.CpuArrays.size;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Matrices;
import dev.grft.vit.kernels.onednn.Products;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Multi-head attention with products in bfloat16, an example at a time and all heads at once; scores and their gradients are FLOAT. */
final class CpuBf16Attention {
    private final CpuScratch scratch;
    private final Products products;
    private final Functions functions;

    CpuBf16Attention(CpuScratch scratch, Products products, Functions functions) {
        this.scratch = scratch;
        this.products = products;
        this.functions = functions;
    }

    /** Does {@link Kernels#attention}; the weights are kept in BFLOAT16. */
    void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        Sizes sizes = new Sizes(qkv, heads, examples, out);
        ShortPointer in = CpuBf16.in(scratch, functions, 0, qkv);
        Pointer to = CpuBf16.result(out);
        ShortPointer kept = weights == null ? scratch.shorts(1, sizes.weights()) : shorts(weights);
        for (long b = 0; b < examples; b++) {
            ShortPointer q = at(in, b * sizes.ofInput());
            ShortPointer w = at(kept, weights == null ? 0 : b * sizes.weights());
            weights(sizes, q, w);
            products.multiply(
                    w,
                    sizes.square(),
                    at(q, 2L * sizes.d),
                    sizes.keys(),
                    1,
                    false,
                    at(to, b * sizes.queries * sizes.d),
                    sizes.results());
        }
        CpuArrays.keep(in, to, kept);
    }

    /** Does {@link Kernels#attentionBackward}. */
    void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        Sizes sizes = new Sizes(qkv, heads, examples, dout);
        ShortPointer in = CpuBf16.in(scratch, functions, 0, qkv);
        ShortPointer from = CpuBf16.in(scratch, functions, 1, dout);
        Pointer to = CpuBf16.result(dqkv);
        ShortPointer kept = weights == null ? scratch.shorts(2, sizes.weights()) : shorts(weights);
        FloatPointer dw = scratch.matrix(0, sizes.weights());
        FloatPointer wide = scratch.matrix(1, sizes.weights());
        ShortPointer ds = scratch.shorts(3, sizes.weights());
        if (sizes.queries < sizes.t) {
            // The queries of the other tokens are not read: their gradient is 0.
            Pointer.memset(to, 0, dqkv.length() * dqkv.dataType().width());
        }
        for (long b = 0; b < examples; b++) {
            ShortPointer q = at(in, b * sizes.ofInput());
            ShortPointer k = at(q, sizes.d);
            ShortPointer v = at(q, 2L * sizes.d);
            ShortPointer o = at(from, b * sizes.queries * sizes.d);
            ShortPointer w = at(kept, weights == null ? 0 : b * sizes.weights());
            Pointer dq = at(to, b * sizes.ofInput());
            if (weights == null) {
                weights(sizes, q, w);
            }
            // dv = w' do, dw = do v', which becomes ds
            products.multiply(
                    w, sizes.square().transposed(), o, sizes.results(), 1, false, at(dq, 2L * sizes.d), sizes.keys());
            products.multiply(o, sizes.results(), v, sizes.keys().transposed(), 1, false, dw, sizes.square());
            functions.widen(w, wide, sizes.weights());
            functions.softmaxBackward(wide, dw, heads * sizes.queries, sizes.t);
            functions.narrow(dw, ds, sizes.weights());
            // dq = ds k, dk = ds' q
            products.multiply(ds, sizes.square(), k, sizes.keys(), sizes.scale, false, dq, sizes.inputs());
            products.multiply(
                    ds,
                    sizes.square().transposed(),
                    q,
                    sizes.inputs(),
                    sizes.scale,
                    false,
                    at(dq, sizes.d),
                    sizes.keys());
        }
        CpuArrays.keep(in, from, to, kept);
    }

    /** Puts the softmax of {@code scale q k'} into {@code w [H, Q, T]}. */
    private void weights(Sizes sizes, ShortPointer qkv, ShortPointer w) {
        FloatPointer scores = scratch.matrix(0, sizes.weights());
        products.multiply(
                qkv,
                sizes.inputs(),
                at(qkv, sizes.d),
                sizes.keys().transposed(),
                sizes.scale,
                false,
                scores,
                sizes.square());
        functions.softmax(scores, w, sizes.heads * sizes.queries, sizes.t);
    }

    /** The sizes of an attention of H heads, and the views of one example's arrays. */
    private static final class Sizes {
        final int heads;
        final int d;
        final int t;
        final long queries;
        final long h;
        final float scale;

        Sizes(INDArray qkv, int heads, int examples, INDArray out) {
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
    }
}
