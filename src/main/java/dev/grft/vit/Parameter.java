package dev.grft.vit;

import dev.grft.Delta;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One named parameter of the model: a frozen pretrained value, shared and never written, plus a delta if it trains whole.
 *
 * <p>{@code value = pretrained + delta}. A frozen parameter costs no memory beyond the shared array.
 */
final class Parameter extends Layer {
    private final String name;
    private final long[] shape;
    private final @Nullable Array pretrained; // null if only the shapes are known
    private final @Nullable Packed packed; // of pretrained
    private final boolean whole;
    private final Kernels kernels;
    private @Nullable Array delta;
    private @Nullable Array gradient;
    private @Nullable Array value;

    Parameter(
            String name,
            long[] shape,
            @Nullable Array pretrained,
            @Nullable Packed packed,
            boolean whole,
            Kernels kernels) {
        this.name = name;
        this.shape = shape.clone();
        this.pretrained = pretrained;
        this.packed = packed;
        this.whole = whole;
        this.kernels = kernels;
    }

    String name() {
        return name;
    }

    long[] shape() {
        return shape.clone();
    }

    @Override
    List<Layer> parts() {
        return List.of();
    }

    /** Returns the whole parameter if it trains; a vector is one column. */
    @Override
    public List<TrainedArray> trained() {
        int rows = (int) shape[0];
        int columns = shape.length == 1 ? 1 : (int) shape[1];
        if (!whole) {
            return List.of();
        }
        TrainedArray array = name.equals(Delta.HEAD_WEIGHT) || name.equals(Delta.HEAD_BIAS)
                ? TrainedArray.head(name, rows, columns)
                : TrainedArray.difference(name, rows, columns);
        boolean matrix = name.endsWith(".weight") && shape.length > 1; // no norm, bias, token or position
        return List.of(matrix ? array : array.exempt());
    }

    /** Returns whether the whole parameter trains. */
    @Override
    public boolean active() {
        return whole;
    }

    @Override
    public void bind(Bindings bindings) {
        if (whole) {
            delta = bindings.value(name);
            gradient = bindings.gradient(name);
            close();
            value = kernels.memory().allocate(pretrained().type(), shape);
        }
    }

    /** Puts pretrained + delta into {@link #value}. */
    @Override
    public void refresh() {
        if (delta != null && value != null) {
            kernels.sum(pretrained(), delta, value);
        }
    }

    @Override
    public long bytes() {
        return value == null ? 0 : value.bytes();
    }

    @Override
    public void close() {
        if (value != null) {
            value.close();
            value = null;
        }
    }

    /** Returns the value that the forward uses. */
    Array value() {
        return value == null ? pretrained() : value;
    }

    /** Returns what kernels make once of the value; null if it changes, or is no matrix. */
    @Nullable
    Packed packed() {
        return value == null ? packed : null;
    }

    /** Returns the array that the backward writes, or null if the parameter is frozen. */
    @Nullable
    Array gradient() {
        return gradient;
    }

    private Array pretrained() {
        if (pretrained == null) {
            throw new IllegalStateException(name + ": only the shapes of this network are known, it has no weights");
        }
        return pretrained;
    }
}
