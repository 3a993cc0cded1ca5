package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head attention. If its weights are not kept, the backward computes the forward again. On the CPU they are then never in memory,
 * because LibTorch's fused attention computes it; for a GPU they are in memory for some examples at a time.
 */
public final class Attention {
    private static final long PART = 32 << 20; // weights in memory at a time, unless one example has more

    private Attention() {}

    /** What is done with {@code n} examples from one on. */
    private interface Part {
        void compute(long from, long n, Tensor weights);
    }

    /** Does it with all examples, some at a time, with room for their weights {@code [n*H*Q, T]}. */
    @SuppressWarnings("try") // the scope frees what is made in it
    private static void inParts(
            TorchDevice device, torch.ScalarType type, long examples, long rows, long tokens, Part part) {
        long most = Math.max(1, PART / (rows * tokens));
        for (long from = 0; from < examples; from += most) {
            try (PointerScope scope = new PointerScope()) {
                long n = Math.min(most, examples - from);
                part.compute(from, n, device.empty(type, n * rows * tokens).view(n * rows, tokens));
            }
        }
    }

    /**
     * Puts the attention of the first Q tokens of each example into {@code out [B*Q, D]}.
     *
     * @param type of products
     * @param qkv {@code [B*T, 3D]}
     * @param weights out: the softmax, {@code [B*H*Q, T]}; null if it is not kept
     */
    public static void attention(
            TorchDevice device,
            torch.ScalarType type,
            Tensor qkv,
            long heads,
            long examples,
            @Nullable Tensor weights,
            Tensor out) {
        long queries = out.size(0) / examples;
        long t = qkv.size(0) / examples;
        if (weights == null && device.gpu()) {
            inParts(device, type, examples, heads * queries, t, (from, n, w) -> {
                Tensor some = qkv.narrow(0, from * t, n * t);
                attention(device, type, some, heads, n, w, out.narrow(0, from * queries, n * queries));
            });
            return;
        }
        Heads in = new Heads(qkv.to(type), heads, examples, queries);
        Tensor context = weights == null
                ? Fused.forward(in.q, in.k, in.v).get(0)
                : torch.matmul(in.softmax(in.weights(weights)), in.v);
        ofHeads(out, heads, examples).copy_(context);
    }

    /** Puts the gradient of that into {@code dqkv [B*T, 3D]}, given {@code dout [B*Q, D]}. */
    public static void backward(
            TorchDevice device,
            torch.ScalarType type,
            Tensor dout,
            Tensor qkv,
            @Nullable Tensor weights,
            long heads,
            long examples,
            Tensor dqkv) {
        long queries = dout.size(0) / examples;
        long t = qkv.size(0) / examples;
        if (weights == null && device.gpu()) {
            inParts(device, type, examples, heads * queries, t, (from, n, w) -> {
                Tensor some = qkv.narrow(0, from * t, n * t);
                Heads in = new Heads(some.to(type), heads, n, queries);
                in.softmax(in.weights(w));
                Tensor d = dout.narrow(0, from * queries, n * queries);
                backward(device, type, d, some, w, heads, n, dqkv.narrow(0, from * t, n * t));
            });
            return;
        }
        Heads in = new Heads(qkv.to(type), heads, examples, queries);
        Heads gradients = new Heads(dqkv, heads, examples, queries);
        Tensor dcontext = ofHeads(dout.to(type), heads, examples);
        if (queries < in.k.size(2)) {
            dqkv.zero_(); // the queries of the other tokens are not read
        }
        if (weights == null) {
            List<Tensor> all = Fused.backward(dcontext, in.q, in.k, in.v);
            gradients.q.copy_(all.get(0));
            gradients.k.copy_(all.get(1));
            gradients.v.copy_(all.get(2));
            return;
        }
        Tensor w = in.weights(weights);
        gradients.v.copy_(torch.matmul(w.transpose(2, 3), dcontext));
        Tensor dw = torch.matmul(dcontext, in.v.transpose(2, 3));
        Tensor ds = softmaxBackward(dw, w, in.scale).to(type);
        gradients.q.copy_(torch.matmul(ds, in.k));
        gradients.k.copy_(torch.matmul(ds.transpose(2, 3), in.q));
    }

    /**
     * Puts the attention of Q vectors of each example to its T tokens, which are keys and values in one, into {@code out [B*Q, D]}.
     *
     * @param weights out: the softmax, {@code [B*Q, T]}
     */
    public static void attend(Tensor u, Tensor x, double scale, Tensor weights, Tensor out) {
        long examples = x.size(0) / weights.size(1);
        Tensor tokens = Tokens.ofExamples(x, examples);
        Tensor w = Tokens.ofExamples(weights, examples);
        Tensor scores = torch.bmm(Tokens.ofExamples(u, examples), tokens.transpose(1, 2))
                .mul_(scalar(scale));
        torch.softmax_out(w, scores, 2);
        torch.bmm_out(Tokens.ofExamples(out, examples), w, tokens);
    }

    /** Puts the gradients of that into {@code du [B*Q, D]} and {@code dx [B*T, D]}, unless it is null, given {@code dout [B*Q, D]}. */
    public static void attendBackward(
            Tensor dout, Tensor u, Tensor x, double scale, Tensor weights, Tensor du, @Nullable Tensor dx) {
        long examples = x.size(0) / weights.size(1);
        Tensor tokens = Tokens.ofExamples(x, examples);
        Tensor w = Tokens.ofExamples(weights, examples);
        Tensor d = Tokens.ofExamples(dout, examples);
        Tensor ds = softmaxBackward(torch.bmm(d, tokens.transpose(1, 2)), w, scale);
        torch.bmm_out(Tokens.ofExamples(du, examples), ds, tokens);
        if (dx != null) {
            Tensor asKeys = torch.bmm(ds.transpose(1, 2), Tokens.ofExamples(u, examples));
            Tensor asValues = torch.bmm(w.transpose(1, 2), d);
            torch.add_out(Tokens.ofExamples(dx, examples), asKeys, asValues);
        }
    }

    /** Returns the gradient of scores, times {@code scale}, given that of their softmax over the last dimension: FLOAT of bfloat16. */
    private static Tensor softmaxBackward(Tensor dweights, Tensor weights, double scale) {
        torch.ScalarType type = Torch.type(weights);
        type = type == torch.ScalarType.BFloat16 ? torch.ScalarType.Float : type;
        Tensor w = weights.to(type);
        Tensor dw = dweights.to(type);
        Tensor inner = torch.mul(dw, w).sum(new long[] {-1}, true, new ScalarTypeOptional());
        return torch.sub(dw, inner).mul_(w).mul_(scalar(scale));
    }

    /** Returns a view {@code [B, H, n, D/H]} of {@code x [B*n, D]}. */
    private static Tensor ofHeads(Tensor x, long heads, long examples) {
        return x.view(examples, x.size(0) / examples, heads, x.size(1) / heads).transpose(1, 2);
    }

    /** Views of queries {@code [B, H, Q, D/H]}, keys and values {@code [B, H, T, D/H]} of {@code [B*T, 3D]}. */
    private static final class Heads {
        final Tensor q;
        final Tensor k;
        final Tensor v;
        final double scale;

        Heads(Tensor qkv, long heads, long examples, long queries) {
            long t = qkv.size(0) / examples;
            long h = qkv.size(1) / 3 / heads;
            Tensor all = qkv.view(examples, t, 3, heads, h).permute(2, 0, 3, 1, 4);
            this.q = all.select(0, 0).narrow(2, 0, queries);
            this.k = all.select(0, 1);
            this.v = all.select(0, 2);
            this.scale = 1 / Math.sqrt((double) h);
        }

        /** Returns {@code w [B, H, Q, T]}, after putting the softmax into it. */
        Tensor softmax(Tensor w) {
            Tensor scores = torch.matmul(q, k.transpose(2, 3)).mul_(scalar(scale));
            return torch.softmax_out(w, scores, 3);
        }

        /** Returns {@code [B*H*Q, T]} as {@code [B, H, Q, T]}. */
        Tensor weights(Tensor weights) {
            return weights.view(q.size(0), q.size(1), q.size(2), k.size(2));
        }
    }
}
