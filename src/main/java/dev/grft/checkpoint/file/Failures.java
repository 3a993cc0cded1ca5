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
final class Failures {
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
}
