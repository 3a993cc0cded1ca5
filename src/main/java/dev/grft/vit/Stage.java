package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One stage of the network: patch embedding, encoder block or classifier. */
public interface Stage {

    /** Returns the arrays that train, in the order of the trained vector. */
    List<TrainedArray> trained();

    /** Returns whether the backward has something to write here, or something here watches the gradients. */
    boolean active();

    /** Ties the stage to its trained arrays and their gradients. */
    void bind(Bindings bindings);

    /** Takes over the present values of the trained arrays; to be called whenever they changed. */
    void refresh();

    /** Returns the bytes of native memory that {@link #close} frees. */
    long bytes();

    /** Frees the native memory that the stage holds beside the buffers, the weights and the trained vector. */
    void close();

    /** Returns the output for {@code x}; valid until the stage after the next runs. */
    Array forward(Array x, int examples);

    /**
     * Overwrites the gradients of the trained arrays and returns the gradient of the input, which may be {@code dy} itself,
     * changed in place; null if not asked for.
     */
    @Nullable
    Array backward(Array dy, int examples, boolean inputGradient);
}
