package dev.grft.vit;

import dev.grft.data.Seeds;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A pre-norm encoder block (Dosovitskiy et al. 2021, arXiv 2010.11929, equations 2 and 3), with layer scales if the model has
 * them: an attention branch and an MLP branch, each added to what goes past it.
 *
 * <pre>
 *   u = norm1(x)   c = attention(qkv(u))   r = x + ls1(proj(c))       (2)
 *   v = norm2(r)   h = gelu(fc1(v))        y = r + ls2(fc2(h))        (3)
 * </pre>
 *
 * <p>The backward is the same chain read from right to left. With f' for the product with the transposed Jacobian of f:
 *
 * <pre>
 *   dh = fc2'(ls2'(dy))    dv = fc1'(gelu'(dh))         dr = dy + norm2'(dv)
 *   dc = proj'(ls1'(dr))   du = qkv'(attention'(dc))    dx = dr + norm1'(du)
 * </pre>
 *
 * <p>While a training {@linkplain #dropPaths drops paths}, a branch is multiplied by 0 or more for each example, forward and backward.
 *
 * <p>A gradient that nothing needs is null, and the backward of null is null. Shapes in comments: M = B*T tokens, of which N go
 * on after the attention. N = M, but if the head reads only the class token, the last block computes everything after norm1 for
 * that token alone: N = B. The result is the same, for a twelfth less of the work of a ViT with twelve blocks.
 */
final class EncoderBlock extends Layer implements Stage {
    private final String name;
    private final int index;
    private final boolean last;
    private final boolean classTokenOnly;
    private final VitConfig config;
    private final Kernels kernels;
    private final Buffers buffers;
    private final DataType between; // what lies between the products
    private final LayerNorm norm1;
    private final Linear qkv;
    private final @Nullable ClassAttention classAttention;
    private final Linear proj;
    private final LayerScale ls1;
    private final LayerNorm norm2;
    private final Linear fc1;
    private final Linear fc2;
    private final LayerScale ls2;
    private Keep.OfBlock kept = Keep.OfBlock.EVERYTHING;
    private @Nullable Array input;
    private float @Nullable [] attentionPaths; // [B], 0 or one over the probability of 1 is kept; null: all are
    private float @Nullable [] mlpPaths;

    EncoderBlock(int index, VitConfig config, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.index = index;
        this.last = index == config.depth() - 1;
        this.classTokenOnly = last && config.variant().pooling().classTokenOnly();
        this.name = "blocks." + index;
        this.config = config;
        this.kernels = kernels;
        this.buffers = buffers;
        this.between = classTokenOnly ? buffers.type() : kernels.between(buffers.type()); // few rows are not worth it
        this.norm1 = new LayerNorm(name + ".norm1", config.epsilon(), weights, trainable, kernels, buffers);
        this.qkv = new Linear(name + ".attn.qkv", weights, trainable, kernels, buffers);
        this.classAttention = classTokenOnly ? new ClassAttention(name, config, qkv, kernels, buffers) : null;
        this.proj = new Linear(name + ".attn.proj", weights, trainable, kernels, buffers);
        this.ls1 = new LayerScale(name + ".ls1", weights, trainable, kernels, buffers);
        this.norm2 = new LayerNorm(name + ".norm2", config.epsilon(), weights, trainable, kernels, buffers);
        this.fc1 = new Linear(name + ".mlp.fc1", weights, trainable, kernels, buffers);
        this.fc2 = new Linear(name + ".mlp.fc2", weights, trainable, kernels, buffers);
        this.ls2 = new LayerScale(name + ".ls2", weights, trainable, kernels, buffers);
    }

    @Override
    List<Layer> parts() {
        return List.of(norm1, qkv, proj, ls1, norm2, fc1, fc2, ls2);
    }

    /**
     * Keeps from now on what the backward reads, and nothing else.
     *
     * @param inputGradient whether something before this block needs a gradient
     */
    void keep(boolean inputGradient) {
        boolean attention = inputGradient || activeBefore(proj);
        kept = new Keep.OfBlock(
                inputGradient || norm1.trainsGain() || qkv.readsInput() || (classTokenOnly && attention),
                attention,
                proj.readsInput(),
                inputGradient || activeBefore(norm2) || norm2.trainsGain() || fc1.readsInput(),
                inputGradient || activeBefore(fc2),
                fc2.readsInput());
    }

    /** Returns what is kept. */
    Keep.OfBlock kept() {
        return kept;
    }

    /** Drops each branch of each example at random from now on; see {@link Vit#dropPaths}. */
    void dropPaths(double rate, long[] seeds) {
        double probability = config.depth() == 1 ? 0 : rate * index / (config.depth() - 1);
        attentionPaths = paths(probability, 2L * index, seeds);
        mlpPaths = paths(probability, 2L * index + 1, seeds);
    }

    /** Returns the factor of a branch for each example, of mean 1; null if it is 1 for all. */
    private static float @Nullable [] paths(double dropped, long branch, long[] seeds) {
        if (dropped == 0) {
            return null;
        }
        float[] factors = new float[seeds.length];
        for (int b = 0; b < factors.length; b++) {
            boolean kept = Seeds.random(seeds[b], branch).nextDouble() >= dropped;
            factors[b] = kept ? (float) (1 / (1 - dropped)) : 0;
        }
        return factors;
    }

    /** Returns {@code x [N, D]} after the examples' factors were applied in place. */
    private Array dropped(Array x, float @Nullable [] paths) {
        if (paths != null) {
            kernels.scaleExamples(x, paths, x);
        }
        return x;
    }

    /** Returns the gradient of a branch, given that of its sum with what goes past it, which is not changed. */
    private @Nullable Array droppedBackward(@Nullable Array dy, float @Nullable [] paths) {
        if (dy == null || paths == null) {
            return dy;
        }
        Array dx = buffers.shared("dnormed", dy.shape()); // free until the branch's own
        kernels.scaleExamples(dy, paths, dx);
        return dx;
    }

    /** Returns {@code y [N, D]}, given {@code x [M, D]}. */
    @Override
    public Array forward(Array x, int examples) {
        input = x;
        return compute(x, examples);
    }

    private Array compute(Array x, int examples) {
        Pass pass = new Pass(examples, false);
        return mlp(attention(x, pass), pass);
    }

    /** Returns {@code dx [M, D]}, given {@code dy [N, D]}, which it overwrites. */
    @Override
    public @Nullable Array backward(Array dy, int examples, boolean inputGradient) {
        if (input == null) {
            throw new IllegalStateException(name + ": backward before forward");
        }
        if (buffers.keep() == Keep.INPUTS && !last) {
            compute(input, examples);
        }
        Pass pass = new Pass(examples, inputGradient);
        return attentionBackward(mlpBackward(dy, pass), pass);
    }

    /** Returns {@code r}, equation 2. */
    private Array attention(Array x, Pass pass) {
        Array u = norm1.forward(x, kept.norm1(), pass.u()); // [M, D]
        Array c = attend(u, pass); // [N, D]
        Array r = dropped(ls1.forward(proj.forward(c, pass.r())), attentionPaths); // [N, D]
        kernels.add(past(x, pass), r);
        return r;
    }

    private @Nullable Array attentionBackward(@Nullable Array dr, Pass pass) {
        Array branch = ls1.backward(droppedBackward(dr, attentionPaths)); // [N, D]
        Array dc = proj.backward(pass.c(), branch, pass.examples, pass.dc()); // [N, D]
        Array du = attendBackward(dc, pass); // [M, D]
        Array dx = pastBackward(dr, pass); // [M, D]
        return norm1.backward(du, dx); // added to dx
    }

    /** Returns {@code y}, equation 3. */
    private Array mlp(Array r, Pass pass) {
        Array v = norm2.forward(r, kept.norm2(), pass.v()); // [N, D]
        Array h = hidden(v, pass); // [N, mlpWidth]
        Array y = dropped(ls2.forward(fc2.forward(h, pass.y())), mlpPaths); // [N, D]
        kernels.add(r, y);
        return y;
    }

    private @Nullable Array mlpBackward(Array dy, Pass pass) {
        Array branch = ls2.backward(droppedBackward(dy, mlpPaths)); // [N, D]
        Array dh = fc2.backward(pass.h(), branch, pass.examples, pass.dh()); // [N, mlpWidth]
        Array dv = hiddenBackward(dh, pass); // [N, D]
        Array dr = pass.dr(dy); // [N, D]
        return norm2.backward(dv, dr); // added to dr
    }

    /** Returns {@code c = attention(qkv(u))}: the N tokens attend to all M. */
    private Array attend(Array u, Pass pass) {
        Array c = pass.c(); // [N, D]
        if (classAttention == null || !classAttention.forward(u, pass.examples, c)) {
            Array p = qkv.forward(u, pass.p()); // [M, 3D]
            kernels.attention(p, config.heads(), pass.examples, pass.a(), c);
        }
        return c;
    }

    private @Nullable Array attendBackward(@Nullable Array dc, Pass pass) {
        if (dc == null) {
            return null;
        }
        if (classAttention != null && classAttention.attended()) {
            return classAttention.backward(dc, norm1.again(pass.u()), pass.examples, pass.du());
        }
        Array dp = pass.dp(); // [M, 3D]
        kernels.attentionBackward(dc, pass.p(), pass.a(), config.heads(), pass.examples, dp);
        Array u = qkv.readsInput() ? norm1.again(pass.u()) : pass.u(); // [M, D]; else not read
        return qkv.backward(u, dp, pass.examples, pass.du());
    }

    /** Returns {@code h = gelu(fc1(v))}. The GELU adds fc1's bias, and leaves what its backward needs. */
    private Array hidden(Array v, Pass pass) {
        Array h = pass.h(); // [N, mlpWidth]
        Array kept = pass.activated();
        Array x = kept == null ? h : kept;
        Array bias = fc1.forwardWithoutBias(v, x);
        config.variant().activation().apply(kernels, bias, x, h);
        return h;
    }

    private @Nullable Array hiddenBackward(@Nullable Array dh, Pass pass) {
        if (dh == null) {
            return null;
        }
        config.variant().activation().backward(kernels, Objects.requireNonNull(pass.activated()), dh);
        Array v = fc1.readsInput() ? norm2.again(pass.v()) : pass.v(); // [N, D]; else not read
        return fc1.backward(v, dh, pass.examples, pass.dv());
    }

    /** Returns what goes past the attention to the N tokens: their rows of x. */
    private Array past(Array x, Pass pass) {
        if (!classTokenOnly) {
            return x;
        }
        Array rows = pass.classTokens(); // [B, D]
        kernels.copyRows(x, 0, rows, 0, 1, pass.examples);
        return rows;
    }

    private @Nullable Array pastBackward(@Nullable Array dr, Pass pass) {
        if (dr == null || !pass.inputGradient) {
            return null;
        }
        if (!classTokenOnly) {
            return dr;
        }
        Array dx = pass.dx().fill(0); // [M, D]; the other tokens have no gradient
        kernels.copyRows(dr, 0, dx, 0, 1, pass.examples);
        return dx;
    }

    /**
     * The arrays of one pass. Which of them share memory, which are kept for the backward, and which gradients are null is decided
     * here alone: an array of one name is the same memory in all blocks if it is {@linkplain Buffers#shared shared}, and holds in
     * the backward what the forward has put there if it is {@linkplain Buffers#saved saved}.
     */
    private final class Pass {
        private final int examples;
        private final boolean inputGradient;
        private final long m;
        private final long n;
        private final int d = config.width();

        Pass(int examples, boolean inputGradient) {
            this.examples = examples;
            this.inputGradient = inputGradient;
            this.m = (long) examples * config.tokens();
            this.n = classTokenOnly ? examples : m;
        }

        /** Returns whether something before a layer needs the gradient of the layer's input. */
        private boolean wanted(Layer layer) {
            return inputGradient || activeBefore(layer);
        }

        private Array array(boolean kept, String of, long... shape) {
            return kept ? buffers.saved(between, name, of, shape) : buffers.shared(between, of, shape);
        }

        Array u() {
            return buffers.shared(between, "normed", m, d);
        }

        Array p() {
            return array(kept.attention(), "projected", m, 3L * d);
        }

        /** Returns the softmax of the attention, {@code [N*H, T]}; null if it is not kept. */
        @Nullable
        Array a() {
            return buffers.keep() == Keep.NOTHING || !kept.attention() || !config.keepsAttention()
                    ? null
                    : buffers.saved(
                            kernels.between(buffers.type()), name, "attention", n * config.heads(), config.tokens());
        }

        Array c() {
            return array(kept.context(), "context", n, d);
        }

        Array classTokens() {
            return buffers.shared("classTokens", n, d);
        }

        Array r() {
            return buffers.shared("residual", n, d);
        }

        Array v() {
            return buffers.shared(between, "normed", n, d);
        }

        Array h() {
            return array(kept.hidden(), "hidden", n, config.mlpWidth());
        }

        /** Returns what the GELU's backward needs, {@code [N, mlpWidth]}; null if it has none. */
        @Nullable
        Array activated() {
            return buffers.keep() == Keep.NOTHING || !kept.activation()
                    ? null
                    : buffers.saved(between, name, "activated", n, config.mlpWidth());
        }

        Array y() {
            return buffers.output(index, n, d);
        }

        @Nullable
        Array dh() {
            return wanted(fc2) ? buffers.shared(between, "widened", n, config.mlpWidth()) : null;
        }

        @Nullable
        Array dv() {
            return wanted(fc1) ? buffers.shared(between, "dnormed", n, d) : null;
        }

        /** Returns the array of dy, which becomes dr. */
        @Nullable
        Array dr(Array dy) {
            return wanted(norm2) ? dy : null;
        }

        @Nullable
        Array dc() {
            return wanted(proj) ? buffers.shared(between, "dcontext", n, d) : null;
        }

        Array dp() {
            return buffers.shared(between, "dprojected", m, 3L * d);
        }

        @Nullable
        Array du() {
            return wanted(qkv) ? buffers.shared(between, "dnormed", m, d) : null;
        }

        Array dx() {
            return buffers.shared("dstream", m, d);
        }
    }
}
