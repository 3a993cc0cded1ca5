package dev.grft.spark.images;

import dev.grft.UserError;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * What lies at a path or pattern, and how files are listed.
 *
 * @param path as it was given, for messages
 * @param root the folder that names are relative to: the path itself, or where a file or pattern lies
 * @param pattern whether the path is one, such as {@code data/train-*.parquet}
 * @param children the files that were found, and what the folders that were found hold directly
 */
record Found(String path, Path root, boolean pattern, List<FileStatus> children) {

    /**
     * Returns what lies at a path.
     *
     * @throws UserError if there is nothing, or it cannot be listed
     */
    static Found at(Configuration hadoop, String path) {
        try {
            Path given = new Path(path);
            FileSystem files = given.getFileSystem(hadoop);
            Path root = files.makeQualified(given);
            List<FileStatus> found = matching(files, root);
            if (found.isEmpty()) {
                throw new UserError(path + ": there is no such file or folder (looked for " + root + ")");
            }
            boolean pattern = isPattern(root);
            FileStatus first = found.get(0);
            while (isPattern(root) || (!pattern && first.isFile() && root.equals(first.getPath()))) {
                root = root.getParent();
            }
            List<FileStatus> children = new ArrayList<>();
            for (FileStatus each : found) {
                children.addAll(children(files, each));
            }
            return new Found(path, root, pattern, children);
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be read (" + e.getMessage() + ")", e);
        }
    }

    /** Returns the files and folders that a path or pattern names; none if there is nothing. */
    static List<FileStatus> matching(FileSystem files, Path path) throws IOException {
        FileStatus[] found = files.globStatus(path);
        return found == null ? List.of() : List.of(found);
    }

    /** Returns what a folder holds directly; of a file, the file itself. */
    private static List<FileStatus> children(FileSystem files, FileStatus of) throws IOException {
        return of.isFile() ? List.of(of) : List.of(files.listStatus(of.getPath()));
    }

    /** Returns what a folder holds directly; nothing if there is no such folder. */
    static List<FileStatus> childrenIfAny(FileSystem files, Path folder) throws IOException {
        try {
            return List.of(files.listStatus(folder));
        } catch (FileNotFoundException e) {
            return List.of();
        }
    }

    /**
     * Hands over each file at any depth. {@code listFiles} lists an object store with one request for all folders, but on
     * a local disk it starts the program {@code ls} for every single file, to learn its owner.
     */
    static void eachFile(FileSystem files, FileStatus at, Consumer<FileStatus> use) throws IOException {
        if (at.isFile()) {
            use.accept(at);
        } else if (files.getUri().getScheme().equals("file")) {
            for (FileStatus below : children(files, at)) {
                eachFile(files, below, use);
            }
        } else {
            RemoteIterator<LocatedFileStatus> below = files.listFiles(at.getPath(), true);
            while (below.hasNext()) {
                use.accept(below.next());
            }
        }
    }

    /** Returns a file's path below a folder, or its whole path if it does not lie there. */
    static String relative(Path folder, Path file) {
        String root = folder.toUri().getPath();
        String start = root.endsWith("/") ? root : root + "/";
        String path = file.toUri().getPath();
        return path.startsWith(start) ? path.substring(start.length()) : path;
    }

    private static boolean isPattern(Path path) {
        return path.toUri().getPath().matches(".*[*?\\[{].*");
    }

    /** Returns the files with such an ending that were found, or lie directly in what was found; in order. */
    List<Path> ending(String suffix) {
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
