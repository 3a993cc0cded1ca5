package dev.grft.vit;

import dev.grft.MatrixShape;
import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The linear map {@code y = x W' + b} with W {@code [out, in]} frozen, plus what the tuning method adds.
 *
 * <p>A frozen W costs one gemm forward ({@code x W'}) and one backward ({@code dx = dy W}); its own gradient, a third of a full
 * step, is never computed.
 */
final class Linear {
    private final Kernels kernels;
    private final Buffers buffers;
    private final Parameter weight;
    private final Parameter bias;
    private final @Nullable Adaptation adaptation;

    Linear(String name, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.kernels = kernels;
        this.buffers = buffers;
        this.weight = weights.parameter(name + ".weight", trainable);
        this.bias = weights.parameter(name + ".bias", trainable);
        long[] shape = weight.shape();
        this.adaptation = weight.whole()
                ? null
                : trainable.adaptation(weight.name(), new MatrixShape((int) shape[0], (int) shape[1]));
    }

    List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>();
        if (weight.whole()) {
            arrays.add(new TrainedArray(weight.name(), (int) weight.shape()[0], (int) weight.shape()[1]));
        }
        if (adaptation != null) {
            arrays.addAll(adaptation.trained());
        }
        if (bias.whole()) {
            arrays.add(new TrainedArray(bias.name(), (int) bias.shape()[0], 1));
        }
        return arrays;
    }

    /** Returns whether the backward has something to write here. */
    boolean active() {
        return weight.whole() || bias.whole() || adaptation != null;
    }

    void bind(Bindings bindings) {
        weight.bind(bindings);
        bias.bind(bindings);
        if (adaptation != null) {
            adaptation.bind(bindings);
        }
    }

    void refresh() {
        weight.refresh(kernels);
        bias.refresh(kernels);
    }

    /** Puts x W' + b into {@code y [M, out]}. */
    void forward(INDArray x, INDArray y) {
        kernels.fillRows(bias.value(), y);
        product(x, 1, y);
    }

    /**
     * Puts x W' into {@code y [M, out]} and returns b {@code [out]}, for somebody who passes over y anyway; null if an adaptation that
     * reads y has needed it there.
     */
    @Nullable
    INDArray forwardWithoutBias(INDArray x, INDArray y) {
        if (adaptation != null && adaptation.readsOutput()) {
            forward(x, y);
            return null;
        }
        product(x, 0, y);
        return bias.value();
    }

    /** Returns W and what is adapted, {@code [out, in]}, until the next call for any map; null where that is no matrix. */
    @Nullable
    INDArray merged() {
        return adaptation == null ? weight.value() : adaptation.merged(kernels, buffers, weight.value());
    }

    /** Returns b {@code [out]}. */
    INDArray bias() {
        return bias.value();
    }

    /** Returns the array of b's gradient, or null if it is frozen. */
    @Nullable
    INDArray biasGradient() {
        return bias.gradient();
    }

    private INDArray weight() {
        return adaptation == null ? weight.value() : adaptation.weight(kernels, buffers, weight.value());
    }

    /** Puts x W' + beta y into {@code y}, and what is adapted. */
    private void product(INDArray x, double beta, INDArray y) {
        kernels.gemm(false, x, true, weight(), 1, beta, y);
        if (adaptation != null) {
            adaptation.forward(kernels, buffers, x, y);
        }
    }

    /** Overwrites the gradients, and {@code dx [M, in]} unless it is null. */
    void backward(INDArray x, INDArray dy, int examples, @Nullable INDArray dx) {
        INDArray dz = adaptation == null ? dy : adaptation.outputGradient(kernels, buffers, dy);
        INDArray dw = weight.gradient();
        if (dw != null) {
            kernels.gemm(true, dz, false, x, 1, 0, dw);
        }
        INDArray db = bias.gradient();
        if (db != null) {
            kernels.columnSums(dz, db);
        }
        if (adaptation != null) {
            adaptation.backward(kernels, buffers, x, dz, examples);
        }
        if (dx != null) {
            kernels.gemm(false, dz, false, weight(), 1, 0, dx);
            if (adaptation != null) {
                adaptation.inputGradient(kernels, buffers, dz, dx);
            }
        }
    }
}
