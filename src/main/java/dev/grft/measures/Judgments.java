package dev.grft.measures;

import java.io.ByteArrayOutputStream;
import java.io.Serializable;
import java.util.List;

/**
 * What measures need of the outputs for some images: a judgment of each, and counts for {@link OddsHistogram} and {@link Reliability}.
 *
 * @param <J> what is kept of an image
 */
public final class Judgments<J extends Judgment> implements Serializable {
    private static final long serialVersionUID = 1L;

    public final List<J> all;
    final byte[] reliability;
    private final byte[] counts; // of the cells that have one: how many are skipped, and the count; two or three bytes

    /** Takes a count of a cell. */
    interface Count {
        void of(int cell, int images);
    }

    /**
     * Returns judgments.
     *
     * @param counts by cell of {@link OddsHistogram}, images that do not show the cell's class; empty without such counts
     * @param reliability packed counts of {@link Reliability}, of several labels; empty if the judgments tell them
     */
    Judgments(List<J> all, int[] counts, byte[] reliability) {
        this.all = all;
        this.reliability = reliability;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int next = 0;
        for (int cell = 0; cell < counts.length; cell++) {
            if (counts[cell] > 0) {
                Varints.write(cell - next, bytes);
                Varints.write(counts[cell], bytes);
                next = cell + 1;
            }
        }
        this.counts = bytes.toByteArray();
    }

    /** Hands over the counts that are not 0, by cell. */
    void counts(Count each) {
        Varints.Reader numbers = new Varints.Reader(counts);
        int cell = 0;
        while (numbers.more()) {
            cell += (int) numbers.next();
            each.of(cell++, (int) numbers.next());
        }
    }
}
