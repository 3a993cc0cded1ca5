package dev.grft.bench;

import java.util.Arrays;

/** How long the same work took, each time: milliseconds. Immutable. */
final class Times {
    private final double[] sorted;

    /** Returns the times of at least one repetition. */
    Times(double... milliseconds) {
        if (milliseconds.length == 0) {
            throw new IllegalArgumentException("no times");
        }
        sorted = milliseconds.clone();
        Arrays.sort(sorted);
    }

    /** Returns the number of repetitions. */
    int count() {
        return sorted.length;
    }

    double fastest() {
        return sorted[0];
    }

    double median() {
        return quantile(0.5);
    }

    /** Returns the time that a share {@code q} of the repetitions did not exceed, interpolated. */
    double quantile(double q) {
        double at = q * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /** Returns these times divided by {@code parts}, for work that consists of as many. */
    Times each(int parts) {
        return new Times(Arrays.stream(sorted).map(ms -> ms / parts).toArray());
    }
}
