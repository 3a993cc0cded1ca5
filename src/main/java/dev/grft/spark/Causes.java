package dev.grft.spark;

import dev.grft.UserError;

/** Finds the user's mistake in what a failed Spark job reports. */
final class Causes {
    private Causes() {}

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
