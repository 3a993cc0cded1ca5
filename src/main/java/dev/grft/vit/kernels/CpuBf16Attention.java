package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.at;
import static dev.grft.vit.kernels.HostArray.shorts;
import static dev.grft.vit.kernels.HostArray.size;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Matrices;
import dev.grft.vit.kernels.onednn.Products;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head attention with products in bfloat16, some heads of an example at a time: all of them, if the weights are kept. Scores and their
 * gradients are FLOAT.
 */
final class CpuBf16Attention {
    private static final long MOST =
            1 << 21; // weights that are computed at once, unless they are kept or one head has more

    private final CpuScratch scratch;
    private final Products products;
    private final Functions functions;

    CpuBf16Attention(CpuScratch scratch, Products products, Functions functions) {
        this.scratch = scratch;
        this.products = products;
        this.functions = functions;
    }

    /** Does {@link Kernels#attention}; the weights are kept in BFLOAT16. */
    void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out) {
        Sizes sizes = new Sizes(qkv, heads, examples, out, weights != null);
        ShortPointer in = CpuBf16.in(scratch, functions, 0, qkv);
        Pointer to = CpuBf16.result(out);
        ShortPointer kept = weights == null ? scratch.shorts(1, sizes.weights()) : shorts(weights);
        for (long group = 0; group < sizes.groups(examples); group++) {
            ShortPointer q = at(in, sizes.input(group));
            ShortPointer w = at(kept, weights == null ? 0 : group * sizes.weights());
            weights(sizes, q, w);
            products.multiply(
                    w,
                    sizes.square(),
                    at(q, 2L * sizes.d),
                    sizes.keys(),
                    1,
                    false,
                    at(to, sizes.result(group)),
                    sizes.results());
        }
        HostArray.keep(in, to, kept);
    }

    /** Does {@link Kernels#attentionBackward}. */
    void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv) {
        Sizes sizes = new Sizes(qkv, heads, examples, dout, weights != null);
        ShortPointer in = CpuBf16.in(scratch, functions, 0, qkv);
        ShortPointer from = CpuBf16.in(scratch, functions, 1, dout);
        Pointer to = CpuBf16.result(dqkv);
        ShortPointer kept = weights == null ? scratch.shorts(2, sizes.weights()) : shorts(weights);
        FloatPointer dw = scratch.matrix(0, sizes.weights());
        FloatPointer wide = scratch.matrix(1, sizes.weights());
        ShortPointer ds = scratch.shorts(3, sizes.weights());
        if (sizes.queries < sizes.t) {
            // The queries of the other tokens are not read: their gradient is 0.
            Pointer.memset(to, 0, dqkv.length() * dqkv.type().width());
        }
        for (long group = 0; group < sizes.groups(examples); group++) {
            ShortPointer q = at(in, sizes.input(group));
            ShortPointer k = at(q, sizes.d);
            ShortPointer v = at(q, 2L * sizes.d);
            ShortPointer o = at(from, sizes.result(group));
            ShortPointer w = at(kept, weights == null ? 0 : group * sizes.weights());
            Pointer dq = at(to, sizes.input(group));
            if (weights == null) {
                weights(sizes, q, w);
            }
            // dv = w' do, dw = do v', which becomes ds
            products.multiply(
                    w, sizes.square().transposed(), o, sizes.results(), 1, false, at(dq, 2L * sizes.d), sizes.keys());
            products.multiply(o, sizes.results(), v, sizes.keys().transposed(), 1, false, dw, sizes.square());
            functions.widen(w, wide, sizes.weights());
            functions.softmaxBackward(wide, dw, sizes.heads * sizes.queries, sizes.t);
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
        HostArray.keep(in, from, to, kept);
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

    /** The sizes of an attention, and the views of H heads of an example: of a group that is computed at once. */
    private static final class Sizes {
        final int heads; // of a group
        final int groups; // of an example
        final int d;
        final int t;
        final long queries;
        final long h;
        final float scale;

        Sizes(Array qkv, int all, int examples, Array out, boolean kept) {
            this.d = size(out, 1);
            this.t = Math.toIntExact(qkv.size(0) / examples);
            this.queries = out.size(0) / examples;
            this.h = d / all;
            this.scale = (float) (1 / Math.sqrt((double) h));
            int some = all;
            while (!kept && some > 1 && (all % some != 0 || some * queries * t > MOST)) {
                some--;
            }
            this.heads = some;
            this.groups = all / some;
        }

        /** Returns the number of groups of some examples. */
        long groups(int examples) {
            return (long) examples * groups;
        }

        /** Returns where a group's queries begin in {@code [B*T, 3D]}. */
        long input(long group) {
            return group / groups * 3L * d * t + group % groups * heads * h;
        }

        /** Returns where a group's results begin in {@code [B*Q, D]}. */
        long result(long group) {
            return group / groups * queries * d + group % groups * heads * h;
        }

        /** Returns the number of weights of a group, {@code [H, Q, T]}. */
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
