package dev.grft.vit;

/** What a network keeps of a forward for the backward. */
public enum Keep {
    /** Nothing: it only predicts. */
    NOTHING,
    /** What every layer has computed. */
    ALL,
    /**
     * The inputs of the encoder blocks; what is inside a block is computed again when its backward comes, but for the last one's
     * (Chen et al. 2016, arXiv 1604.06174). The same bits, for about a fifth of the memory of a batch and one forward more.
     */
    INPUTS;

    /**
     * What the backward of an encoder block reads, and a training therefore keeps. Where nothing needs a gradient, all are false.
     *
     * @param norm1 the normalized input of the attention
     * @param attention queries, keys, values and their softmax
     * @param context the output of the attention, which {@code proj} multiplies
     * @param norm2 the normalized input of the MLP
     * @param activation the derivative of the MLP's activation
     * @param hidden the output of the activation, which {@code fc2} multiplies
     */
    public record OfBlock(
            boolean norm1, boolean attention, boolean context, boolean norm2, boolean activation, boolean hidden) {
        /** What a block keeps whose parameters all train. */
        public static final OfBlock EVERYTHING = new OfBlock(true, true, true, true, true, true);
    }
}
