package dev.grft.measures;

import dev.grft.data.Target;
import java.io.Serializable;

/**
 * Judges the images of a piece, one after the other, in its task.
 *
 * @param <J> what is kept of an image
 */
public interface Judging<J extends Judgment> {
    /**
     * Begins a piece; sent to tasks.
     *
     * @param <J> what is kept of an image
     */
    interface Begin<J extends Judgment> extends Serializable {
        /** Returns what judges the images of a piece. */
        Judging<J> begin();
    }

    /**
     * Adds an image.
     *
     * @param target what it shows
     * @param outputs probabilities or values, {@code [K]}
     */
    void add(long id, String name, Target target, float[] outputs);

    /** Returns what became of the piece. */
    Judgments<J> end();
}
