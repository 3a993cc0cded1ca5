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
     * Returns the sum of parts in their order, added up in double: the same bits for the same parts. It takes the place of the
     * first part, whose numbers are gone. They work side by side, so the longest wait counts.
     */
    public static StepGradient sum(List<StepGradient> parts) {
        double loss = 0;
        int examples = 0;
        double inputSeconds = 0;
        for (StepGradient part : parts) {
            loss += part.loss;
            examples += part.examples;
            inputSeconds = Math.max(inputSeconds, part.inputSeconds);
        }
        float[] gradient = parts.get(0).gradient;
        IntStream.range(0, (gradient.length + CHUNK - 1) / CHUNK)
                .parallel() // each chunk on its own: the same sums
                .forEach(chunk -> {
                    int from = chunk * CHUNK;
                    int to = Math.min(gradient.length, from + CHUNK);
                    if (parts.size() == 2) {
                        add(parts.get(1).gradient, gradient, from, to);
                    } else if (parts.size() > 2) {
                        sum(parts, gradient, from, to);
                    }
                });
        return new StepGradient(gradient, loss, examples, inputSeconds);
    }

    /** Adds a chunk of {@code x} to {@code y}: of two floats, the sum in double has the same bits, but does not become vector code. */
    private static void add(float[] x, float[] y, int from, int to) {
        for (int i = from; i < to; i++) {
            y[i] += x[i];
        }
    }

    /** Puts the sum of one chunk into {@code gradient}, which may be that of a part. */
    private static void sum(List<StepGradient> parts, float[] gradient, int from, int to) {
        double[] sum = new double[to - from];
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

    /** Returns how long the computation waited for its images, seconds; 0 if nobody has measured it. */
    public double inputSeconds() {
        return inputSeconds;
    }
}
