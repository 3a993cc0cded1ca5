package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Layer normalization over the last dimension, with gain and offset (Ba et al. 2016, arXiv 1607.06450). */
final class LayerNorm extends Layer {
    private final String name;
    private final double epsilon;
    private final Kernels kernels;
    private final Buffers buffers;
    private final Parameter gamma;
    private final Parameter beta;
    private @Nullable Array normalized;
    private @Nullable Array inverse;

    LayerNorm(String name, double epsilon, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.name = name;
        this.epsilon = epsilon;
        this.kernels = kernels;
        this.buffers = buffers;
        this.gamma = weights.parameter(name + ".weight", trainable, kernels);
        this.beta = weights.parameter(name + ".bias", trainable, kernels);
    }

    @Override
    List<Layer> parts() {
        return List.of(gamma, beta);
    }

    /**
     * Returns {@code y [M, D]}, after putting the normalized {@code x [M, D]} into it.
     *
     * @param keeps whether {@link #again} or a gradient other than that of the offset follows
     */
    Array forward(Array x, boolean keeps, Array y) {
        boolean kept = keeps && buffers.keep() != Keep.NOTHING;
        Array z = kept ? buffers.saved(name, "normalized", x.shape()) : null;
        Array s = kept ? buffers.saved(name, "inverse", x.size(0)) : null;
        normalized = z;
        inverse = s;
        kernels.layerNorm(x, gamma.value(), beta.value(), epsilon, z, s, y);
        return y;
    }

    /** Returns {@code y [M, D]}, after putting the result of the last {@link #forward} into it again, which saves keeping it. */
    Array again(Array y) {
        kernels.scaleAndShift(normalized(), gamma.value(), beta.value(), y);
        return y;
    }

    /** Returns whether the gain trains. */
    boolean trainsGain() {
        return gamma.active();
    }

    private Array normalized() {
        if (normalized == null) {
            throw new IllegalStateException(name + ": backward before forward");
        }
        return normalized;
    }

    /**
     * Overwrites the gradients, adds the input's gradient to {@code dx [M, D]} and returns it.
     *
     * @param dy {@code [M, D]}; null if nothing needs it: nothing is done
     * @param dx null if nothing needs it
     */
    @Nullable
    Array backward(@Nullable Array dy, @Nullable Array dx) {
        if (dy == null) {
            return dx;
        }
        Array dgamma = gamma.gradient();
        if (dgamma != null) {
            kernels.columnDots(dy, normalized(), dgamma);
        }
        Array dbeta = beta.gradient();
        if (dbeta != null) {
            kernels.columnSums(dy, dbeta);
        }
        if (dx != null) {
            kernels.layerNormBackward(dy, gamma.value(), normalized(), Objects.requireNonNull(inverse), dx);
        }
        return dx;
    }
}
