package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.grft.data.Target;
import java.io.ByteArrayOutputStream;

/**
 * Counts of predictions by their probability, in 15 bins of equal width, in rows: one for each class, or a single one. From them come the
 * expected calibration error (Guo et al. 2017, arXiv:1706.04599) and the reliability diagram.
 *
 * <p>Probabilities are added up as integers, so sums do not depend on the pieces that images come in. Rounding moves the error
 * by less than 1e-8.
 */
final class Reliability {
    private static final int BINS = 15;
    private static final double UNIT = 0x1p-26; // of sums: 2^37 certain predictions fit into one

    private final int rows;
    private final long[] predictions; // [rows * BINS]
    private final long[] right; // [rows * BINS], predictions that are true
    private final long[] sums; // [rows * BINS], of the probabilities, in UNIT
    private boolean defined = true;

    Reliability(int rows) {
        this.rows = rows;
        this.predictions = new long[rows * BINS];
        this.right = new long[rows * BINS];
        this.sums = new long[rows * BINS];
    }

    /** Returns that of several labels, of no image yet: a row for each class, or one for all of more than {@link OddsHistogram#MOST}. */
    static Reliability ofLabels(int classes) {
        return new Reliability(classes > OddsHistogram.MOST ? 1 : classes);
    }

    /**
     * Adds an image of several labels: whether it shows each class.
     *
     * @param probabilities {@code [K]}
     */
    void add(Target target, float[] probabilities) {
        for (int k = 0; k < probabilities.length; k++) {
            add(rows == 1 ? 0 : k, probabilities[k], target.has(k));
        }
    }

    /** Adds a prediction of some probability, which is true or not. */
    void add(int row, float probability, boolean isTrue) {
        int cell = row * BINS + Math.min(BINS - 1, (int) ((double) probability * BINS));
        predictions[cell]++;
        right[cell] += isTrue ? 1 : 0;
        sums[cell] += Math.round(probability / UNIT);
        defined &= !Float.isNaN(probability);
    }

    /** Adds the counts of a {@link #packed} piece with as many rows. */
    void add(byte[] packed) {
        Varints.Reader numbers = new Varints.Reader(packed);
        defined &= numbers.next() == 1;
        int cell = 0;
        while (numbers.more()) {
            cell += (int) numbers.next();
            predictions[cell] += numbers.next();
            right[cell] += numbers.next();
            sums[cell++] += numbers.next();
        }
    }

    /** Returns these counts in few bytes: of many classes, most probabilities are small. */
    byte[] packed() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Varints.write(defined ? 1 : 0, bytes);
        int next = 0;
        for (int cell = 0; cell < predictions.length; cell++) {
            if (predictions[cell] > 0) {
                Varints.write(cell - next, bytes);
                Varints.write(predictions[cell], bytes);
                Varints.write(right[cell], bytes);
                Varints.write(sums[cell], bytes);
                next = cell + 1;
            }
        }
        return bytes.toByteArray();
    }

    /**
     * Returns the calibration error of all rows together: how far the mean probability of a bin is from the share of true predictions, mean
     * over the predictions, in [0, 1]; NaN without predictions, or if a probability is NaN.
     */
    double error() {
        return error(0, rows);
    }

    /** Returns the calibration error of a row, likewise. */
    double error(int row) {
        return error(row, row + 1);
    }

    private double error(int from, int to) {
        double sum = 0;
        double all = 0;
        for (int bin = 0; bin < BINS; bin++) {
            sum += Math.abs(sum(right, bin, from, to) - UNIT * sum(sums, bin, from, to));
            all += sum(predictions, bin, from, to);
        }
        return defined ? sum / all : Double.NaN;
    }

    private static double sum(long[] counts, int bin, int from, int to) {
        double sum = 0; // of all rows a long may be too small
        for (int row = from; row < to; row++) {
            sum += counts[row * BINS + bin];
        }
        return sum;
    }

    /** Puts [predictions, mean probability, share of true ones] for each bin of all rows together, the least sure first; of none 0. */
    void put(ArrayNode bins) {
        for (int bin = 0; bin < BINS; bin++) {
            double count = sum(predictions, bin, 0, rows);
            double some = Math.max(1, count);
            double probability = UNIT * sum(sums, bin, 0, rows) / some;
            double share = sum(right, bin, 0, rows) / some;
            bins.addArray().add((long) count).add(probability).add(share);
        }
    }
}
