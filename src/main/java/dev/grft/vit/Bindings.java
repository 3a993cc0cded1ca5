package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Where the trained arrays and their gradients live: views of two flat vectors, by name. */
public final class Bindings implements AutoCloseable {
    private final Map<String, Array> values;
    private final @Nullable Map<String, Array> gradients;

    /** Returns bindings; {@code gradients} is null for a network that only predicts. */
    public Bindings(Map<String, Array> values, @Nullable Map<String, Array> gradients) {
        this.values = values;
        this.gradients = gradients;
    }

    /** Returns the trained array of that name. */
    public Array value(String name) {
        Array array = values.get(name);
        if (array == null) {
            throw new IllegalArgumentException("no trained array " + name + " among " + values.keySet());
        }
        return array;
    }

    /** Returns the gradient array of that name, or null for a network that only predicts. */
    public @Nullable Array gradient(String name) {
        return gradients == null ? null : gradients.get(name);
    }

    /** Returns the bytes of the trained arrays. */
    public long bytes() {
        return values.values().stream().mapToLong(Array::bytes).sum();
    }

    /** Frees those of the arrays that are no views. */
    @Override
    public void close() {
        values.values().forEach(Array::close);
        if (gradients != null) {
            gradients.values().forEach(Array::close);
        }
    }
}
