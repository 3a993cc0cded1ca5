package dev.grft.vit;

import java.util.List;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * What a tuning method does to one frozen linear map {@code y = x W' + b}: adds something to y, has gradients of its own, and
 * adds to the gradient of x. The weight itself is never written.
 *
 * <p>Shapes: x {@code [M, in]}, y {@code [M, out]}, where M = examples times tokens.
 */
public interface Adaptation {

    /** Returns the arrays that it trains; empty if it only watches. */
    List<TrainedArray> trained();

    /** Ties it to its trained arrays and their gradients. */
    void bind(Bindings bindings);

    /** Adds its part to {@code y}; reads what the frozen map has put there only if it {@linkplain #readsOutput says so}. */
    void forward(Kernels kernels, Buffers buffers, INDArray x, INDArray y);

    /** Returns whether {@link #forward} reads y: else b may be added to it afterwards. */
    default boolean readsOutput() {
        return false;
    }

    /**
     * Returns the gradient of the frozen map's own output, given that of y; {@code dy} itself, which must not be changed,
     * unless what it adds depends on that output. Comes before the other two.
     */
    default INDArray outputGradient(Kernels kernels, Buffers buffers, INDArray dy) {
        return dy;
    }

    /** Overwrites its gradients (sums over the examples). */
    void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int examples);

    /** Adds its part to the gradient of x. */
    void inputGradient(Kernels kernels, Buffers buffers, INDArray dy, INDArray dx);
}
