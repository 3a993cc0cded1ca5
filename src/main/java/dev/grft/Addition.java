package dev.grft;

import java.io.Serializable;
import java.util.Map;

/**
 * What a method other than slices adds to one linear map {@code y = x W' + b} of the pretrained model. Immutable; the
 * arrays are handed over, not copied. Two additions are equal if every number has the same bits.
 */
public sealed interface Addition extends Serializable permits Entries, LowRank, Bottleneck {

    /** Returns the timm name of the map's weight, such as {@code blocks.0.attn.qkv.weight}. */
    String matrix();

    /** Returns the shape of that weight. */
    MatrixShape shape();

    /** Returns the trained arrays, row-major, by the names under which they train. */
    Map<String, float[]> arrays();

    /** Merges into the weight {@code [out, in]} row-major, in place; after {@link #requireMergeable}. */
    void mergeInto(float[] weight);

    /**
     * Checks that it can be merged.
     *
     * @throws UserError if a plain ViT has no place for it
     */
    default void requireMergeable() {}

    /** Returns how many numbers were trained. */
    default long trained() {
        return arrays().values().stream().mapToLong(numbers -> numbers.length).sum();
    }
}
