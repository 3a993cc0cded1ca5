package dev.grft.train;

import java.io.Serializable;

/** The result of several steps that one shard, or the mean of several shards, has made on its own. */
public final class LocalSteps implements Serializable {
    private static final long serialVersionUID = 1L;

    private final LearnerState state;
    private final double loss;
    private final long examples;
    private final double inputSeconds;

    /**
     * Returns the result of these parts.
     *
     * @param state after the last step
     * @param loss sum over all examples of all steps
     * @param examples how many those are
     */
    public LocalSteps(LearnerState state, double loss, long examples) {
        this(state, loss, examples, 0);
    }

    private LocalSteps(LearnerState state, double loss, long examples, double inputSeconds) {
        this.state = state;
        this.loss = loss;
        this.examples = examples;
        this.inputSeconds = inputSeconds;
    }

    /** Returns the same with the seconds that its task waited until the batches were there. */
    public LocalSteps after(double inputSeconds) {
        return new LocalSteps(state, loss, examples, inputSeconds);
    }

    /**
     * Returns the mean of two states, each weighted by its examples, and the sums of the rest; the same whichever comes first. Values are
     * computed in double and rounded to float. They work side by side, so the longer wait counts. The mean takes the place of this state's
     * values, which are gone; the other state stays as it is.
     *
     * <p>Of more than two parts, the last bits depend on which come together first: a training takes them over a tree of fixed shape.
     */
    public LocalSteps mean(LocalSteps other) {
        requireLength(state.trained(), other.state.trained());
        requireLength(state.updater(), other.state.updater());
        LearnerState mean = new LearnerState(
                mean(state.trained(), other.state.trained(), other),
                mean(state.updater(), other.state.updater(), other),
                state.step());
        return new LocalSteps(
                mean, loss + other.loss, examples + other.examples, Math.max(inputSeconds, other.inputSeconds));
    }

    private static void requireLength(float[] here, float[] there) {
        if (here.length != there.length) {
            throw new IllegalArgumentException("a vector of " + there.length + " values, expected " + here.length);
        }
    }

    private float[] mean(float[] here, float[] there, LocalSteps other) {
        double all = examples + other.examples;
        for (int i = 0; i < here.length; i++) {
            here[i] = (float) (((double) examples * here[i] + (double) other.examples * there[i]) / all);
        }
        return here;
    }

    /** Returns the state after the last step. */
    public LearnerState state() {
        return state;
    }

    /** Returns the sum of the losses. */
    public double loss() {
        return loss;
    }

    /** Returns the number of examples. */
    public long examples() {
        return examples;
    }

    /** Returns how long the computation waited for its images, seconds; 0 if nobody has measured it. */
    public double inputSeconds() {
        return inputSeconds;
    }
}
