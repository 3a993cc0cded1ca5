package dev.grft.vit;

import dev.grft.MatrixShape;
import org.jspecify.annotations.Nullable;

/** Says which parameters of a network train, and how: the seam between the model and the tuning methods. */
public interface Trainable {

    /** Nothing trains: prediction with the weights as they are. */
    Trainable NOTHING = parameter -> false;

    /** Returns a new adaptation of the matrix with that timm name, or null, the default, if the method leaves it alone. */
    default @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
        return null;
    }

    /** Returns whether the whole parameter with that timm name trains. */
    boolean whole(String parameter);

    /**
     * Sets the seeds of the adaptations' random numbers, before each pass.
     *
     * @param seeds of the examples, {@code [B]}; what is drawn for an example depends on its own only. None for a pass outside training
     */
    default void begin(long[] seeds) {}
}
