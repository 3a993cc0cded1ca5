package dev.grft;

/**
 * The rule that gives each matrix its {@link Axis}.
 *
 * <p>The paper's orientation is known to be fixed rather than adapted to model or task (public review R3); which one it
 * is, is not known. {@link #ROW} and {@link #MIN_AXIS} are the two that reproduce its published parameter shares (see
 * {@link Preset}). {@link #AUTO} differs from the paper.
 */
public enum Orientation {
    /** Rows everywhere. */
    ROW,

    /** Columns everywhere. */
    COLUMN,

    /** The axis with the shorter mask, that is with fewer and longer slices; rows if the matrix is square. */
    MIN_AXIS,

    /**
     * Per matrix, the axis whose best slices have the larger score per trained parameter; rows on a tie. A mean over few
     * numbers varies more than one over many, so that noise alone favors the axis with the shorter slices.
     */
    AUTO;

    /**
     * Returns the orientation that a configuration calls {@code row}, {@code column}, {@code min-axis} or {@code auto}.
     *
     * @throws UserError for any other word
     */
    public static Orientation parse(String word) {
        return Words.parse("selection.orientation", "orientation", word, values());
    }

    /** Returns whether a matrix of this shape can get slices along the axis. */
    public boolean mayTake(Axis axis, MatrixShape shape) {
        return switch (this) {
            case ROW -> axis == Axis.ROW;
            case COLUMN -> axis == Axis.COLUMN;
            case MIN_AXIS -> axis == (shape.out() <= shape.in() ? Axis.ROW : Axis.COLUMN);
            case AUTO -> true;
        };
    }

    /** Returns the configuration's word. */
    @Override
    public String toString() {
        return Words.of(this);
    }
}
