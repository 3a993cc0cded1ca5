package dev.grft;

/**
 * What is summed over the training examples to score the rows and columns of a weight W {@code [out, in]}: the
 * configuration's {@code selection.score}.
 *
 * <p>Let {@code g_b} be the gradient of the loss of example b with respect to W. Each constant is a matrix {@code [out, in]} made
 * of these gradients, element by element. The score of row i is the sum of the matrix's row i, that of column j the sum of its
 * column j. The five are different scores.
 */
public enum Score {
    /** {@code sum_b g_b^2}. The default: it does not depend on how the examples are divided. */
    PER_EXAMPLE,

    /** {@code sum over batches of (sum_b g_b)^2}: depends on the batches. */
    PER_BATCH,

    /** {@code (sum_b g_b)^2} over all examples, as in GPS: the dense gradients are summed first. */
    SUMMED_GRADIENT,

    /**
     * {@code sum_b |g_b|}: the first-order gain of a step of equal size in every coordinate, such as Adam's first ones. Differs
     * from the paper.
     */
    ABSOLUTE,

    /**
     * {@code sum_b (g_b W)^2}: Taylor importance as in pruning (Molchanov et al. 2019, arXiv 1906.10771), there of each batch.
     * Differs from the paper.
     */
    GRADIENT_WEIGHT;

    /**
     * Returns the score that a configuration calls by this word, such as {@code per-example}.
     *
     * @throws UserError for any other word
     */
    public static Score parse(String word) {
        return Words.parse("selection.score", "score", word, values());
    }

    /** Returns the configuration's word. */
    @Override
    public String toString() {
        return Words.of(this);
    }
}
