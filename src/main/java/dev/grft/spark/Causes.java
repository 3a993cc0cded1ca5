package dev.grft.spark;

import dev.grft.UserError;
import java.util.function.Supplier;

/** Finds the user's mistake in what a failed Spark job reports. */
final class Causes {
    private Causes() {}

    /** Returns what a job returns; throws the user's mistake itself if a task has found one. */
    static <T> T unwrapped(Supplier<T> job) {
        try {
            return job.get();
        } catch (UserError e) {
            throw e;
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            throw rethrown(e);
        }
    }

    /**
     * Returns an exception to throw for a failed job: a {@link UserError} if a task has thrown one, whose message Spark
     * carries in its own as text.
     */
    static RuntimeException rethrown(Exception failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof UserError error) {
                return error;
            }
            String message = cause.getMessage();
            String mark = UserError.class.getName() + ": ";
            int at = message == null ? -1 : message.indexOf(mark);
            if (message != null && at >= 0) {
                int end = message.indexOf("\n\tat ", at);
                return new UserError(message.substring(at + mark.length(), end < 0 ? message.length() : end), failure);
            }
        }
        return failure instanceof RuntimeException runtime ? runtime : new IllegalStateException(failure);
    }
}
