package dev.grft;

/**
 * A mistake that the user can mend: bad configuration, unreadable or hostile input, artifacts that do not belong together.
 *
 * <p>The message names the place, what was found, what was expected and the remedy. The process ends with exit code 2.
 */
public class UserError extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Returns an error with the formatted message, in the manner of {@link String#format}. */
    public static UserError of(String message, Object... arguments) {
        return new UserError(
                arguments.length == 0 ? message : String.format(java.util.Locale.ROOT, message, arguments));
    }

    public UserError(String message) {
        super(message);
    }

    public UserError(String message, Throwable cause) {
        super(message, cause);
    }
}
