package dev.grft.vit.kernels;

/** The choice between the two ways of {@link Kernels#addSquaredGradients}. */
final class GhostNorm {
    private GhostNorm() {}

    /** Returns whether forming the gradient of one example costs more multiplications than the ghost-norm identity. */
    static boolean isCheaper(long tokens, long out, long in) {
        return 2 * tokens * tokens * (out + in) < tokens * out * in + 2 * out * in;
    }
}
