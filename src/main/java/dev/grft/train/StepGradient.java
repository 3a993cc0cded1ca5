package dev.grft.train;

import java.io.Serializable;
import java.util.stream.IntStream;

/** The gradient of some examples' summed loss with respect to the trained vector; parts add up. */
public final class StepGradient implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final int CHUNK = 1 << 16;

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
     * Returns the sum of two parts, which is the same whichever comes first. Its vector takes the place of this one's, whose values are gone;
     * the other stays as it is. They work side by side, so the longer wait counts.
     *
     * <p>Of more than two parts, the last bits depend on which are added first: a training adds them over a tree of fixed shape.
     */
    public StepGradient plus(StepGradient other) {
        if (other.gradient.length != gradient.length) {
            throw new IllegalArgumentException(
                    "a gradient of " + other.gradient.length + " values, expected " + gradient.length);
        }
        IntStream.range(0, (gradient.length + CHUNK - 1) / CHUNK)
                .parallel() // each chunk on its own: the same sums
                .forEach(chunk -> {
                    float[] x = other.gradient;
                    float[] y = gradient;
                    int to = Math.min(y.length, (chunk + 1) * CHUNK);
                    for (int i = chunk * CHUNK; i < to; i++) {
                        y[i] += x[i];
                    }
                });
        return new StepGradient(
                gradient, loss + other.loss, examples + other.examples, Math.max(inputSeconds, other.inputSeconds));
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
