package dev.grft.spark.cluster;

import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Closes several things, so that none stays open because another one fails. */
public final class Closing {
    private Closing() {}

    /** Closes each of the parts, in order, see {@link #all(Collection)}. */
    public static void all(AutoCloseable... parts) {
        all(List.of(parts));
    }

    /**
     * Closes each of the parts, in order, and then throws the first failure, with the others suppressed. A checked exception comes as the
     * cause of an {@link IllegalStateException}.
     */
    public static void all(Collection<? extends AutoCloseable> parts) {
        Throwable first = null;
        for (AutoCloseable part : parts) {
            try {
                part.close();
            } catch (Exception | Error e) {
                first = first(first, e);
            }
        }
        if (first instanceof Error error) {
            throw error;
        }
        if (first instanceof RuntimeException e) {
            throw e;
        }
        if (first != null) {
            throw new IllegalStateException(first);
        }
    }

    private static Throwable first(@Nullable Throwable first, Throwable next) {
        if (first == null) {
            return next;
        }
        if (first != next) {
            first.addSuppressed(next);
        }
        return first;
    }
}
