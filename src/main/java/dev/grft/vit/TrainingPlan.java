package dev.grft.vit;

import dev.grft.MatrixShape;
import org.jspecify.annotations.Nullable;

/** Says which numbers of the model train, and how: the seam between the model and the tuning methods. */
public interface TrainingPlan {

    /** Nothing trains: prediction with the weights as they are. */
    TrainingPlan FROZEN = new TrainingPlan() {
        @Override
        public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
            return null;
        }

        @Override
        public boolean whole(String parameter) {
            return false;
        }
    };

    /** Returns a new adaptation of the matrix with that timm name, or null where the method leaves it alone. */
    @Nullable
    Adaptation adaptation(String matrix, MatrixShape shape);

    /** Returns whether every number of the parameter with that timm name trains. */
    boolean whole(String parameter);

    /**
     * Is told before each pass what the adaptations may draw random numbers from.
     *
     * @param seed depends on the examples of a training step and nothing else; 0 for passes that are no training
     */
    default void begin(long seed) {}
}
