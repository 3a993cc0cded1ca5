package dev.grft.vit;

/** What of the tokens behind the last block the head reads, D numbers where not said otherwise. */
public enum Pooling {
    /** The class token, normalized. */
    CLASS_TOKEN,

    /** The mean of the patch tokens, each normalized before. */
    MEAN,

    /** The mean of the patch tokens, normalized after; timm calls that norm {@code fc_norm}. */
    MEAN_THEN_NORM,

    /** The class token, then the mean of the patch tokens, each normalized before: 2 D numbers. */
    CLASS_TOKEN_AND_MEAN;

    /** Returns whether it reads the class token and nothing else. */
    public boolean classTokenOnly() {
        return this == CLASS_TOKEN;
    }

    /** Returns timm's name of the last norm. */
    String norm() {
        return this == MEAN_THEN_NORM ? "fc_norm" : "norm";
    }
}
