package dev.grft.vit;

import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * A pre-norm encoder block (Dosovitskiy et al. 2021, arXiv 2010.11929, equations 2 and 3), with layer scales if the model has
 * them:
 *
 * <pre>
 *   r = x + ls1(proj(attention(qkv(norm1(x)))))
 *   y = r + ls2(fc2(gelu(fc1(norm2(r)))))
 * </pre>
 *
 * <p>Where of the last block only the class token is read, all but norm1, to whose tokens the class token {@linkplain
 * ClassAttention attends}, is computed for that token alone: the same result for a twelfth less of the work of a ViT with
 * twelve blocks.
 */
final class EncoderBlock implements Stage {
    private final String name;
    private final int index;
    private final boolean last;
    private final boolean classTokenOnly;
    private final VitConfig config;
    private final Kernels kernels;
    private final Buffers buffers;
    private final LayerNorm norm1;
    private final Linear qkv;
    private final @Nullable ClassAttention classAttention;
    private final Linear proj;
    private final LayerNorm norm2;
    private final Linear fc1;
    private final Linear fc2;
    private final @Nullable LayerScale ls1;
    private final @Nullable LayerScale ls2;
    private @Nullable INDArray input;
    private @Nullable Saved saved;

    /** What the backward needs of the forward: M = B*T tokens, of which N go on behind the attention: all, or B class tokens. */
    private record Saved(
            @Nullable Projected projected, // null if it was the ClassAttention that attended
            INDArray context, // [N, D]
            INDArray hidden, // [N, mlpWidth]
            @Nullable INDArray geluDerivative) {} // [N, mlpWidth]; null without a backward

    /** What the backward of the attention needs of its forward. */
    private record Projected(
            INDArray qkv, // [M, 3D]
            INDArray weights) {} // [N*H, T]

    EncoderBlock(int index, VitConfig config, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.index = index;
        this.last = index == config.depth() - 1;
        this.classTokenOnly = last && config.variant().pooling().classTokenOnly();
        this.name = "blocks." + index;
        this.config = config;
        this.kernels = kernels;
        this.buffers = buffers;
        this.norm1 = new LayerNorm(name + ".norm1", config.epsilon(), weights, trainable, kernels, buffers);
        this.qkv = new Linear(name + ".attn.qkv", weights, trainable, kernels, buffers);
        this.classAttention = classTokenOnly ? new ClassAttention(name, config, qkv, kernels, buffers) : null;
        this.proj = new Linear(name + ".attn.proj", weights, trainable, kernels, buffers);
        this.norm2 = new LayerNorm(name + ".norm2", config.epsilon(), weights, trainable, kernels, buffers);
        this.fc1 = new Linear(name + ".mlp.fc1", weights, trainable, kernels, buffers);
        this.fc2 = new Linear(name + ".mlp.fc2", weights, trainable, kernels, buffers);
        boolean scaled = config.variant().layerScale();
        this.ls1 = scaled ? new LayerScale(name + ".ls1", weights, trainable, kernels, buffers) : null;
        this.ls2 = scaled ? new LayerScale(name + ".ls2", weights, trainable, kernels, buffers) : null;
    }

    @Override
    public List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>(norm1.trained());
        arrays.addAll(qkv.trained());
        arrays.addAll(proj.trained());
        if (ls1 != null) {
            arrays.addAll(ls1.trained());
        }
        arrays.addAll(norm2.trained());
        arrays.addAll(fc1.trained());
        arrays.addAll(fc2.trained());
        if (ls2 != null) {
            arrays.addAll(ls2.trained());
        }
        return arrays;
    }

    @Override
    public boolean active() {
        return norm1.active()
                || norm2.active()
                || active(ls1)
                || active(ls2)
                || List.of(qkv, proj, fc1, fc2).stream().anyMatch(Linear::active);
    }

    private static boolean active(@Nullable LayerScale scale) {
        return scale != null && scale.active();
    }

    private List<LayerScale> scales() {
        return ls1 == null || ls2 == null ? List.of() : List.of(ls1, ls2);
    }

    @Override
    public void bind(Bindings bindings) {
        norm1.bind(bindings);
        norm2.bind(bindings);
        for (Linear linear : List.of(qkv, proj, fc1, fc2)) {
            linear.bind(bindings);
        }
        scales().forEach(scale -> scale.bind(bindings));
    }

    @Override
    public void refresh() {
        norm1.refresh();
        norm2.refresh();
        for (Linear linear : List.of(qkv, proj, fc1, fc2)) {
            linear.refresh();
        }
        scales().forEach(LayerScale::refresh);
    }

    /** Returns {@code y}: {@code [M, D]}, of the last block the class tokens {@code [B, D]} if they alone are read. */
    @Override
    public INDArray forward(INDArray x, int examples) {
        input = x;
        return compute(x, examples);
    }

    private INDArray compute(INDArray x, int examples) {
        int d = config.width();
        long tokens = config.tokens();
        long m = examples * tokens;
        long n = classTokenOnly ? examples : m;

        INDArray normed1 = buffers.shared("normed", m, d);
        norm1.forward(x, normed1);
        INDArray context = buffers.saved(name, "context", n, d);
        Projected projected = attend(normed1, examples, context);
        INDArray r = buffers.shared("residual", n, d);
        proj.forward(context, r);
        if (ls1 != null) {
            ls1.forward(r);
        }
        kernels.add(classTokenOnly ? classTokens(x, examples) : x, r);

        INDArray normed2 = buffers.shared("normed", n, d);
        norm2.forward(r, normed2);
        INDArray hidden = buffers.saved(name, "hidden", n, config.mlpWidth());
        INDArray derivative =
                buffers.keep() == Keep.NOTHING ? null : buffers.saved(name, "geluDerivative", n, config.mlpWidth());
        INDArray bias = fc1.forwardWithoutBias(normed2, hidden);
        config.variant().activation().apply(kernels, bias, hidden, derivative);
        INDArray y = buffers.output(index, n, d);
        fc2.forward(hidden, y);
        if (ls2 != null) {
            ls2.forward(y);
        }
        kernels.add(r, y);

        saved = new Saved(projected, context, hidden, derivative);
        return y;
    }

    /**
     * Puts the attention of the N tokens that go on to all in {@code x [M, D]} into {@code context [N, D]}.
     *
     * @return what its backward needs; null where the {@link ClassAttention} keeps it
     */
    private @Nullable Projected attend(INDArray x, int examples, INDArray context) {
        if (classAttention != null && classAttention.forward(x, examples, context)) {
            return null;
        }
        INDArray projected = buffers.saved(name, "projected", x.size(0), 3L * config.width());
        qkv.forward(x, projected);
        INDArray weights = buffers.saved(name, "attention", context.size(0) * config.heads(), config.tokens());
        kernels.attention(projected, examples, config.heads(), weights, context);
        return new Projected(projected, weights);
    }

    /** Returns the gradient of the input {@code [M, D]}, given that of {@link #forward}'s result, which it overwrites. */
    @Override
    public @Nullable INDArray backward(INDArray dy, int examples, boolean inputGradient) {
        if (input == null) {
            throw new IllegalStateException(name + ": backward before forward");
        }
        if (buffers.keep() == Keep.INPUTS && !last) {
            compute(input, examples);
        }
        Saved s = Objects.requireNonNull(saved);
        int d = config.width();
        long m = input.size(0);
        long n = dy.size(0);
        // Whether something below each stage still waits for a gradient.
        boolean belowQkv = inputGradient || norm1.active();
        boolean belowProj = belowQkv || qkv.active();
        boolean belowNorm2 = belowProj || proj.active() || active(ls1);
        boolean belowFc1 = belowNorm2 || norm2.active();
        boolean belowFc2 = belowFc1 || fc1.active();

        INDArray dhidden = belowFc2 ? buffers.shared("widened", n, config.mlpWidth()) : null;
        fc2.backward(s.hidden, unscaled(ls2, dy), examples, dhidden);
        if (dhidden == null) {
            return null;
        }
        kernels.multiply(Objects.requireNonNull(s.geluDerivative), dhidden);
        INDArray dnormed2 = belowFc1 ? buffers.shared("dnormed", n, d) : null;
        fc1.backward(again(norm2, fc1.active(), n), dhidden, examples, dnormed2);
        if (dnormed2 == null) {
            return null;
        }
        norm2.backward(dnormed2, belowNorm2 ? dy : null); // dy becomes dr

        if (!belowNorm2) {
            return null;
        }
        INDArray dcontext = belowProj ? buffers.shared("dcontext", n, d) : null;
        proj.backward(s.context, unscaled(ls1, dy), examples, dcontext);
        if (dcontext == null) {
            return null;
        }
        INDArray dnormed1 = belowQkv ? buffers.shared("dnormed", m, d) : null;
        if (s.projected == null) {
            Objects.requireNonNull(classAttention).backward(dcontext, again(norm1, true, m), examples, dnormed1);
        } else {
            INDArray dprojected = buffers.shared("dprojected", m, 3L * d);
            kernels.attentionBackward(
                    dcontext, s.projected.qkv, s.projected.weights, examples, config.heads(), dprojected);
            qkv.backward(again(norm1, qkv.active(), m), dprojected, examples, dnormed1);
        }
        INDArray dx = inputGradient ? inputGradient(dy, m) : null; // what went past the block
        if (dnormed1 != null) {
            norm1.backward(dnormed1, dx);
        }
        return dx;
    }

    /** Returns the gradient of what a scale has scaled: {@code dy} itself without one. */
    private INDArray unscaled(@Nullable LayerScale scale, INDArray dy) {
        if (scale == null) {
            return dy;
        }
        INDArray dx = buffers.shared("dunscaled", dy.shape());
        scale.backward(dy, dx);
        return dx;
    }

    /** Returns what came of a norm in the forward, {@code [rows, D]}; without its values if nobody reads them. */
    private INDArray again(LayerNorm from, boolean read, long rows) {
        INDArray normed = buffers.shared("normed", rows, config.width());
        if (read) {
            from.again(normed);
        }
        return normed;
    }

    private INDArray classTokens(INDArray x, int examples) {
        INDArray rows = buffers.shared("classTokens", examples, config.width());
        kernels.classRows(x, rows);
        return rows;
    }

    private INDArray inputGradient(INDArray dr, long m) {
        if (!classTokenOnly) {
            return dr;
        }
        INDArray dx = buffers.shared("dstream", m, config.width());
        kernels.spreadClassRows(dr, dx);
        return dx;
    }
}
