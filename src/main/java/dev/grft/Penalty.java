package dev.grft;

import java.io.Serializable;

/**
 * The strength of the pull toward the pretrained model: {@code lambda * ||theta - theta0||^2} over the slices in the last
 * layers, and {@code head * ||theta||^2} over the head, which has no pretrained value and is pulled to 0 as in L2-SP (arXiv
 * 1802.01483). {@link Grft#penalty} is the term itself.
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
     * Returns the strength for a parameter of the backbone: {@code lambda} in the last L of {@code depth} encoder blocks and behind
     * them (the last norm), else 0.
     *
     * @param block number of the parameter's block, from 0; -1 before the first block, {@code depth} behind the last
     * @throws IllegalArgumentException if a network of this depth has no such block
     */
    public double strength(int block, int depth) {
        if (block < -1 || block > depth) {
            throw new IllegalArgumentException("block " + block + " lies beyond a network of " + depth + " blocks");
        }
        boolean pulled = block < 0 ? lastLayers == ALL : block >= depth - lastLayers;
        return pulled ? lambda : 0;
    }
}
