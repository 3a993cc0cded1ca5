package dev.grft;

/** Adds to a weight what a method has trained beside it: the merged model has the form of the pretrained one. */
public sealed interface Mergeable permits Entries, LowRank {
    /** Returns the timm name of the weight. */
    String matrix();

    /** Returns the shape of the weight. */
    MatrixShape shape();

    /** Merges into the weight {@code [out, in]} row-major, in place. */
    void mergeInto(float[] weight);
}
