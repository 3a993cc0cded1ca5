package dev.grft.data;

import java.io.Serializable;
import java.util.List;

/**
 * The mean and the standard deviation of each value over the training images. A training sees values less their mean, over their deviation, so
 * that neither its learning rate nor its loss depends on their unit. Its head is turned into one that gives the values themselves when it is
 * written: that is linear, so no reader of the head needs these numbers.
 */
public final class Standard implements Serializable {
    private static final long serialVersionUID = 1L;

    private final float[] means; // [K]
    private final float[] deviations; // [K], above 0

    private Standard(float[] means, float[] deviations) {
        this.means = means;
        this.deviations = deviations;
    }

    /**
     * Returns the standard of some images' values. A value that never changes has the deviation 1.
     *
     * @param values of each image, {@code [n][K]}, one or more; sums are made in this order
     */
    public static Standard of(List<float[]> values) {
        int outputs = values.get(0).length;
        float[] means = new float[outputs];
        float[] deviations = new float[outputs];
        for (int k = 0; k < outputs; k++) {
            double sum = 0;
            for (float[] one : values) {
                sum += one[k];
            }
            double mean = sum / values.size();
            double squares = 0;
            for (float[] one : values) {
                squares += (one[k] - mean) * (one[k] - mean);
            }
            means[k] = (float) mean;
            float deviation = (float) Math.sqrt(squares / values.size());
            deviations[k] = deviation > Float.MIN_NORMAL ? deviation : 1;
        }
        return new Standard(means, deviations);
    }

    /** Returns the standard deviation of each value, {@code [K]}, above 0. */
    public float[] deviations() {
        return deviations.clone();
    }

    /** Replaces values by standardized ones, {@code [K]} from {@code offset} on. */
    public void apply(float[] values, int offset) {
        for (int k = 0; k < means.length; k++) {
            values[offset + k] = (values[offset + k] - means[k]) / deviations[k];
        }
    }

    /** Replaces standardized values by the values themselves, {@code [K]}. */
    public void revert(float[] values) {
        for (int k = 0; k < means.length; k++) {
            values[k] = values[k] * deviations[k] + means[k];
        }
    }

    /**
     * Returns a head's weight that gives the values themselves, for one that gives standardized ones; or the other way round.
     *
     * @param weight {@code [K, D]} row-major
     * @param back the other way round
     */
    public float[] weight(float[] weight, boolean back) {
        float[] scaled = weight.clone();
        int width = weight.length / means.length;
        for (int i = 0; i < scaled.length; i++) {
            float deviation = deviations[i / width];
            scaled[i] = back ? scaled[i] / deviation : scaled[i] * deviation;
        }
        return scaled;
    }

    /** Returns the bias, {@code [K]}, likewise. */
    public float[] bias(float[] bias, boolean back) {
        float[] moved = bias.clone();
        if (back) {
            apply(moved, 0);
        } else {
            revert(moved);
        }
        return moved;
    }
}
