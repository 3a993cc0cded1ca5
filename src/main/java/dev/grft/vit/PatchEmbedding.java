package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The first stage: images {@code [B, C, S, S]} to tokens {@code [B*T, D]}, the class token, registers and patches of each
 * example. Positions are added to them; then they are normalized if the model does so.
 */
final class PatchEmbedding extends Layer implements Stage {
    private static final String NAME = "patch_embed.proj";

    private final VitConfig config;
    private final Kernels kernels;
    private final Buffers buffers;
    private final Linear proj;
    private final @Nullable Parameter classToken;
    private final @Nullable Parameter registers;
    private final Parameter positions;
    private final @Nullable LayerNorm norm;
    private @Nullable Array patches;

    PatchEmbedding(VitConfig config, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        Variant variant = config.variant();
        this.config = config;
        this.kernels = kernels;
        this.buffers = buffers;
        this.proj = new Linear(NAME, weights, trainable, kernels, buffers);
        this.classToken = variant.classToken() ? weights.parameter("cls_token", trainable, kernels) : null;
        this.registers = variant.registers() > 0 ? weights.parameter("reg_token", trainable, kernels) : null;
        this.positions = weights.parameter("pos_embed", trainable, kernels);
        this.norm = variant.preNorm()
                ? new LayerNorm("norm_pre", config.epsilon(), weights, trainable, kernels, buffers)
                : null;
    }

    @Override
    List<Layer> parts() {
        return Stream.of(classToken, registers, positions, proj, norm)
                .filter(Objects::nonNull)
                .toList();
    }

    @Override
    public Array forward(Array x, int examples) {
        long n = (long) examples * config.patches();
        long m = (long) examples * config.tokens();
        Array flat = buffers.saved(NAME, "patches", n, config.patchLength());
        patches = flat;
        kernels.patches(x, config.patchSize(), flat);
        Array embedded = buffers.shared("embedded", n, config.width());
        proj.forward(flat, embedded);
        Array y = buffers.output(-1, m, config.width());
        if (norm == null) {
            kernels.tokens(embedded, first(), everyPosition(), examples, y);
            return y;
        }
        Array tokens = buffers.shared("tokens", m, config.width());
        kernels.tokens(embedded, first(), everyPosition(), examples, tokens);
        norm.forward(tokens, true, y);
        return y;
    }

    /** Returns the tokens before the patches, {@code [T-N, D]}; null if there are none. */
    private @Nullable Array first() {
        if (registers == null) {
            return classToken == null ? null : classToken.value();
        }
        int count = config.variant().registers();
        int prefix = config.variant().prefix();
        Array both = buffers.shared("first", prefix, config.width());
        if (classToken != null) {
            kernels.copyRows(classToken.value().reshape(1, config.width()), 0, both, 0, 1, 1);
        }
        kernels.copyRows(registers.value().reshape(count, config.width()), 0, both, prefix - count, count, 1);
        return both;
    }

    /** Returns the positions {@code [T, D]}: zeros for a token without. */
    private Array everyPosition() {
        int positioned = config.variant().positioned();
        int prefix = config.variant().prefix();
        if (positioned == prefix) {
            return positions.value();
        }
        Array all = buffers.shared("positions", config.tokens(), config.width());
        all.fill(0);
        if (positioned > 0) {
            kernels.copyRows(positions.value(), 0, all, 0, positioned, 1);
        }
        kernels.copyRows(positions.value(), positioned, all, prefix, config.patches(), 1);
        return all;
    }

    @Override
    public @Nullable Array backward(Array dy, int examples, boolean inputGradient) {
        if (patches == null) {
            throw new IllegalStateException(NAME + ": backward before forward");
        }
        Array dtokens = norm == null ? dy : normBackward(norm, dy);
        if (dtokens == null) {
            return null;
        }
        tokensBackward(dtokens, examples);
        if (proj.active()) {
            Array dembedded = buffers.shared("dembedded", (long) examples * config.patches(), config.width());
            kernels.copyRows(dtokens, config.variant().prefix(), dembedded, 0, config.patches(), examples);
            proj.backward(patches, dembedded, examples, null);
        }
        return null;
    }

    /** Returns the gradient of the tokens before the norm; null if nothing there trains. */
    private @Nullable Array normBackward(LayerNorm layer, Array dy) {
        return layer.backward(
                dy,
                activeBefore(layer) ? buffers.shared("dunnormed", dy.shape()).fill(0) : null);
    }

    /** Overwrites the gradients of class token, registers and positions. */
    private void tokensBackward(Array dtokens, int examples) {
        if (!activeBefore(proj)) {
            return;
        }
        Array sums = buffers.shared("dtokenSums", config.tokens(), config.width());
        kernels.sumExamples(dtokens, examples, sums);
        int prefix = config.variant().prefix();
        int count = config.variant().registers();
        int positioned = config.variant().positioned();
        putRows(sums, 0, classToken, 0, 1);
        putRows(sums, prefix - count, registers, 0, count);
        putRows(sums, 0, positions, 0, positioned);
        putRows(sums, prefix, positions, positioned, config.patches());
    }

    private void putRows(Array sums, int from, @Nullable Parameter parameter, int to, int count) {
        Array gradient = parameter == null ? null : parameter.gradient();
        if (gradient != null && count > 0) {
            long rows = gradient.length() / config.width();
            kernels.copyRows(sums, from, gradient.reshape(rows, config.width()), to, count, 1);
        }
    }
}
