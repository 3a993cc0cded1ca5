package dev.grft.vit.kernels.nd4j;

import static dev.grft.vit.kernels.nd4j.Operations.columns;
import static dev.grft.vit.kernels.nd4j.Operations.ofExamples;

import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.transforms.custom.SoftMax;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;

/** Attention by public ND4J operations: the part of {@link Operations} that looks into heads. */
final class Attention {
    private Attention() {}

    /** Does {@link Kernels#attention}, one example at a time if no weights are kept. */
    static void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        if (weights != null) {
            kept(qkv, heads, examples, weights, out);
            return;
        }
        INDArray some = ofExample(qkv, out, heads, examples);
        for (int b = 0; b < examples; b++) {
            kept(rowsOf(qkv, b, examples), heads, 1, some, rowsOf(out, b, examples));
        }
    }

    private static void kept(INDArray qkv, int heads, int examples, INDArray weights, INDArray out) {
        int d = Math.toIntExact(out.size(1));
        int t = Math.toIntExact(weights.size(1));
        int queries = Math.toIntExact(out.size(0) / examples);
        INDArray[] parts = heads(qkv, examples, t, heads, d);
        INDArray scores =
                Nd4j.matmul(first(parts[0], queries), transposed(parts[1])).muli(1 / Math.sqrt((double) d / heads));
        softmax(scores, weights);
        INDArray context = Nd4j.matmul(weights.reshape('c', (long) examples * heads, queries, t), parts[2]);
        out.assign(joined(context, examples, queries, heads, d));
    }

    /** Does {@link Kernels#attentionBackward}. */
    static void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        if (weights != null) {
            keptBackward(dout, qkv, weights, heads, examples, dqkv);
            return;
        }
        INDArray some = ofExample(qkv, dout, heads, examples);
        INDArray again = dout.ulike();
        for (int b = 0; b < examples; b++) {
            INDArray tokens = rowsOf(qkv, b, examples);
            kept(tokens, heads, 1, some, rowsOf(again, b, examples));
            keptBackward(rowsOf(dout, b, examples), tokens, some, heads, 1, rowsOf(dqkv, b, examples));
        }
    }

    /** Returns an array for the weights of one example. */
    private static INDArray ofExample(INDArray qkv, INDArray out, int heads, int examples) {
        return Nd4j.createUninitialized(
                qkv.dataType(), new long[] {out.size(0) / examples * heads, qkv.size(0) / examples}, 'c');
    }

    /** Returns the rows of one of some examples as a view. */
    private static INDArray rowsOf(INDArray x, long example, int examples) {
        long rows = x.size(0) / examples;
        return x.get(NDArrayIndex.interval(example * rows, (example + 1) * rows), NDArrayIndex.all());
    }

    private static void keptBackward(
            INDArray dout, INDArray qkv, INDArray weights, int heads, int examples, INDArray dqkv) {
        int d = Math.toIntExact(dout.size(1));
        int t = Math.toIntExact(weights.size(1));
        int queries = Math.toIntExact(dout.size(0) / examples);
        long batch = (long) examples * heads;
        INDArray[] parts = heads(qkv, examples, t, heads, d);
        INDArray w = weights.reshape('c', batch, queries, t);
        INDArray dcontext = split(dout, examples, queries, heads, d);
        INDArray dv = Nd4j.matmul(transposed(w), dcontext);
        INDArray dw = Nd4j.matmul(dcontext, transposed(parts[2]));
        INDArray ds = softmaxBackward(dw, weights, 1 / Math.sqrt((double) d / heads));
        INDArray dq = Nd4j.zeros(dqkv.dataType(), batch, t, d / heads);
        first(dq, queries).assign(Nd4j.matmul(ds, parts[1])); // the other queries are not read: 0
        INDArray dk = Nd4j.matmul(transposed(ds), first(parts[0], queries));
        INDArray[] gradients = {dq, dk, dv};
        for (int i = 0; i < 3; i++) {
            columns(dqkv, (long) i * d, (long) (i + 1) * d).assign(joined(gradients[i], examples, t, heads, d));
        }
    }

    /** Puts the softmax over the last dimension of {@code scores [B, Q, T]} into {@code weights [B*Q, T]}. */
    private static void softmax(INDArray scores, INDArray weights) {
        INDArray flat = scores.reshape('c', weights.shape());
        weights.assign(Nd4j.exec(new SoftMax(flat, flat.ulike(), 1))[0]);
    }

    /** Returns the gradient of the scores {@code [B, Q, T]}, times {@code scale}, given that of their softmax. */
    private static INDArray softmaxBackward(INDArray dweights, INDArray weights, double scale) {
        INDArray flat = dweights.reshape('c', weights.shape());
        INDArray inner = flat.mul(weights).sum(true, 1);
        return flat.subColumnVector(inner).muli(weights).muli(scale).reshape('c', dweights.shape());
    }

    static void attend(INDArray u, INDArray x, double scale, INDArray weights, INDArray out) {
        int examples = Math.toIntExact(x.size(0) / weights.size(1));
        INDArray tokens = ofExamples(x, examples);
        softmax(Nd4j.matmul(ofExamples(u, examples), transposed(tokens)).muli(scale), weights);
        out.assign(Nd4j.matmul(ofExamples(weights, examples), tokens).reshape('c', out.shape()));
    }

    static void attendBackward(
            INDArray dout, INDArray u, INDArray x, double scale, INDArray weights, INDArray du, @Nullable INDArray dx) {
        int examples = Math.toIntExact(x.size(0) / weights.size(1));
        INDArray tokens = ofExamples(x, examples);
        INDArray d = ofExamples(dout, examples);
        INDArray ds = softmaxBackward(Nd4j.matmul(d, transposed(tokens)), weights, scale);
        du.assign(Nd4j.matmul(ds, tokens).reshape('c', du.shape()));
        if (dx != null) {
            INDArray asKeys = Nd4j.matmul(transposed(ds), ofExamples(u, examples));
            INDArray asValues = Nd4j.matmul(transposed(ofExamples(weights, examples)), d);
            dx.assign(asKeys.addi(asValues).reshape('c', dx.shape()));
        }
    }

    private static INDArray transposed(INDArray x) {
        return x.permute(0, 2, 1).dup('c');
    }

    static void headsApart(INDArray x, int heads, INDArray y) {
        y.assign(0);
        for (int head = 0; head < heads; head++) {
            ofHead(y, head, heads).assign(columnsOfHead(x, head, heads));
        }
    }

    static void addHeads(INDArray x, int heads, INDArray y) {
        for (int head = 0; head < heads; head++) {
            columnsOfHead(y, head, heads).addi(ofHead(x, head, heads));
        }
    }

    /** Returns one head's columns of its own rows of {@code x [B*H, D]}, a row per example: {@code [B, D/H]}. */
    private static INDArray ofHead(INDArray x, int head, int heads) {
        INDArray rows = x.reshape('c', x.size(0) / heads, heads, x.size(1))
                .get(NDArrayIndex.all(), NDArrayIndex.point(head), NDArrayIndex.all());
        return columnsOfHead(rows, head, heads);
    }

    private static INDArray columnsOfHead(INDArray x, int head, int heads) {
        long h = x.size(1) / heads;
        return columns(x, head * h, (head + 1) * h);
    }

    /** Returns queries, keys and values of {@code qkv [B*T, 3D]}, each {@code [B*H, T, D/H]}. */
    private static INDArray[] heads(INDArray qkv, int examples, int t, int heads, int d) {
        INDArray[] parts = new INDArray[3];
        for (int i = 0; i < 3; i++) {
            parts[i] = split(columns(qkv, (long) i * d, (long) (i + 1) * d).dup('c'), examples, t, heads, d);
        }
        return parts;
    }

    /** Returns the first Q tokens of {@code x [B*H, T, D/H]}: {@code [B*H, Q, D/H]}. */
    private static INDArray first(INDArray x, int queries) {
        return queries == x.size(1)
                ? x
                : x.get(NDArrayIndex.all(), NDArrayIndex.interval(0, queries), NDArrayIndex.all());
    }

    /** Returns {@code [B*T, D]} as {@code [B*H, T, D/H]}. */
    private static INDArray split(INDArray x, int examples, int t, int heads, int d) {
        return x.reshape('c', examples, t, heads, d / heads)
                .permute(0, 2, 1, 3)
                .dup('c')
                .reshape('c', (long) examples * heads, t, d / heads);
    }

    /** Returns {@code [B*H, T, D/H]} as {@code [B*T, D]}. */
    private static INDArray joined(INDArray x, int examples, int t, int heads, int d) {
        return x.dup('c')
                .reshape('c', examples, heads, t, d / heads)
                .permute(0, 2, 1, 3)
                .dup('c')
                .reshape('c', (long) examples * t, d);
    }
}
