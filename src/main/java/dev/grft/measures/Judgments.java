package dev.grft.measures;

import java.io.ByteArrayOutputStream;
import java.io.Serializable;
import java.util.List;

/**
 * What measures need of the outputs for some images: a judgment of each, and counts for {@link OddsHistogram}.
 *
 * @param <J> what is kept of an image
 */
public final class Judgments<J extends Judgment> implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final int SEVEN_BITS = 0x7f;

    public final List<J> all;
    private final byte[]
            counts; // of the cells that have one: how many are passed over, and the count; two or three bytes

    /** Takes a count of a cell. */
    interface Count {
        void of(int cell, int images);
    }

    /**
     * Returns judgments.
     *
     * @param counts by cell of {@link OddsHistogram}, images that do not show the cell's class; empty without such counts
     */
    Judgments(List<J> all, int[] counts) {
        this.all = all;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int next = 0;
        for (int cell = 0; cell < counts.length; cell++) {
            if (counts[cell] > 0) {
                write(cell - next, bytes);
                write(counts[cell], bytes);
                next = cell + 1;
            }
        }
        this.counts = bytes.toByteArray();
    }

    /** Writes a number, seven bits in a byte, the lowest first; the eighth bit says that more follow. */
    private static void write(int number, ByteArrayOutputStream bytes) {
        int rest = number;
        while (rest > SEVEN_BITS) {
            bytes.write((rest & SEVEN_BITS) | ~SEVEN_BITS);
            rest >>>= 7;
        }
        bytes.write(rest);
    }

    /** Hands over the counts that are not 0, by cell. */
    void counts(Count each) {
        int cell = 0;
        int number = 0;
        int shift = 0;
        boolean passed = false; // whether the number before was of cells to pass over
        for (byte some : counts) {
            number |= (some & SEVEN_BITS) << shift;
            shift += 7;
            if (some >= 0) {
                if (passed) {
                    each.of(cell++, number);
                } else {
                    cell += number;
                }
                passed = !passed;
                number = 0;
                shift = 0;
            }
        }
    }
}
