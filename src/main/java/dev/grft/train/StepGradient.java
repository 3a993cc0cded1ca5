package dev.grft.train;

import java.io.Serializable;
import java.util.List;

/** The gradient of some examples' summed loss with respect to the trained vector; parts add up. */
public final class StepGradient implements Serializable {
    private static final long serialVersionUID = 1L;

    private final float[] gradient; // [N]
    private final double loss;
    private final int examples;
    private final double inputSeconds;

    /**
     * Returns the gradient of these parts, which are kept, not copied.
     *
     * @param gradient {@code [N]}, sum over the examples
     * @param loss sum over the examples, without the penalty
     */
    public StepGradient(float[] gradient, double loss, int examples) {
        this(gradient, loss, examples, 0);
    }

    private StepGradient(float[] gradient, double loss, int examples, double inputSeconds) {
        this.gradient = gradient;
        this.loss = loss;
        this.examples = examples;
        this.inputSeconds = inputSeconds;
    }

    /** Returns the same with the seconds that its task waited until the batch was there. */
    public StepGradient after(double inputSeconds) {
        return new StepGradient(gradient, loss, examples, inputSeconds);
    }

    /**
     * Returns the sum of parts in their order, added up in double: the same bits for the same parts. They work side by
     * side, so the longest wait counts.
     */
    public static StepGradient sum(List<StepGradient> parts) {
        double[] sum = new double[parts.get(0).gradient.length];
        double loss = 0;
        int examples = 0;
        double inputSeconds = 0;
        for (StepGradient part : parts) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += part.gradient[i];
            }
            loss += part.loss;
            examples += part.examples;
            inputSeconds = Math.max(inputSeconds, part.inputSeconds);
        }
        float[] gradient = new float[sum.length];
        for (int i = 0; i < sum.length; i++) {
            gradient[i] = (float) sum[i];
        }
        return new StepGradient(gradient, loss, examples, inputSeconds);
    }

    /** Returns the gradient itself, {@code [N]}. */
    public float[] gradient() {
        return gradient;
    }

    /** Returns the summed loss. */
    public double loss() {
        return loss;
    }

    /** Returns the number of examples. */
    public int examples() {
        return examples;
    }

    /** Returns how long the computation waited for its images, seconds; 0 if nobody has measured it. */
    public double inputSeconds() {
        return inputSeconds;
    }
}
