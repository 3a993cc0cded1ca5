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
}
