package dev.grft;

/**
 * What slices of different length compete by, where they compete for one budget: {@link Budget.Share} and {@link
 * Orientation#AUTO}. Slices along one axis of one matrix are equally long, so the paper's own selection does not depend on it.
 * The configuration's {@code selection.perLength}.
 */
public enum Ranking {
    /** The score divided by the number of parameters in the slice. */
    PER_PARAMETER,

    /** The score itself: long slices have an advantage. */
    BY_SCORE;

    /** Returns the merit of a slice of this score and so many parameters. */
    double merit(double score, int length) {
        return switch (this) {
            case PER_PARAMETER -> score / length;
            case BY_SCORE -> score;
        };
    }
}
