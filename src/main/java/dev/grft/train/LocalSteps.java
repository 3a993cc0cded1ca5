package dev.grft.train;

import java.io.Serializable;
import java.util.List;
import java.util.function.Function;

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
     * Returns the mean of the states of all parts, each weighted by its examples, and the sums of the rest, added up in their order in
     * double. They work side by side, so the longest wait counts.
     */
    public static LocalSteps mean(List<LocalSteps> parts) {
        double loss = 0;
        long examples = 0;
        double inputSeconds = 0;
        for (LocalSteps part : parts) {
            loss += part.loss;
            examples += part.examples;
            inputSeconds = Math.max(inputSeconds, part.inputSeconds);
        }
        LearnerState mean = new LearnerState(
                mean(parts, examples, part -> part.state.trained()),
                mean(parts, examples, part -> part.state.updater()),
                parts.get(0).state.step());
        return new LocalSteps(mean, loss, examples, inputSeconds);
    }

    private static float[] mean(List<LocalSteps> parts, long examples, Function<LocalSteps, float[]> vector) {
        double[] sum = new double[vector.apply(parts.get(0)).length];
        for (LocalSteps part : parts) {
            float[] summand = vector.apply(part);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += (double) part.examples * summand[i];
            }
        }
        float[] mean = new float[sum.length];
        for (int i = 0; i < sum.length; i++) {
            mean[i] = (float) (sum[i] / examples);
        }
        return mean;
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
