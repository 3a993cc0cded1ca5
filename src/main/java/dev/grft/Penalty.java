package dev.grft;

import java.io.Serializable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The pull of the trained numbers toward the pretrained model: {@code lambda * ||theta - theta0||^2} over the slices
 * in the last layers, and {@code head * ||theta||^2} over the head, which has no pretrained value and is pulled to 0
 * as in L2-SP (arXiv 1802.01483).
 *
 * <p>From the public reviews: an L2 distance to the pretrained parameters, on the last L layers and the head (R4), of
 * marginal effect (R1). Not known: lambda, L, whether the norm is squared, what the head is pulled to.
 *
 * @param lambda strength for the backbone, 0 or more; 0 is no pull
 * @param lastLayers L, how many encoder blocks at the end of the network are pulled, at least 1; {@link #ALL} for every
 *     parameter, the patch embedding included
 * @param head strength for the head's weight and bias, 0 or more
 * @param decoupled false: the penalty is a term of the loss and its gradient goes through the optimizer, as the
 *     reviews describe it; true: each step subtracts {@code learningRate} times the penalty's gradient after the
 *     optimizer, as AdamW does. Under plain SGD the two are the same
 */
public record Penalty(double lambda, int lastLayers, double head, boolean decoupled) implements Serializable {
    /** As {@code lastLayers}: every block, and what comes before the first. */
    public static final int ALL = Integer.MAX_VALUE;

    /** No pull at all. */
    public static final Penalty NONE = new Penalty(0, ALL, 0, false);

    private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d{1,9})\\..+");
    private static final Pattern BEFORE = Pattern.compile("(patch_embed|norm_pre)\\..+|cls_token|reg_token|pos_embed");
    private static final Pattern AFTER = Pattern.compile("(norm|fc_norm|head)\\..+");

    public Penalty {
        requireStrength("penalty.lambda", lambda);
        requireStrength("penalty.head", head);
        if (lastLayers < 1) {
            throw UserError.of(
                    "penalty.lastLayers must be at least 1, got %d; for no penalty set penalty.lambda to 0",
                    lastLayers);
        }
    }

    private static void requireStrength(String key, double strength) {
        if (!(strength >= 0 && strength < Double.POSITIVE_INFINITY)) {
            throw UserError.of("%s must be a finite number >= 0, got %s", key, strength);
        }
    }

    /**
     * Returns whether a parameter lies in the last L of {@code depth} blocks or behind them (the last norm, the head).
     *
     * @param matrix timm name, such as {@code blocks.11.mlp.fc1.weight}
     * @param depth number of encoder blocks
     * @throws IllegalArgumentException if a ViT of this depth has no such parameter
     */
    public boolean applies(String matrix, int depth) {
        Matcher block = BLOCK.matcher(matrix);
        if (block.matches()) {
            int number = Integer.parseInt(block.group(1));
            if (number >= depth) {
                throw new IllegalArgumentException(matrix + " lies beyond a network of " + depth + " blocks");
            }
            return number >= depth - lastLayers;
        }
        if (BEFORE.matcher(matrix).matches()) {
            return lastLayers == ALL;
        }
        if (AFTER.matcher(matrix).matches()) {
            return true;
        }
        throw new IllegalArgumentException(matrix + " is not the name of a ViT's parameter");
    }

    /** Returns the number of the encoder block that a parameter lies in, from 0; -1 if it lies in none. */
    public static int block(String parameter) {
        Matcher block = BLOCK.matcher(parameter);
        return block.matches() ? Integer.parseInt(block.group(1)) : -1;
    }

    /** Returns the strength of the pull on a parameter: {@code head}, {@code lambda} or 0; see {@link #applies}. */
    public double lambdaFor(String matrix, int depth) {
        if (matrix.startsWith("head.")) {
            return head;
        }
        return applies(matrix, depth) ? lambda : 0;
    }
}
