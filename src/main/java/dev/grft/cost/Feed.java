package dev.grft.cost;

import dev.grft.Checks;

/**
 * What the cores of an executor do with images.
 *
 * @param cores of an executor
 * @param decoders of these, that decode before the first step
 * @param decoding images a second that a core decodes and resizes, once for each image
 * @param step images a second that a core augments and normalizes for a step, without reading them; infinite to leave them out
 */
public record Feed(int cores, int decoders, double decoding, double step) {
    /** Leaves images out. */
    static final Feed NONE = new Feed(1, 1, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);

    private static final int MOST_CORES = 10_000;

    public Feed {
        Checks.require(
                cores >= 1 && cores <= MOST_CORES, "--cores", "in [1, " + MOST_CORES + "] for one executor", cores);
    }
}
