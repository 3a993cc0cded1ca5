package dev.grft.spark.cluster;

/** The cluster is gone, or gave nothing to work with: neither the user's mistake nor the program's. The process ends with 4. */
public final class LostCluster extends RuntimeException {
    private static final long serialVersionUID = 1L;

    LostCluster(String message, Throwable cause) {
        super(message, cause);
    }
}
