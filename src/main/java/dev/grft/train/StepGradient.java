package dev.grft.train;

import java.io.Serializable;
import java.util.List;
import java.util.stream.IntStream;

/** The gradient of some examples' summed loss with respect to the trained vector; parts add up. */
public final class StepGradient implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final int CHUNK = 1 << 16;

    private final float[] gradient; // [N]
    private final double loss;
    private final int examples;

    /**
     * Returns the gradient of these parts, which are kept, not copied.
     *
     * @param gradient {@code [N]}, sum over the examples
     * @param loss sum over the examples, without the penalty
     */
    public StepGradient(float[] gradient, double loss, int examples) {
        this.gradient = gradient;
        this.loss = loss;
        this.examples = examples;
    }

    /** Returns the sum of parts in their order, added up in double: the same bits for the same parts. */
    public static StepGradient sum(List<StepGradient> parts) {
        double loss = 0;
        int examples = 0;
        for (StepGradient part : parts) {
            loss += part.loss;
            examples += part.examples;
        }
        float[] gradient = new float[parts.get(0).gradient.length];
        IntStream.range(0, (gradient.length + CHUNK - 1) / CHUNK)
                .parallel() // each chunk on its own: the same sums
                .forEach(chunk -> sum(parts, chunk * CHUNK, gradient));
        return new StepGradient(gradient, loss, examples);
    }

    /** Puts the sum of one chunk into {@code gradient}. */
    private static void sum(List<StepGradient> parts, int from, float[] gradient) {
        double[] sum = new double[Math.min(CHUNK, gradient.length - from)];
        for (StepGradient part : parts) {
            float[] numbers = part.gradient;
            for (int i = 0; i < sum.length; i++) {
                sum[i] += numbers[from + i];
            }
        }
        for (int i = 0; i < sum.length; i++) {
            gradient[from + i] = (float) sum[i];
        }
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
}
