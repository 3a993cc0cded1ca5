package dev.grft.checkpoint.file;

import dev.grft.UserError;
import java.io.UncheckedIOException;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The names of what the program keeps for a while beside a file or folder that it writes: a beginning, followed by that one's name. They
 * begin with a dot, so readers pass over them.
 */
public final class OwnNames {
    /** A file: the lease of a folder. */
    public static final String LEASE = "._lease-";

    /** A file: what the files of a folder are called that is written for the first time. */
    public static final String FIRST = "._first-";

    /** A folder that is not complete; before a UUID, a file. */
    public static final String TEMPORARY = "._tmp-";

    /** A folder that is being replaced. */
    public static final String ASIDE = "._old-";

    private static final Logger LOG = LoggerFactory.getLogger(OwnNames.class);
    private static final String UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    private static final Pattern UNFINISHED = Pattern.compile("\\._tmp-" + UUID + "-(?!old-)(.+)");
    private static final String FOLDERS = "\\._(?:tmp|old)-[^/]*";
    private static final Pattern FOLDER = Pattern.compile(FOLDERS);
    private static final Pattern FILE =
            Pattern.compile("(?:.*/)?(?:" + FOLDERS + "/.*|\\._(?:lease|first)-[^/]*|\\._tmp-" + UUID + "-[^/]*)");

    private OwnNames() {}

    /** Returns whether a file is of this program, or lies in such a folder. The files that macOS keeps beside others are not. */
    public static boolean isFile(String path) {
        return path.contains("._") && FILE.matcher(path).matches();
    }

    /**
     * Deletes the temporary files that a killed process has left in a directory while it wrote files of such names, as far as that is possible.
     * Nobody else may be writing some.
     */
    public static void deleteUnfinished(Storage storage, Path directory, Predicate<String> names) {
        try {
            storage.statuses(directory, name -> {
                        Matcher unfinished = UNFINISHED.matcher(name);
                        return unfinished.matches() && names.test(unfinished.group(1));
                    })
                    .forEach(file -> storage.delete(file.getPath()));
        } catch (UserError | UncheckedIOException e) {
            LOG.info("what a killed process has left in {} stays: {}", directory, e.toString());
        }
    }

    /** Returns whether a folder of this name is of this program. */
    public static boolean isFolder(String name) {
        return FOLDER.matcher(name).matches();
    }
}
