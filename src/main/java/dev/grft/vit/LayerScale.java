package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The scale of a block's branch: one factor for each of its D columns (Touvron et al. 2021, arXiv 2103.17239). The identity in a
 * model without layer scales.
 *
 * <p>It is not folded into the linear map before it: so that map's gradients, and with them its scores, are those of the
 * published model, and what is frozen keeps its bits.
 */
final class LayerScale extends Layer {
    private final String name;
    private final Kernels kernels;
    private final Buffers buffers;
    private final @Nullable Parameter gamma; // null: the identity
    private @Nullable Array unscaled; // kept if the scale trains

    LayerScale(String name, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.name = name;
        this.kernels = kernels;
        this.buffers = buffers;
        this.gamma =
                weights.config().variant().layerScale() ? weights.parameter(name + ".gamma", trainable, kernels) : null;
    }

    @Override
    List<Layer> parts() {
        return gamma == null ? List.of() : List.of(gamma);
    }

    /** Returns {@code x [M, D]}, after scaling its columns in place. */
    Array forward(Array x) {
        if (gamma == null) {
            return x;
        }
        if (gamma.active()) {
            unscaled = buffers.saved(name, "unscaled", x.shape());
            kernels.copyRows(x, 0, unscaled, 0, Math.toIntExact(x.size(0)), 1);
        }
        kernels.scaleColumns(x, gamma.value(), x);
        return x;
    }

    /**
     * Overwrites the gradient of the scale and returns that of its input {@code [M, D]}: valid until the next layer scale's
     * backward.
     *
     * @param dy {@code [M, D]}, not changed; null if nothing needs it
     */
    @Nullable
    Array backward(@Nullable Array dy) {
        if (gamma == null || dy == null) {
            return dy;
        }
        Array dgamma = gamma.gradient();
        if (dgamma != null) {
            kernels.columnDots(dy, Objects.requireNonNull(unscaled), dgamma);
        }
        Array dx = buffers.shared("dunscaled", dy.shape());
        kernels.scaleColumns(dy, gamma.value(), dx);
        return dx;
    }
}
