package dev.grft.spark.cluster;

/** The application was asked to stop before its work was done. What it has made is kept; run the same command again to resume. */
public final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public Stopped(String message, Throwable cause) {
        super(message, cause);
    }
}
