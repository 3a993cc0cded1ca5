package dev.grft.spark.run;

import dev.grft.UserError;

/** Another driver is at work in the run directory, or may be. Later the same command finds its work done. The process ends with 4. */
public final class InUse extends UserError {
    private static final long serialVersionUID = 1L;

    /** Returns one with the message. */
    public InUse(String message) {
        super(message);
    }

    InUse(String message, Throwable cause) {
        super(message, cause);
    }
}
