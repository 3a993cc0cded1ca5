package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The last stage: class tokens {@code [B, D]}, or all tokens {@code [B*T, D]} where more of them are read, to logits {@code [B,
 * K]}: normalized and {@linkplain Pooling pooled} (the features), times the head.
 *
 * <p>Without a head (K = 0) the output is the features {@code [B, F]}: F = D, or 2D where two tokens are read.
 */
final class Classifier extends Layer implements Stage {
    private final VitConfig config;
    private final Kernels kernels;
    private final Buffers buffers;
    private final LayerNorm norm;
    private final @Nullable Linear head;
    private @Nullable Array features;

    Classifier(VitConfig config, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.config = config;
        this.kernels = kernels;
        this.buffers = buffers;
        this.norm = new LayerNorm(
                config.variant().pooling().norm(), config.epsilon(), weights, trainable, kernels, buffers);
        this.head = config.classes() == 0 ? null : new Linear("head", weights, trainable, kernels, buffers);
    }

    @Override
    List<Layer> parts() {
        return head == null ? List.of(norm) : List.of(norm, head);
    }

    @Override
    public Array forward(Array x, int examples) {
        Array normed = features(x, examples);
        if (head == null) {
            return normed;
        }
        Array logits = buffers.shared("logits", examples, config.classes());
        head.forward(normed, logits);
        return logits;
    }

    /** Returns the features {@code [B, F]} of what comes out of the last block. */
    Array features(Array x, int examples) {
        Array y = buffers.saved("head", "features", examples, config.features());
        int prefix = config.variant().prefix();
        switch (config.variant().pooling()) {
            case CLASS_TOKEN -> norm.forward(x, true, y);
            case MEAN_THEN_NORM -> {
                Array pooled = buffers.shared("pooled", examples, config.width());
                kernels.pool(x, prefix, pooled);
                norm.forward(pooled, true, y);
            }
            case MEAN, CLASS_TOKEN_AND_MEAN -> {
                Array normed = buffers.shared("normed", x.shape());
                norm.forward(x, true, normed);
                kernels.pool(normed, prefix, y);
            }
        }
        features = y;
        return y;
    }

    /** Returns the features of the last pass, {@code [B, F]}. */
    Array lastFeatures() {
        if (features == null) {
            throw new IllegalStateException("head: its features are read before forward");
        }
        return features;
    }

    @Override
    public @Nullable Array backward(Array dy, int examples, boolean inputGradient) {
        if (features == null) {
            throw new IllegalStateException("head: backward before forward");
        }
        if (head == null) {
            return featuresBackward(dy, examples, inputGradient);
        }
        Array dfeatures = buffers.shared("dfeatures", examples, config.features());
        boolean wanted = inputGradient || activeBefore(head);
        return featuresBackward(
                head.backward(features, dy, examples, wanted ? dfeatures : null), examples, inputGradient);
    }

    /** The part of {@link #backward} before the head, given the gradient of the features {@code [B, F]}. */
    @Nullable
    Array featuresBackward(@Nullable Array dfeatures, int examples, boolean inputGradient) {
        if (dfeatures == null || !(inputGradient || norm.active())) {
            return null;
        }
        int prefix = config.variant().prefix();
        long m = (long) examples * config.tokens();
        return switch (config.variant().pooling()) {
            case CLASS_TOKEN -> normBackward(dfeatures, "dclassTokens", inputGradient);
            case MEAN_THEN_NORM -> {
                Array dpooled = normBackward(dfeatures, "dpooled", inputGradient);
                if (dpooled == null) {
                    yield null;
                }
                Array dx = buffers.shared("dtokens", m, config.width());
                kernels.poolBackward(dpooled, prefix, dx);
                yield dx;
            }
            case MEAN, CLASS_TOKEN_AND_MEAN -> {
                Array dnormed = buffers.shared("dnormed", m, config.width());
                kernels.poolBackward(dfeatures, prefix, dnormed);
                yield normBackward(dnormed, "dtokens", inputGradient);
            }
        };
    }

    /** Returns the gradient of the norm's input in an array of that name, or null if nothing needs it. */
    private @Nullable Array normBackward(Array dy, String name, boolean inputGradient) {
        return norm.backward(
                dy, inputGradient ? buffers.shared(name, dy.shape()).fill(0) : null);
    }
}
