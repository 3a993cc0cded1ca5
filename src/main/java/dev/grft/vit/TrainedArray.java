package dev.grft.vit;

import java.io.Serializable;
import java.util.List;

/**
 * The name, the shape and the meaning of one array of trained parameters.
 *
 * @param name the parameter's timm name, or that name with a suffix for a method that adds arrays of its own
 * @param rows first dimension
 * @param columns second dimension; 1 for a vector
 * @param role what its numbers are
 * @param start its numbers before the first step
 * @param decays whether weight decay is for it: matrices and parts of them, not biases, gains, tokens and positions, as in timm
 * @param rates factors of its rows' steps, {@code [rows]}; empty: 1 each
 */
public record TrainedArray(
        String name, int rows, int columns, Role role, Start start, boolean decays, List<Double> rates)
        implements Serializable {
    public TrainedArray {
        rates = List.copyOf(rates);
        if (!rates.isEmpty() && rates.size() != rows) {
            throw new IllegalArgumentException(
                    name + " has " + rows + " rows, got factors of " + rates.size() + " rows");
        }
    }

    /** What the numbers of an array are. */
    public enum Role {
        /** Trained minus pretrained values: what the penalty pulls to 0. Weight decay pulls their sum with the pretrained ones. */
        DIFFERENCE,

        /** The head, which has no pretrained value; it has a penalty of its own. */
        HEAD,

        /** Part of what a method adds to the model, such as a factor of LoRA: no penalty, for there is nothing to pull it to. */
        ADDED
    }

    /**
     * The distribution that the numbers of an array are drawn from before the first step.
     *
     * @param distribution its kind
     * @param scale the bound of a uniform distribution, the standard deviation of a normal one; 0 of zeros
     */
    public record Start(Distribution distribution, double scale) implements Serializable {
        /** Zeros. */
        public static final Start ZEROS = new Start(Distribution.ZEROS, 0);

        /** Returns the uniform distribution in {@code [-bound, bound)}. */
        public static Start uniform(double bound) {
            return new Start(Distribution.UNIFORM, bound);
        }

        /** Returns the normal distribution around 0 that is cut off at two standard deviations. */
        public static Start normal(double deviation) {
            return new Start(Distribution.NORMAL, deviation);
        }
    }

    /** The kinds of distributions. */
    public enum Distribution {
        ZEROS,
        UNIFORM,
        NORMAL
    }

    /** Returns the array of trained minus pretrained values; they start at 0. */
    public static TrainedArray difference(String name, int rows, int columns) {
        return new TrainedArray(name, rows, columns, Role.DIFFERENCE, Start.ZEROS, true, List.of());
    }

    /** Returns an array of the head; its training sets what it starts from. */
    public static TrainedArray head(String name, int rows, int columns) {
        return new TrainedArray(name, rows, columns, Role.HEAD, Start.ZEROS, true, List.of());
    }

    /** Returns an array that a method adds to the model. */
    public static TrainedArray added(String name, int rows, int columns, Start start) {
        return new TrainedArray(name, rows, columns, Role.ADDED, start, true, List.of());
    }

    /** Returns the same array without weight decay. */
    public TrainedArray exempt() {
        return new TrainedArray(name, rows, columns, role, start, false, rates);
    }

    /** Returns the same array with factors of its rows' steps, {@code [rows]}; none: 1 each. */
    public TrainedArray rated(List<Double> factors) {
        return new TrainedArray(name, rows, columns, role, start, decays, factors);
    }

    /** Returns the number of trained parameters. */
    public long size() {
        return (long) rows * columns;
    }
}
