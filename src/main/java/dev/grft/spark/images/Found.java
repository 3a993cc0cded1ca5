package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.PassedOver;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
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
 * @param matched the files and folders that the path or pattern names
 * @param children the files that were found, and what the folders that were found hold directly
 */
record Found(String path, Path root, boolean pattern, List<FileStatus> matched, List<FileStatus> children) {
    /** Why a link to a folder is not followed. */
    static final String AGAIN = "links to folders that are read already";

    /** Why a link is not followed. */
    static final String NOWHERE = "links to nothing";

    /** What is done with each file, and with the path and reason of what is passed over. */
    interface Visitor {
        void file(FileStatus file);

        void passedOver(Path path, String reason);
    }

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
            return new Found(path, root, pattern, found, children);
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
    static void eachFile(FileSystem files, FileStatus at, Visitor visitor) throws IOException {
        if (at.isFile()) {
            visitor.file(at);
        } else if (isLocal(files)) {
            new Walk(files, at, visitor).walk();
        } else {
            RemoteIterator<LocatedFileStatus> below = files.listFiles(at.getPath(), true);
            while (below.hasNext()) {
                visitor.file(below.next());
            }
        }
    }

    static boolean isLocal(FileSystem files) {
        return files.getUri().getScheme().equals("file");
    }

    /** Goes through a folder of a local disk: every real folder once, however many links lead to it. */
    private static final class Walk {
        private final FileSystem files;
        private final FileStatus start;
        private final java.nio.file.Path real;
        private final Visitor visitor;
        private final Set<java.nio.file.Path> seen = new HashSet<>();
        private final Deque<FileStatus> links = new ArrayDeque<>();

        Walk(FileSystem files, FileStatus start, Visitor visitor) throws IOException {
            this.files = files;
            this.start = start;
            this.real = local(start).toRealPath();
            this.visitor = visitor;
        }

        /** Folders come before links to them. */
        void walk() throws IOException {
            folder(start);
            while (!links.isEmpty()) {
                FileStatus link = links.remove();
                if (real.startsWith(local(link).toRealPath())) { // leads out, to where it comes from
                    visitor.passedOver(link.getPath(), AGAIN);
                } else {
                    folder(link);
                }
            }
        }

        private void folder(FileStatus at) throws IOException {
            if (!seen.add(local(at).toRealPath())) {
                visitor.passedOver(at.getPath(), AGAIN);
                return;
            }
            List<FileStatus> children = new ArrayList<>(children(files, at));
            children.sort(Comparator.comparing(FileStatus::getPath));
            noteLost(at, children);
            for (FileStatus child : children) {
                if (child.isFile()) {
                    visitor.file(child);
                } else if (Files.isSymbolicLink(local(child))) {
                    links.add(child);
                } else {
                    folder(child);
                }
            }
        }

        /** Hadoop leaves out what it cannot open: links to nothing, and names that the locale does not know. */
        private void noteLost(FileStatus at, List<FileStatus> children) {
            String[] all = local(at).toFile().list();
            if (all == null || all.length <= children.size()) {
                return;
            }
            Set<String> known = new HashSet<>();
            children.forEach(child -> known.add(child.getPath().getName()));
            for (String name : all) {
                if (known.contains(name)) {
                    continue;
                }
                if (name.indexOf('\uFFFD') >= 0) {
                    throw new UserError(at.getPath().toUri().getPath() + ": has the name " + name
                            + ", which the locale of this process cannot read ("
                            + System.getProperty("sun.jnu.encoding") + "); set LC_ALL=C.UTF-8, also for executors");
                }
                java.nio.file.Path lost = local(at).resolve(name);
                if (Files.isSymbolicLink(lost)) {
                    visitor.passedOver(ImageList.below(at.getPath(), name), NOWHERE);
                }
            }
        }

        private static java.nio.file.Path local(FileStatus of) {
            return java.nio.file.Path.of(of.getPath().toUri().getPath());
        }
    }

    /** Returns whether readers pass over a file or folder of that name, as Spark does. */
    static boolean isHidden(String name) {
        return name.startsWith(".") || (name.startsWith("_") && !name.contains("="));
    }

    /** Returns whether a path below the root, or any folder on the way to it, is hidden. */
    static boolean isHiddenBelow(String relative) {
        return Arrays.stream(relative.split("/")).anyMatch(Found::isHidden);
    }

    /**
     * Returns the files at any depth that a reader takes.
     *
     * @param taken whether it takes a file, by its path below the root
     * @param passed gets all others, by ending
     * @throws UserError if a folder cannot be listed
     */
    List<FileStatus> files(Configuration hadoop, Predicate<FileStatus> taken, PassedOver passed) {
        List<FileStatus> all = new ArrayList<>();
        Visitor visitor = new Visitor() {
            @Override
            public void file(FileStatus file) {
                if (isHiddenBelow(relative(root, file.getPath()))) {
                    passed.add("in names that begin with . or _", 1);
                } else if (taken.test(file)) {
                    all.add(file);
                } else {
                    passed.add(ImageEndings.reason(file.getPath().getName()), 1);
                }
            }

            @Override
            public void passedOver(Path path, String reason) {
                passed.add(reason, 1);
            }
        };
        try {
            FileSystem files = root.getFileSystem(hadoop);
            for (FileStatus each : matched) {
                eachFile(files, each, visitor);
            }
            return all;
        } catch (IOException e) {
            throw new UserError(path + ": cannot be listed (" + e.getMessage() + ")", e);
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
                .filter(file -> !isHidden(file.getName()))
                .filter(file -> file.getName().toLowerCase(Locale.ROOT).endsWith(suffix))
                .sorted()
                .toList();
    }

    /** Returns the names of the folders directly in it, hidden ones too; in order. */
    List<String> folders() {
        return children.stream()
                .filter(FileStatus::isDirectory)
                .map(child -> child.getPath().getName())
                .sorted()
                .toList();
    }

    /** Returns whether there are folders {@code column=value}, as Spark writes them. */
    boolean isPartitioned() {
        return folders().stream().anyMatch(name -> name.contains("="));
    }

    /**
     * Returns how the images are stored where the format is {@link ImageFormat#AUTO} and no list: of what files there are more,
     * images in folders or tars or Parquet.
     */
    ImageFormat stored(Configuration hadoop) {
        int tars = ending(TarSource.SUFFIX).size();
        int tables = ending(RowSource.SUFFIX).size();
        boolean classes = folders().stream().anyMatch(name -> !isHidden(name));
        if (!classes) {
            return tars > 0 ? ImageFormat.WEBDATASET : tables > 0 ? ImageFormat.PARQUET : ImageFormat.FOLDER;
        }
        if (tars + tables == 0 && !isPartitioned()) {
            return ImageFormat.FOLDER;
        }
        List<FileStatus> all = files(hadoop, file -> true, new PassedOver());
        long images = all.stream()
                .filter(file -> ImageEndings.isImage(file.getPath().getName()))
                .count();
        long parquet = all.stream()
                .filter(file -> file.getPath().getName().endsWith(RowSource.SUFFIX))
                .count();
        if (images > 0 && images >= Math.max(tars, isPartitioned() ? parquet : tables)) {
            return ImageFormat.FOLDER;
        }
        return tars > 0 ? ImageFormat.WEBDATASET : ImageFormat.PARQUET;
    }
}
