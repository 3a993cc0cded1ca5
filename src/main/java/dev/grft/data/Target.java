package dev.grft.data;

import java.io.Serializable;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What an image shows: nothing that is known, one class, a set of classes, or numbers. Immutable.
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public final class Target implements Serializable {
    /** Of an image of which nothing is known. */
    public static final Target NONE = new Target(Example.UNLABELED, null, null);

    private static final long serialVersionUID = 1L;
    private static final int SHARED = 1 << 16;
    private static final Target[] OF_CLASSES =
            IntStream.range(0, SHARED).mapToObj(k -> new Target(k, null, null)).toArray(Target[]::new);

    private final int label;
    private final int @Nullable [] classes; // ascending
    private final float @Nullable [] values;

    private Target(int label, int @Nullable [] classes, float @Nullable [] values) {
        this.label = label;
        this.classes = classes;
        this.values = values;
    }

    /** Returns that of an image of one class; {@link #NONE} for {@link Example#UNLABELED}. */
    public static Target ofClass(int label) {
        if (label < Example.UNLABELED) {
            throw new IllegalArgumentException("label " + label + " must not be negative");
        }
        return label == Example.UNLABELED ? NONE : label < SHARED ? OF_CLASSES[label] : new Target(label, null, null);
    }

    /** Returns that of an image of some classes, in any order, repeated or not; none if it shows none of them, which is known then. */
    public static Target ofClasses(int... classes) {
        int[] sorted = Arrays.stream(classes).distinct().sorted().toArray();
        if (sorted.length > 0 && sorted[0] < 0) {
            throw new IllegalArgumentException("label " + sorted[0] + " must not be negative");
        }
        return new Target(Example.UNLABELED, sorted, null);
    }

    /** Returns that of an image of some values, all finite. */
    public static Target ofValues(float... values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                throw new IllegalArgumentException("value " + value + " must be finite");
            }
        }
        return new Target(Example.UNLABELED, null, values.clone());
    }

    /** Returns an equal target that all images of one class share; a target that was sent is one of its own. */
    public Target shared() {
        return classes == null && values == null ? ofClass(label) : this;
    }

    /** Returns whether anything is known of the image. */
    public boolean known() {
        return label >= 0 || classes != null || values != null;
    }

    /** Returns the class, in [0, K); {@link Example#UNLABELED} if there is no single one. */
    public int label() {
        return label;
    }

    /** Returns the classes, ascending; none for {@link #NONE} and for values. */
    public int[] classes() {
        return classes != null ? classes.clone() : label >= 0 ? new int[] {label} : new int[0];
    }

    /** Returns whether the image shows a class. */
    public boolean has(int k) {
        return classes == null ? label == k && k >= 0 : Arrays.binarySearch(classes, k) >= 0;
    }

    /** Returns the values; none for classes. */
    public float[] values() {
        return values == null ? new float[0] : values.clone();
    }

    /**
     * Writes the target of a head's outputs: the values, or 1 for each class that the image shows and 0 for the others.
     *
     * @param out gets {@code [outputs]} from {@code offset} on
     */
    public void fill(float[] out, int offset, int outputs) {
        if (values != null) {
            System.arraycopy(values, 0, out, offset, outputs);
            return;
        }
        Arrays.fill(out, offset, offset + outputs, 0);
        if (classes == null) {
            out[offset + label] = 1;
        } else {
            for (int k : classes) {
                out[offset + k] = 1;
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Target target
                && label == target.label
                && Arrays.equals(classes, target.classes)
                && Arrays.equals(values, target.values);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * label + Arrays.hashCode(classes)) + Arrays.hashCode(values);
    }

    @Override
    public String toString() {
        return values != null
                ? "values " + Arrays.toString(values)
                : classes != null ? "classes " + Arrays.toString(classes) : label < 0 ? "unlabeled" : "class " + label;
    }
}
