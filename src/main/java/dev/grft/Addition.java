package dev.grft;

import java.io.Serializable;
import java.util.Map;

/**
 * What a method other than slices adds to one linear map {@code y = x W' + b} of the pretrained model. Immutable; the
 * arrays are handed over, not copied. Two additions are equal if every value has the same bits.
 */
public abstract sealed class Addition implements Serializable permits Entries, LowRank, Bottleneck {
    /** The subclasses, one constant each: for switches that the compiler checks. */
    public enum Kind {
        /** {@link Entries}. */
        ENTRIES,
        /** {@link LowRank}. */
        LOW_RANK,
        /** {@link Bottleneck}. */
        BOTTLENECK
    }

    private static final long serialVersionUID = 1L;

    final String matrix;
    final MatrixShape shape;

    Addition(String matrix, MatrixShape shape) {
        this.matrix = matrix;
        this.shape = shape;
    }

    /** Returns the timm name of the map's weight, such as {@code blocks.0.attn.qkv.weight}. */
    public final String matrix() {
        return matrix;
    }

    /** Returns the shape of that weight. */
    public final MatrixShape shape() {
        return shape;
    }

    /** Returns the trained arrays, row-major, by the names under which they train. */
    public abstract Map<String, float[]> arrays();

    /**
     * Returns this addition, to be merged.
     *
     * @throws UserError if a plain ViT has no place for it
     */
    public abstract Mergeable mergeable();

    /** Returns which subclass this is. */
    public abstract Kind kind();

    /** Returns how many numbers were trained. */
    public final long trained() {
        return arrays().values().stream().mapToLong(numbers -> numbers.length).sum();
    }
}
