package dev.grft.vit;

import dev.grft.UserError;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * In what a Vision Transformer differs from the plain one of Dosovitskiy et al. 2021, as far as the same blocks serve.
 *
 * <p>Its tokens are the class token, the registers, the patches.
 *
 * @param classToken whether there is one
 * @param registers number of register tokens (Darcet et al. 2023, arXiv 2309.16588)
 * @param positioned number of tokens before the patches that have positions: 0, 1 or all; the patches always have
 * @param preNorm whether the tokens are normalized before the first block, as CLIP does
 * @param layerScale whether each branch of a block is scaled by a learned vector (Touvron et al. 2021, arXiv 2103.17239)
 * @param activation of the MLPs
 * @param pooling what the head reads
 */
public record Variant(
        boolean classToken,
        int registers,
        int positioned,
        boolean preNorm,
        boolean layerScale,
        Activation activation,
        Pooling pooling)
        implements Serializable {

    /** Class token, no registers, positions for all, no other norm, no layer scale, erf GELU. */
    public static final Variant PLAIN = new Variant(true, 0, 1, false, false, Activation.GELU, Pooling.CLASS_TOKEN);

    public Variant {
        require(registers >= 0, "registers must not be negative, got " + registers);
        require(
                pooling == Pooling.MEAN || pooling == Pooling.MEAN_THEN_NORM || classToken,
                "the head reads the class token, but there is none");
        int prefix = (classToken ? 1 : 0) + registers;
        require(
                positioned == 0 || positioned == 1 || positioned == prefix,
                "positioned must be 0, 1 or " + prefix + ", got " + positioned);
        require(positioned <= prefix, "positioned must be at most " + prefix + ", got " + positioned);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw UserError.of("model: %s", message);
        }
    }

    /** Returns the number of tokens before the patches. */
    public int prefix() {
        return (classToken ? 1 : 0) + registers;
    }

    /** Returns this form with another activation. */
    public Variant withActivation(Activation other) {
        return new Variant(classToken, registers, positioned, preNorm, layerScale, other, pooling);
    }

    /** Returns what differs from a plain ViT, in words, such as {@code 4 register tokens, layer scale}; for a plain one none. */
    public String words() {
        List<String> words = new ArrayList<>();
        if (!classToken) {
            words.add("no class token");
        }
        if (registers > 0) {
            words.add(registers + (registers == 1 ? " register token" : " register tokens"));
        }
        if (classToken && positioned == 0) {
            words.add("no position of the class token");
        }
        if (preNorm) {
            words.add("a norm before the first block");
        }
        if (layerScale) {
            words.add("layer scale");
        }
        if (activation != Activation.GELU) {
            words.add(activation.name().toLowerCase(Locale.ROOT));
        }
        if (pooling != Pooling.CLASS_TOKEN) {
            words.add("a head that reads "
                    + pooling.name().toLowerCase(Locale.ROOT).replace('_', ' '));
        }
        return String.join(", ", words);
    }
}
