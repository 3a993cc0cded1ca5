package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a tuning method does to one frozen linear map {@code y = x W' + b}: takes another weight in place of W or adds something
 * to y, has gradients of its own, and adds to the gradient of x. W itself is never written.
 *
 * <p>Shapes: x {@code [M, in]}, y {@code [M, out]}, where M = examples times tokens.
 */
public interface Adaptation {

    /** Returns the arrays that it trains; empty if it only watches. */
    List<TrainedArray> trained();

    /** Ties it to its trained arrays and their gradients. */
    void bind(Bindings bindings);

    /**
     * Returns what multiplies in place of {@code frozen}, W {@code [out, in]}, which must not be changed; W itself unless the method
     * changes numbers all over it. Lasts until the next call for any map.
     */
    default Array weight(Kernels kernels, Buffers buffers, Array frozen) {
        return frozen;
    }

    /**
     * Returns W and all that it does to it, {@code [out, in]}, for callers that need the map and not only its products; null where no matrix does
     * in this pass what it does. Must not be changed, and lasts until the next call for any map.
     */
    @Nullable
    Array merged(Kernels kernels, Buffers buffers, Array frozen);

    /** Returns a copy of W for {@link #merged} to add to. */
    static Array copy(Kernels kernels, Buffers buffers, Array frozen) {
        Array copy = buffers.shared("merged", frozen.shape());
        kernels.copyRows(frozen, 0, copy, 0, Math.toIntExact(frozen.size(0)), 1);
        return copy;
    }

    /**
     * Adds its part to {@code y}, nothing if all that it does is in the {@link #weight}; reads what the map has put there only if it
     * {@linkplain #readsOutput says so}.
     */
    default void forward(Kernels kernels, Buffers buffers, Array x, Array y) {}

    /** Returns whether {@link #forward} reads y: else b may be added to it afterwards. */
    default boolean readsOutput() {
        return false;
    }

    /** Returns whether {@link #backward} reads x. */
    default boolean readsInput() {
        return true;
    }

    /**
     * Returns the gradient of the frozen map's own output, given that of y; {@code dy} itself, which must not be changed,
     * unless what it adds depends on that output. Comes before the other two.
     */
    default Array outputGradient(Kernels kernels, Buffers buffers, Array dy) {
        return dy;
    }

    /** Overwrites its gradients (sums over the examples). */
    void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples);

    /** Adds its part to the gradient of x, beside that of the {@link #weight}. */
    default void inputGradient(Kernels kernels, Buffers buffers, Array dy, Array dx) {}
}
