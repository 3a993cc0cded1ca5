package dev.grft.train;

/** Where gradients come from: the one seam between the loop and the machines. */
public interface GradientSource extends AutoCloseable {

    /**
     * Returns the gradient of a step's batch. Depends on its arguments only: asked again, it returns the same bits.
     *
     * @param step from 0; tells which examples are taken
     * @param trained the trained vector, {@code [N]}; holds other numbers after the call, so that a caller that keeps it copies it
     */
    StepGradient gradient(long step, float[] trained);

    /**
     * Returns what comes of making several steps in each shard on its own and taking the mean of the results, updater
     * states included (local SGD, arXiv 1805.09767). Not equal to as many steps together.
     *
     * @param count number of steps, 2 or more
     * @param clipNorm the largest L2 norm of a shard's mean gradient in each of its steps; 0 for no limit
     */
    LocalSteps localSteps(LearnerState from, int count, double clipNorm);

    /** Lets go of the machines until the next question: they are wanted for something else. */
    default void rest() {}

    /** Lets go of the machines for good. */
    @Override
    default void close() {}
}
