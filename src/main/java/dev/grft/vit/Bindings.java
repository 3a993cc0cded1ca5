package dev.grft.vit;

import dev.grft.vit.kernels.Freed;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Where the trained arrays and their gradients live: views of two flat vectors, by name. */
public final class Bindings implements AutoCloseable {
    private final Map<String, INDArray> values;
    private final @Nullable Map<String, INDArray> gradients;

    /** Returns bindings; {@code gradients} is null for a network that only predicts. */
    public Bindings(Map<String, INDArray> values, @Nullable Map<String, INDArray> gradients) {
        this.values = values;
        this.gradients = gradients;
    }

    /** Returns the trained array of that name. */
    public INDArray value(String name) {
        INDArray array = values.get(name);
        if (array == null) {
            throw new IllegalArgumentException("no trained array " + name + " among " + values.keySet());
        }
        return array;
    }

    /** Returns the gradient array of that name, or null for a network that only predicts. */
    public @Nullable INDArray gradient(String name) {
        return gradients == null ? null : gradients.get(name);
    }

    /** Returns the bytes of the trained arrays. */
    public long bytes() {
        return values.values().stream()
                .mapToLong(array -> array.length() * array.dataType().width())
                .sum();
    }

    /** Frees those of the arrays that are no views. */
    @Override
    public void close() {
        Freed.arrays(values.values());
        if (gradients != null) {
            Freed.arrays(gradients.values());
        }
    }
}
