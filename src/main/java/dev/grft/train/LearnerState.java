package dev.grft.train;

import java.io.Serializable;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** All that training needs to go on: what it has learned, the updater's memory and how many steps it has made. */
public final class LearnerState implements Serializable {
    private static final long serialVersionUID = 1L;

    private final float[] trained; // [N]
    private final float[] updater; // [M]
    private final long step;
    private final float @Nullable [] average; // [N]

    /**
     * Returns the state of these parts, which are kept, not copied.
     *
     * @param trained the trained vector {@code [N]}
     * @param updater DL4J's updater state: for Adam {@code [2N]}, for SGD with momentum {@code [N]}, block by block; empty
     *     for SGD without and before the first step
     * @param step the number of steps made
     */
    public LearnerState(float[] trained, float[] updater, long step) {
        this(trained, updater, step, null);
    }

    /**
     * Returns the state of these parts, which are kept, not copied.
     *
     * @param average the moving average of the trained vector, {@code [N]}; null if none is kept
     */
    public LearnerState(float[] trained, float[] updater, long step, float @Nullable [] average) {
        this.trained = trained;
        this.updater = updater;
        this.step = step;
        this.average = average;
    }

    /** Returns the state before the first step. */
    public static LearnerState start(float[] trained) {
        return new LearnerState(trained, new float[0], 0);
    }

    /** Returns the trained vector itself. */
    public float[] trained() {
        return trained;
    }

    /** Returns the moving average of the trained vector itself; null if none is kept. */
    public float @Nullable [] average() {
        return average;
    }

    /** Returns what the training comes to: the average, or the trained vector if none is kept. */
    public float[] result() {
        return average == null ? trained : average;
    }

    /** Returns the updater's state itself. */
    public float[] updater() {
        return updater;
    }

    /** Returns the number of steps made. */
    public long step() {
        return step;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LearnerState state
                && step == state.step
                && Arrays.equals(trained, state.trained)
                && Arrays.equals(updater, state.updater)
                && Arrays.equals(average, state.average);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(trained) + Long.hashCode(step);
    }
}
