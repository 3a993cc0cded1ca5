package dev.grft.measures;

import dev.grft.data.Target;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Counts of images by the odds p / (1 - p) of their probability, for each class those that show it and the others. From them come the area
 * under the ROC curve (how often an image of the class has a larger probability of it than another image, of equal ones half), the average
 * precision and the threshold with the best F1.
 *
 * <p>A bin is the exponent of the odds as a float and the first bits of its mantissa. So neither the driver nor a task holds the
 * probabilities of all images. Counts are integers, whose sums do not depend on tasks or executors. Two
 * probabilities in one bin count as equal: {@link #aurocError} and {@link #averagePrecisionError} say how much that can matter.
 */
public final class OddsHistogram {
    /** Of more classes there is none: bins narrow enough would take too much memory. */
    public static final int MOST = 1_000;

    private static final int CELLS = 1 << 21; // bins of all classes together, 8 MB in a task
    private static final int LOWEST = Float.floatToIntBits(0x1p-64f); // smaller odds are in the first bin
    private static final int OCTAVES = 90; // up to 2^26: odds of 1 - 2^-24 are 2^24, those of 1 infinite
    private static final int MANTISSA = 23;
    private static final float HALF = 0.5f;

    private final int classes;
    private final int bits; // of the mantissa of odds, in a bin's number
    private final long[] of; // [K * bins], images that show the class
    private final long[] others; // [K * bins], images that do not
    private boolean defined = true;

    /**
     * Returns no counts yet.
     *
     * @param classes at most {@link #MOST}
     */
    public OddsHistogram(int classes) {
        this.classes = classes;
        this.bits = bits(classes);
        this.of = new long[cells(classes)];
        this.others = new long[cells(classes)];
    }

    /** Returns how finely an octave of odds is divided, as a power of two: 2^7 = 128 bins with 100 classes, 16 with 1,000. */
    static int bits(int classes) {
        int bits = 0;
        while (bits < MANTISSA && (long) classes * (OCTAVES << (bits + 1)) <= CELLS) {
            bits++;
        }
        return bits;
    }

    /** Returns the bins of all classes together. */
    static int cells(int classes) {
        return classes * (OCTAVES << bits(classes));
    }

    private int bins() {
        return OCTAVES << bits;
    }

    /**
     * Counts the probabilities of the classes that an image does not show; nothing with more than {@link #MOST} classes.
     *
     * @param counts of the images before, by cell; empty before the first
     * @return the counts, in the same array unless it was empty
     */
    static int[] counted(int[] counts, Target target, float[] probabilities) {
        int classes = probabilities.length;
        if (classes > MOST) {
            return counts;
        }
        int[] all = counts.length == 0 ? new int[cells(classes)] : counts;
        int bits = bits(classes);
        for (int k = 0; k < classes; k++) {
            if (!target.has(k)) {
                all[cell(k, probabilities[k], bits)]++;
            }
        }
        return all;
    }

    /** Returns the cell of a class and its probability, in [0, K * bins). */
    static int cell(int k, float probability, int bits) {
        int bins = OCTAVES << bits;
        float rest = Math.max(0, 1 - probability); // a softmax may be an ulp above 1
        int odds = Float.floatToIntBits(probability / rest); // as integers in the order of the floats
        int bin = (odds - LOWEST) >> (MANTISSA - bits);
        return k * bins + Math.max(0, Math.min(bins - 1, bin));
    }

    /** Adds what a task has counted of the images that do not show a class. */
    void addOthers(Judgments<?> some) {
        some.counts((cell, images) -> others[cell] += images);
    }

    /** Adds an image that shows a class, with the probability of that class. */
    void add(int k, float probability) {
        of[cell(k, probability, bits)]++;
        defined &= !Float.isNaN(probability);
    }

    /** Says that a probability is no number, of which there are no areas. */
    void spoil() {
        defined = false;
    }

    /** Returns the area under the ROC curve of a class, in [0, 1]; NaN if all images show it, or none, or a probability is NaN. */
    public double auroc(int k) {
        return share(k, 1);
    }

    /** Returns how far the area of the probabilities themselves can be from {@link #auroc}, at most; NaN as there. */
    public double aurocError(int k) {
        return share(k, 0);
    }

    /** Returns the share of the pairs of an image of the class and another one: half of those in one bin, and those below times a factor. */
    private double share(int k, int factor) {
        double pairs = 0;
        long images = 0;
        long below = 0;
        for (int cell = k * bins(); cell < (k + 1) * bins(); cell++) {
            pairs += of[cell] * (factor * below + others[cell] / 2.0);
            images += of[cell];
            below += others[cell];
        }
        return defined ? pairs / ((double) images * below) : Double.NaN;
    }

    /**
     * Returns the average precision of a class, in [0, 1]: the mean, over the images that show it, of the precision among the images that are
     * at least as probable. NaN if no image shows it, or a probability is NaN.
     */
    public double averagePrecision(int k) {
        return averagePrecision(k, (right, wrong, p, n) -> p * (right + p) / (right + p + wrong + n));
    }

    /** Returns how far the average precision of the probabilities themselves can be from {@link #averagePrecision}, at most. */
    public double averagePrecisionError(int k) {
        double between = averagePrecision(k);
        double most = averagePrecision(k, (right, wrong, p, n) -> p * (right + p) / (right + p + wrong));
        double least = averagePrecision(k, (right, wrong, p, n) -> {
            double sum = 0;
            for (int i = 1; i <= p; i++) {
                sum += (right + i) / (right + i + wrong + n);
            }
            return sum;
        });
        return Math.max(most - between, between - least);
    }

    /** The sum of the precisions of the images of a class in a bin. */
    private interface Precisions {
        /**
         * Returns the sum.
         *
         * @param right images of the class in the bins above
         * @param wrong other images there
         * @param p images of the class in the bin, at least 1
         * @param n other images there
         */
        double of(double right, double wrong, double p, double n);
    }

    private double averagePrecision(int k, Precisions precisions) {
        double sum = 0;
        double right = 0; // counts, which a double holds exactly
        double wrong = 0;
        for (int cell = (k + 1) * bins() - 1; cell >= k * bins(); cell--) {
            double p = of[cell];
            double n = others[cell];
            if (p > 0) {
                sum += precisions.of(right, wrong, p, n);
            }
            right += p;
            wrong += n;
        }
        return defined ? sum / right : Double.NaN;
    }

    /**
     * Returns the threshold of a class with the best F1: an image shows the class if its probability is not below. Of equal ones the highest;
     * between the probabilities of two images, halfway by the logarithm of the odds. 0.5 if no image shows the class.
     */
    public float threshold(int k) {
        long images = 0;
        for (int cell = k * bins(); cell < (k + 1) * bins(); cell++) {
            images += of[cell];
        }
        double best = 0;
        int from = -1; // lowest bin of the best threshold
        int next = -1; // the next below that has images
        long right = 0;
        long chosen = 0;
        for (int bin = bins() - 1; bin >= 0; bin--) {
            int cell = k * bins() + bin;
            if (of[cell] + others[cell] == 0) {
                continue;
            }
            next = next < 0 && from >= 0 ? bin : next;
            right += of[cell];
            chosen += of[cell] + others[cell];
            double f1 = 2.0 * right / (images + chosen);
            if (f1 > best) {
                best = f1;
                from = bin;
                next = -1;
            }
        }
        return from < 0 || !defined ? HALF : lowest(next < 0 ? from : (from + next + 1) / 2);
    }

    /** Returns the lowest probability in a bin. */
    private float lowest(int bin) {
        int below = 0; // bits of floats, which are in their order
        int at = Float.floatToIntBits(1f);
        while (below < at) {
            int middle = (below + at) >>> 1;
            if (cell(0, Float.intBitsToFloat(middle), bits) >= bin) {
                at = middle;
            } else {
                below = middle + 1;
            }
        }
        return Float.intBitsToFloat(at);
    }

    /** Takes a point of a curve. */
    interface Point {
        void of(float threshold, double precision, double recall);
    }

    /** Hands over precision and recall of all classes together at some thresholds, the highest first; at most so many. */
    void curve(int most, Point each) {
        long[] right = new long[bins()];
        long[] chosen = new long[bins()];
        long images = 0;
        for (int cell = 0; cell < of.length; cell++) {
            right[cell % bins()] += of[cell];
            chosen[cell % bins()] += of[cell] + others[cell];
            images += of[cell];
        }
        long tp = 0;
        long all = 0;
        long shown = 0; // of the points
        for (int bin = bins() - 1; bin >= 0 && images > 0 && defined; bin--) {
            tp += right[bin];
            all += chosen[bin];
            if (tp * most >= (shown + 1) * images && chosen[bin] > 0) {
                each.of(lowest(bin), (double) tp / all, (double) tp / images);
                shown = tp * most / images;
            }
        }
    }

    /** Returns the mean of what is not NaN over the classes; NaN if all of it is. */
    double mean(IntToDoubleFunction of) {
        return IntStream.range(0, classes)
                .mapToDouble(of)
                .filter(area -> !Double.isNaN(area))
                .average()
                .orElse(Double.NaN);
    }
}
