package dev.grft.spark.images;

import dev.grft.UserError;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * What lies at a path or pattern.
 *
 * @param path as it was given, for messages
 * @param root the folder that names are relative to: the path itself, or where a file or pattern lies
 * @param pattern whether the path is one, such as {@code data/train-*.parquet}
 * @param files what was found, files and folders, one or more
 * @param children what the folders among them hold, and the files themselves
 */
public record Found(String path, Path root, boolean pattern, List<FileStatus> files, List<FileStatus> children) {

    /**
     * Returns what lies at a path.
     *
     * @throws UserError if there is nothing, or it cannot be listed
     */
    public static Found at(Configuration hadoop, String path) {
        try {
            Path given = new Path(path);
            FileSystem files = given.getFileSystem(hadoop);
            Path root = files.makeQualified(given);
            FileStatus[] found = files.globStatus(root);
            if (found == null || found.length == 0) {
                throw new UserError(path + ": there is no such file or folder (looked for " + root + ")");
            }
            boolean pattern = isPattern(root);
            while (isPattern(root) || (!pattern && found[0].isFile() && root.equals(found[0].getPath()))) {
                root = root.getParent();
            }
            List<FileStatus> children = new ArrayList<>();
            for (FileStatus each : found) {
                children.addAll(each.isFile() ? List.of(each) : Arrays.asList(files.listStatus(each.getPath())));
            }
            return new Found(path, root, pattern, List.of(found), children);
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be read (" + e.getMessage() + ")", e);
        }
    }

    private static boolean isPattern(Path path) {
        return path.toUri().getPath().matches(".*[*?\\[{].*");
    }

    /** Returns the files with such an ending that were found, or lie directly in what was found; in order. */
    public List<Path> ending(String suffix) {
        return children.stream()
                .filter(FileStatus::isFile)
                .map(FileStatus::getPath)
                .filter(file ->
                        !file.getName().startsWith(".") && !file.getName().startsWith("_"))
                .filter(file -> file.getName().toLowerCase(Locale.ROOT).endsWith(suffix))
                .sorted()
                .toList();
    }

    /** Returns whether there are folders {@code column=value}, as Spark writes them. */
    boolean isPartitioned() {
        return children.stream()
                .anyMatch(child ->
                        child.isDirectory() && child.getPath().getName().contains("="));
    }
}
