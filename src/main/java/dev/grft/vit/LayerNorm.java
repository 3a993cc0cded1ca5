package dev.grft.vit;

import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Layer normalization over the last dimension, with gain and offset (Ba et al. 2016, arXiv 1607.06450). */
final class LayerNorm {
    private final String name;
    private final double epsilon;
    private final Kernels kernels;
    private final Buffers buffers;
    private final Parameter gamma;
    private final Parameter beta;
    private @Nullable INDArray normalized;
    private @Nullable INDArray inverse;

    LayerNorm(String name, double epsilon, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.name = name;
        this.epsilon = epsilon;
        this.kernels = kernels;
        this.buffers = buffers;
        this.gamma = weights.parameter(name + ".weight", trainable);
        this.beta = weights.parameter(name + ".bias", trainable);
    }

    List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>();
        for (Parameter p : List.of(gamma, beta)) {
            if (p.whole()) {
                arrays.add(new TrainedArray(p.name(), (int) p.shape()[0], 1));
            }
        }
        return arrays;
    }

    boolean active() {
        return gamma.whole() || beta.whole();
    }

    void bind(Bindings bindings) {
        gamma.bind(bindings);
        beta.bind(bindings);
    }

    void refresh() {
        gamma.refresh(kernels);
        beta.refresh(kernels);
    }

    /** Puts the normalized {@code x [M, D]} into {@code y [M, D]}. */
    void forward(INDArray x, INDArray y) {
        INDArray z = buffers.saved(name, "normalized", x.shape());
        INDArray s = buffers.saved(name, "inverse", x.size(0));
        normalized = z;
        inverse = s;
        kernels.layerNorm(x, gamma.value(), beta.value(), epsilon, z, s, y);
    }

    /** Puts the result of the last {@link #forward} into {@code y [M, D]} again, which saves keeping it. */
    void again(INDArray y) {
        kernels.scaleAndShift(normalized(), gamma.value(), beta.value(), y);
    }

    private INDArray normalized() {
        if (normalized == null) {
            throw new IllegalStateException(name + ": backward before forward");
        }
        return normalized;
    }

    /** Overwrites the gradients and adds the input's gradient to {@code dx [M, D]}, unless it is null. */
    void backward(INDArray dy, @Nullable INDArray dx) {
        INDArray z = normalized();
        INDArray dgamma = gamma.gradient();
        if (dgamma != null) {
            kernels.columnDots(dy, z, dgamma);
        }
        INDArray dbeta = beta.gradient();
        if (dbeta != null) {
            kernels.columnSums(dy, dbeta);
        }
        if (dx != null) {
            kernels.layerNormBackward(dy, gamma.value(), z, Objects.requireNonNull(inverse), dx);
        }
    }
}
