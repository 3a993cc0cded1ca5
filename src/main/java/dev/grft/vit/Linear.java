package dev.grft.vit;

import dev.grft.MatrixShape;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The linear map {@code y = x W' + b} with W {@code [out, in]} frozen, plus what the tuning method adds.
 *
 * <p>A frozen W costs one gemm forward ({@code x W'}) and one backward ({@code dx = dy W}); its own gradient, a third of a full
 * step, is never computed.
 */
final class Linear extends Layer {
    private final Kernels kernels;
    private final Buffers buffers;
    private final Parameter weight;
    private final Parameter bias;
    private final @Nullable Adaptation adaptation;

    Linear(String name, Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this.kernels = kernels;
        this.buffers = buffers;
        this.weight = weights.parameter(name + ".weight", trainable, kernels);
        this.bias = weights.parameter(name + ".bias", trainable, kernels);
        long[] shape = weight.shape();
        this.adaptation = weight.active()
                ? null
                : trainable.adaptation(weight.name(), new MatrixShape((int) shape[0], (int) shape[1]));
    }

    @Override
    List<Layer> parts() {
        return List.of(weight, bias);
    }

    @Override
    public List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>(weight.trained());
        if (adaptation != null) {
            arrays.addAll(adaptation.trained());
        }
        arrays.addAll(bias.trained());
        return arrays;
    }

    @Override
    public boolean active() {
        return adaptation != null || super.active();
    }

    /** Returns whether {@link #backward} reads the input: not if the map is frozen, or trains its bias alone. */
    boolean readsInput() {
        return weight.active() || (adaptation != null && adaptation.readsInput());
    }

    @Override
    public void bind(Bindings bindings) {
        super.bind(bindings);
        if (adaptation != null) {
            adaptation.bind(bindings);
        }
    }

    /** Returns {@code y [M, out]}, after putting x W' + b into it. */
    Array forward(Array x, Array y) {
        product(x, bias.value(), y);
        return y;
    }

    /**
     * Puts x W' into {@code y [M, out]} and returns b {@code [out]} for the caller to add. Returns null if b is already added, because an
     * adaptation reads y, or because y would be rounded once more.
     */
    @Nullable
    Array forwardWithoutBias(Array x, Array y) {
        if ((adaptation != null && adaptation.readsOutput())
                || y.type() != bias.value().type()) {
            forward(x, y);
            return null;
        }
        product(x, null, y);
        return bias.value();
    }

    /** Returns the adapted W {@code [out, in]}, valid until the next call for any map; null if the adaptation is not linear. */
    @Nullable
    Array merged() {
        return adaptation == null ? weight.value() : adaptation.merged(kernels, buffers, weight.value());
    }

    /** Returns b {@code [out]}. */
    Array bias() {
        return bias.value();
    }

    /** Returns the array of b's gradient, or null if it is frozen. */
    @Nullable
    Array biasGradient() {
        return bias.gradient();
    }

    private Array weight() {
        return adaptation == null ? weight.value() : adaptation.weight(kernels, buffers, weight.value());
    }

    /** Returns what kernels make once of a weight, null if it is not the frozen W. */
    private @Nullable Packed packed(Array w) {
        return w == weight.value() ? weight.packed() : null;
    }

    /** Puts x W' + b into {@code y}, and what is adapted; no b if it is null. */
    private void product(Array x, @Nullable Array b, Array y) {
        Array w = weight();
        kernels.linear(x, w, packed(w), b, y);
        if (adaptation != null) {
            adaptation.forward(kernels, buffers, x, y);
        }
    }

    /**
     * Overwrites the gradients and {@code dx [M, in]}, and returns dx.
     *
     * @param x {@code [M, in]}; not read unless the map {@linkplain #readsInput says so}
     * @param dy {@code [M, out]}; null if nothing needs it: nothing is done
     * @param dx null if nothing needs it
     */
    @Nullable
    Array backward(Array x, @Nullable Array dy, int examples, @Nullable Array dx) {
        if (dy == null) {
            return dx;
        }
        Array dz = adaptation == null ? dy : adaptation.outputGradient(kernels, buffers, dy);
        Array dw = weight.gradient();
        if (dw != null) {
            kernels.gemm(true, dz, false, x, 1, 0, dw);
        }
        Array db = bias.gradient();
        if (db != null) {
            kernels.columnSums(dz, db);
        }
        if (adaptation != null) {
            adaptation.backward(kernels, buffers, x, dz, examples);
        }
        if (dx != null) {
            Array w = weight();
            kernels.linearBackward(dz, w, packed(w), dx);
            if (adaptation != null) {
                adaptation.inputGradient(kernels, buffers, dz, dx);
            }
        }
        return dx;
    }
}
