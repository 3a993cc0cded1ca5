package dev.grft.vit;

import dev.grft.Delta;
import dev.grft.vit.kernels.Kernels;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * One named parameter of the model: a frozen pretrained value, shared and never written, plus a delta if it trains whole.
 *
 * <p>{@code value = pretrained + delta}. A frozen parameter costs no memory beyond the shared array.
 */
final class Parameter {
    private final String name;
    private final long[] shape;
    private final @Nullable INDArray pretrained; // null if only the shapes are known
    private final boolean whole;
    private @Nullable INDArray delta;
    private @Nullable INDArray gradient;
    private @Nullable INDArray value;

    Parameter(String name, long[] shape, @Nullable INDArray pretrained, boolean whole) {
        this.name = name;
        this.shape = shape.clone();
        this.pretrained = pretrained;
        this.whole = whole;
    }

    String name() {
        return name;
    }

    /** Returns whether every number of the parameter trains. */
    boolean whole() {
        return whole;
    }

    long[] shape() {
        return shape.clone();
    }

    /** Returns the array that trains if the parameter trains whole. */
    TrainedArray array(int rows, int columns) {
        return name.equals(Delta.HEAD_WEIGHT) || name.equals(Delta.HEAD_BIAS)
                ? TrainedArray.head(name, rows, columns)
                : TrainedArray.difference(name, rows, columns);
    }

    /** Ties the parameter to its places in the trained vector and in the gradient vector. */
    void bind(Bindings bindings) {
        if (whole) {
            delta = bindings.value(name);
            gradient = bindings.gradient(name);
            value = Nd4j.createUninitialized(pretrained().dataType(), shape, 'c');
        }
    }

    /** Puts pretrained + delta into {@link #value}; to be called whenever the trained vector changed. */
    void refresh(Kernels kernels) {
        if (delta != null && value != null) {
            kernels.sum(pretrained(), delta, value);
        }
    }

    /** Returns the value that the forward uses. */
    INDArray value() {
        return value == null ? pretrained() : value;
    }

    /** Returns the array that the backward writes, or null if the parameter is frozen. */
    @Nullable
    INDArray gradient() {
        return gradient;
    }

    private INDArray pretrained() {
        if (pretrained == null) {
            throw new IllegalStateException(name + ": only the shapes of this network are known, it has no weights");
        }
        return pretrained;
    }
}
