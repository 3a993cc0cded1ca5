package dev.grft.checkpoint.file;

import dev.grft.UserError;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.ParentNotDirectoryException;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.AccessControlException;

/** What a failure of a file system means to the user. */
public final class Failures {
    /** What Hadoop and Java say of HDFS and object stores that do not answer. */
    public static final String AWAY = "Connection refused|UnknownHostException"
            + "|SafeModeException|End of File Exception between local host|failed on socket timeout exception"
            + "|Failed on local exception|No Route to Host|All datanodes .* are bad"
            + "|java\\.net\\.\\w*(?:Timeout|Connect|Socket|NoRouteToHost)\\w*Exception|Connection reset"
            + "|Unable to execute HTTP request|NoHttpResponseException";

    private static final Pattern LOST = Pattern.compile(AWAY);
    private static final Pattern FULL = Pattern.compile("No space left on device|(?i:quota\\b.* exceeded)");

    private Failures() {}

    /**
     * Returns a {@link UserError} if the user can mend the failure, else an {@link UncheckedIOException}.
     *
     * @param what could not be done with the path: "read", "written", …
     */
    static RuntimeException of(Path path, String what, IOException e) {
        String reason = String.valueOf(e.getMessage());
        if (e instanceof AccessControlException
                || e instanceof AccessDeniedException
                || reason.contains("Permission denied")) {
            return new UserError(path + ": cannot be " + what + ", access is denied; check its owner and rights", e);
        }
        if (what.equals("written") && FULL.matcher(reason).find()) {
            return new UserError(path + ": cannot be written: " + reason + "; make room, or choose another path", e);
        }
        if (what.equals("written")
                && (e instanceof FileNotFoundException
                        || reason.contains("Mkdirs failed")
                        || reason.contains("Read-only file system"))) {
            return new UserError(path + ": cannot be written: " + reason + "; check the directory and its rights", e);
        }
        if (what.equals("written")
                && (e instanceof ParentNotDirectoryException || e instanceof FileAlreadyExistsException)) {
            return new UserError(path + ": cannot be written: its directory is a file; choose another path", e);
        }
        if (e instanceof FileNotFoundException) {
            return new UserError(path + ": no such file; check the path", e);
        }
        return new UncheckedIOException(path + ": cannot be " + what, e);
    }

    /** Returns whether a failure is that a file system does not answer, which passes. */
    public static boolean isAway(Throwable failure) {
        return matches(LOST, failure);
    }

    /** Returns whether a failure or one of its causes says something. */
    public static boolean matches(Pattern pattern, Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (pattern.matcher(String.valueOf(cause)).find()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Returns {@code mistake}, unless the file system did not answer: then an {@link UncheckedIOException} with the failure, since the same
     * command succeeds later.
     */
    public static RuntimeException unlessAway(String place, Exception failure, UserError mistake) {
        return failure instanceof IllegalArgumentException || !isAway(failure)
                ? mistake
                : new UncheckedIOException(
                        place + ": cannot be read", failure instanceof IOException io ? io : new IOException(failure));
    }
}
