package dev.grft.data;

import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/** How a training step treats examples, beside the random changes to images. Evaluation and scoring treat none. */
public final class Treatment implements Serializable {
    /** Leaves examples as they are. */
    public static final Treatment NONE = new Treatment(0, 0, null);

    private static final long serialVersionUID = 1L;

    private final double labelSmoothing;
    private final double dropPath;
    private final float @Nullable [] weights; // [K]
    private final @Nullable Standard standard;

    /** Returns a treatment of classes. */
    public Treatment(double labelSmoothing, double dropPath, float @Nullable [] weights) {
        this(labelSmoothing, dropPath, weights, null);
    }

    /**
     * Returns a treatment.
     *
     * @param labelSmoothing share of each target that is spread evenly over all classes, in [0, 1)
     * @param dropPath probability that the last encoder block drops a branch of an example, in [0, 1)
     * @param weights the weight of each class in the loss, {@code [K]}, which multiplies that of the example; null: neither counts
     * @param standard that values are standardized by; null: as they are
     */
    public Treatment(double labelSmoothing, double dropPath, float @Nullable [] weights, @Nullable Standard standard) {
        this.labelSmoothing = labelSmoothing;
        this.dropPath = dropPath;
        this.weights = weights;
        this.standard = standard;
    }

    /** Returns the share of each target that is spread evenly over all classes. */
    public double labelSmoothing() {
        return labelSmoothing;
    }

    /** Returns the probability that the last encoder block drops a branch of an example. */
    public double dropPath() {
        return dropPath;
    }

    /** Returns what values are standardized by; null if they are not. */
    public @Nullable Standard standard() {
        return standard;
    }

    /** Returns the weight of each class, {@code [K]}; null if examples have none either. */
    public float @Nullable [] weights() {
        return weights;
    }
}
