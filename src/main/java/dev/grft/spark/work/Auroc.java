package dev.grft.spark.work;

import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * The area under the ROC curve of each class against the rest: how often an image of the class has a larger probability of it than an
 * image of another class, of equal ones half.
 *
 * <p>Probabilities are counted in bins of their odds p / (1 - p): the exponent of the float and the first bits of its mantissa. So neither
 * the driver nor a task holds the probabilities of all images. Counts are integers, whose sums do not depend on tasks or executors. Two
 * probabilities in one bin count as equal: {@link #error} says how much that can matter.
 */
public final class Auroc {
    /** Of more classes there is none: bins narrow enough would take too much memory. */
    public static final int MOST = 1_000;

    private static final int CELLS = 1 << 21; // bins of all classes together, 8 MB in a task
    private static final int LOWEST = Float.floatToIntBits(0x1p-64f); // smaller odds are in the first bin
    private static final int OCTAVES = 90; // up to 2^26: odds of 1 - 2^-24 are 2^24, those of 1 infinite
    private static final int MANTISSA = 23;

    private final int classes;
    private final int bits; // of the mantissa of odds, in a bin's number
    private final long[] of; // [K * bins], images of the class
    private final long[] others; // [K * bins], images of other classes
    private boolean defined = true;

    /**
     * Returns no counts yet.
     *
     * @param classes at most {@link #MOST}
     */
    public Auroc(int classes) {
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

    /** Returns the cell of a class and its probability, in [0, K * bins). */
    static int cell(int k, float probability, int bits) {
        int bins = OCTAVES << bits;
        float rest = Math.max(0, 1 - probability); // a softmax may be an ulp above 1
        int odds = Float.floatToIntBits(probability / rest); // as integers in the order of the floats
        int bin = (odds - LOWEST) >> (MANTISSA - bits);
        return k * bins + Math.max(0, Math.min(bins - 1, bin));
    }

    /** Adds what a task has counted. */
    public void add(Judgments some) {
        some.counts((cell, images) -> others[cell] += images);
        for (Judgment judgment : some.all) {
            of[cell(judgment.label, judgment.ofLabel, bits)]++;
            defined &= !Float.isNaN(judgment.ofLabel);
        }
    }

    /** Returns the area of a class, in [0, 1]; NaN if all images are of the class, or none, or a probability is NaN. */
    public double of(int k) {
        return share(k, 1);
    }

    /** Returns how far the area of the probabilities themselves can be from {@link #of}, at most; NaN as there. */
    public double error(int k) {
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

    /** Returns the area of the second of two classes; of more the mean over those that have one; NaN if none has. */
    public double mean() {
        return classes == 2 ? of(1) : mean(this::of);
    }

    /** Returns how far from {@link #mean} it can be. */
    public double error() {
        return classes == 2 ? error(1) : mean(this::error);
    }

    private double mean(IntToDoubleFunction of) {
        return IntStream.range(0, classes)
                .mapToDouble(of)
                .filter(area -> !Double.isNaN(area))
                .average()
                .orElse(Double.NaN);
    }
}
