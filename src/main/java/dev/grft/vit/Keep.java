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
    INPUTS
}
