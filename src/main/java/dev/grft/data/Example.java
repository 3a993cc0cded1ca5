package dev.grft.data;

import java.io.Serializable;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An image, prepared, and what it shows.
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public final class Example implements Serializable {
    /** The label of an image without a class. */
    public static final int UNLABELED = -1;

    private static final long serialVersionUID = 1L;

    private final long id;
    private final Target target;
    private final String name;
    private final Pixels pixels;
    private final float weight;
    private final @Nullable Pixels source;

    /**
     * Returns an example of one class without a source, of weight 1.
     *
     * @param label the index of its class, or {@link #UNLABELED}
     */
    public Example(long id, int label, String name, Pixels pixels) {
        this(id, Target.ofClass(label), name, pixels, null, 1);
    }

    /**
     * Returns the example of these parts.
     *
     * @param id its rank among the names of its set, 0 or more; the same in every run over the same files
     * @param target what it shows
     * @param name its name in the set
     * @param pixels prepared, see {@link Preprocess#prepare}
     * @param source what random crops are cut from, see {@link Preprocess#source}; null if it is not kept, or not read
     * @param weight in the loss of a training, 0 or more
     */
    public Example(long id, Target target, String name, Pixels pixels, @Nullable Pixels source, float weight) {
        if (id < 0) {
            throw new IllegalArgumentException(name + ": id " + id + " must not be negative");
        }
        this.id = id;
        this.target = target;
        this.name = name;
        this.pixels = pixels;
        this.weight = weight;
        this.source = source;
    }

    /** Returns the rank among the names of its set. */
    public long id() {
        return id;
    }

    /** Returns what it shows. */
    public Target target() {
        return target;
    }

    /** Returns the index of the class, or {@link #UNLABELED} if there is no single one. */
    public int label() {
        return target.label();
    }

    /** Returns the name in the set. */
    public String name() {
        return name;
    }

    /** Returns the prepared image. */
    public Pixels pixels() {
        return pixels;
    }

    /** Returns what random crops are cut from; null if it is not kept, or not read. */
    public @Nullable Pixels source() {
        return source;
    }

    /** Returns the weight in the loss of a training; 1 unless the data give another. */
    public float weight() {
        return weight;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Example example
                && id == example.id
                && target.equals(example.target)
                && name.equals(example.name)
                && pixels.equals(example.pixels)
                && Objects.equals(source, example.source)
                && weight == example.weight;
    }

    @Override
    public int hashCode() {
        return Objects.hash(id, target, name);
    }

    @Override
    public String toString() {
        return id + " " + name + " (" + target + ", " + pixels + ")";
    }
}
