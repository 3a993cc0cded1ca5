package dev.grft.vit;

import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The scale of a block's branch, a number for each of its D columns (Touvron et al. 2021, arXiv 2103.17239).
 *
 * <p>It is not folded into the linear map before it: so that map's gradients, and with them its scores, are those of the
 * published model, and what is frozen keeps its bits.
 */
final class LayerScale {
    private final String name;
    private final Kernels kernels;
    private final Buffers buffers;
    private final Parameter gamma;
    private @Nullable INDArray unscaled; // kept if the scale trains

    LayerScale(String name, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.name = name;
        this.kernels = kernels;
        this.buffers = buffers;
        this.gamma = weights.parameter(name + ".gamma", trainable);
    }

    List<TrainedArray> trained() {
        return gamma.whole() ? List.of(new TrainedArray(gamma.name(), (int) gamma.shape()[0], 1)) : List.of();
    }

    boolean active() {
        return gamma.whole();
    }

    void bind(Bindings bindings) {
        gamma.bind(bindings);
    }

    void refresh() {
        gamma.refresh(kernels);
    }

    /** Scales the columns of {@code x [M, D]} in place. */
    void forward(INDArray x) {
        if (gamma.whole()) {
            unscaled = buffers.saved(name, "unscaled", x.shape());
            kernels.copyRows(x, 0, unscaled, 0, (int) x.size(0));
        }
        kernels.scaleColumns(x, gamma.value(), x);
    }

    /** Overwrites the gradient, and {@code dx [M, D]} with that of the input, given {@code dy [M, D]}, which stays. */
    void backward(INDArray dy, INDArray dx) {
        INDArray dgamma = gamma.gradient();
        if (dgamma != null) {
            kernels.columnDots(dy, Objects.requireNonNull(unscaled), dgamma);
        }
        kernels.scaleColumns(dy, gamma.value(), dx);
    }
}
