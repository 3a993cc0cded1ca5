package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.PassedOver;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.jspecify.annotations.Nullable;

/**
 * The files at a path or pattern, at any depth. Every folder is listed once, when this is made. A file takes about 120 bytes: what
 * readers need of it, not what its file system says.
 */
final class Found {
    /** Why a link to a folder is not followed. */
    static final String AGAIN = "links to folders that are read already";

    /** Why a link is not followed. */
    static final String NOWHERE = "links to nothing";

    private static final String SUCCESS = "_SUCCESS"; // what Spark leaves in a folder that it has written

    private static final String NO_FILES = "neither files nor folders";
    private static final int THREADS = 16; // that list folders of a file system elsewhere

    /**
     * A file.
     *
     * @param name its path below the root
     * @param size in bytes
     * @param time of its last change, in milliseconds
     * @param direct whether it was named itself, or lies directly in a folder that was
     */
    record Entry(String name, long size, long time, boolean direct) {
        String fileName() {
            return name.substring(name.lastIndexOf('/') + 1);
        }
    }

    private final String path;
    private final Path place;
    private final Path root;
    private final boolean pattern;
    private final List<Entry> entries = Collections.synchronizedList(new ArrayList<>()); // by name
    private final SortedSet<String> folders = new TreeSet<>();
    private final Map<String, Long> passed = new TreeMap<>(); // found, but not read; by reason
    private boolean chosen; // only some of the files are read

    private Found(String path, Path place, Path root, boolean pattern) {
        this.path = path;
        this.place = place;
        this.root = root;
        this.pattern = pattern;
    }

    /**
     * Returns what lies at a path.
     *
     * @param key of the configuration that names it, for messages; null if none does
     * @throws UserError if there is nothing, or it cannot be listed
     */
    static Found at(Configuration hadoop, String path, @Nullable String key) {
        try {
            Path given = new Path(path);
            FileSystem files = Storage.files(hadoop, given);
            Path at = files.makeQualified(given);
            List<FileStatus> matched = matching(files, at);
            if (matched.isEmpty()) {
                throw new UserError(
                        path + ": there is no such file or folder (" + (key == null ? "looked for " + at : key) + ")");
            }
            boolean literal = matched.size() == 1 && matched.get(0).getPath().equals(at);
            Path root = at;
            while (!literal && isPattern(root)) {
                root = root.getParent();
            }
            if (literal && matched.get(0).isFile()) {
                root = root.getParent();
            }
            Found found = new Found(path, literal ? at : root, root, !literal);
            for (FileStatus each : matched) {
                found.add(files, each);
            }
            found.entries.removeIf(
                    file -> OwnNames.isFile(file.name) || file.fileName().equals(SUCCESS));
            found.folders.removeIf(OwnNames::isFolder);
            found.entries.sort(Comparator.comparing(Entry::name));
            return found;
        } catch (IOException | IllegalArgumentException e) {
            String why = e instanceof AccessDeniedException ? "no permission for " + e.getMessage() : e.getMessage();
            throw Failures.unlessAway(
                    path,
                    e,
                    new UserError(
                            path
                                    + (key == null
                                            ? ": cannot be read (" + why + "); check the path and its permissions"
                                            : ": cannot be listed (" + why + "); is " + key + " right?"),
                            e));
        }
    }

    /** Returns the files and folders that a path or pattern names. What looks like a pattern is a name if that is there. */
    private static List<FileStatus> matching(FileSystem files, Path path) throws IOException {
        try {
            return List.of(files.getFileStatus(path));
        } catch (FileNotFoundException e) {
            FileStatus[] found = isPattern(path) ? files.globStatus(path) : null;
            return found == null ? List.of() : List.of(found);
        }
    }

    private static boolean isPattern(Path path) {
        return path.toUri().getPath().matches(".*[*?\\[{].*");
    }

    private void add(FileSystem files, FileStatus at) throws IOException {
        if (at.isFile()) {
            add(at, true);
        } else if (isLocal(files)) {
            new Walk(java.nio.file.Path.of(at.getPath().toUri().getPath())).walk();
        } else if (listsAtOnce(files)) {
            RemoteIterator<? extends FileStatus> below = files.listFiles(at.getPath(), true);
            while (below.hasNext()) {
                FileStatus file = below.next();
                String name = relative(at.getPath(), file.getPath());
                int end = name.indexOf('/');
                if (end > 0) {
                    folders.add(name.substring(0, end));
                }
                add(file, end < 0);
            }
        } else {
            walk(files, at.getPath());
        }
    }

    private void add(FileStatus file, boolean direct) {
        entries.add(new Entry(relative(root, file.getPath()), file.getLen(), file.getModificationTime(), direct));
    }

    /** Returns whether a file system is this machine's; Hadoop would look a dozen times at each of its files. */
    static boolean isLocal(FileSystem files) {
        return files.getClass() == LocalFileSystem.class;
    }

    /** Returns whether a file system has a way of its own to list all that is below a folder, as object stores do. */
    private static boolean listsAtOnce(FileSystem files) {
        try {
            return files.getClass()
                            .getMethod("listFiles", Path.class, boolean.class)
                            .getDeclaringClass()
                    != FileSystem.class;
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Lists a folder and all folders below it, those of the same depth at a time. */
    private void walk(FileSystem files, Path top) throws IOException {
        List<Path> level = List.of(top);
        while (!level.isEmpty()) {
            boolean first = level.get(0).equals(top);
            List<Path> next = new ArrayList<>();
            inParallel(level, folder -> listed(files, folder, first)).forEach(next::addAll);
            if (first) {
                next.forEach(folder -> folders.add(folder.getName()));
            }
            level = next;
        }
    }

    /** What is done with a folder. */
    interface OfFolder<T> {
        T of(Path folder) throws IOException;
    }

    /** Does something with each folder, with many at a time, for a file system elsewhere answers slowly; returns the results in order. */
    static <T> List<T> inParallel(Collection<Path> folders, OfFolder<T> something) throws IOException {
        ExecutorService threads = Executors.newFixedThreadPool(Math.min(THREADS, folders.size()));
        try {
            List<Callable<T>> calls = new ArrayList<>();
            folders.forEach(folder -> calls.add(() -> something.of(folder)));
            List<T> results = new ArrayList<>();
            for (Future<T> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        } finally {
            threads.shutdownNow();
        }
    }

    /** Adds the files of a folder, and returns the folders in it. */
    private List<Path> listed(FileSystem files, Path folder, boolean direct) throws IOException {
        List<Path> below = new ArrayList<>();
        RemoteIterator<FileStatus> all = files.listStatusIterator(folder);
        while (all.hasNext()) {
            FileStatus each = all.next();
            if (each.isDirectory()) {
                below.add(each.getPath());
            } else {
                add(each, direct);
            }
        }
        return below;
    }

    /** Goes through a folder of a local disk: every real folder once, however many links lead to it. */
    private final class Walk {
        private final java.nio.file.Path start;
        private final java.nio.file.Path real;
        private final Set<java.nio.file.Path> seen = new HashSet<>();
        private final Deque<java.nio.file.Path> links = new ArrayDeque<>();

        Walk(java.nio.file.Path start) throws IOException {
            this.start = start;
            this.real = start.toRealPath();
        }

        /** Folders come before links to them. */
        void walk() throws IOException {
            folder(start);
            while (!links.isEmpty()) {
                java.nio.file.Path link = links.remove();
                if (real.startsWith(link.toRealPath())) { // leads out, to where it comes from
                    passOver(AGAIN);
                } else {
                    folder(link);
                }
            }
        }

        private void folder(java.nio.file.Path at) throws IOException {
            if (!seen.add(at.toRealPath())) {
                passOver(AGAIN);
                return;
            }
            List<java.nio.file.Path> below = new ArrayList<>();
            try (DirectoryStream<java.nio.file.Path> children = Files.newDirectoryStream(at)) {
                for (java.nio.file.Path child : children) {
                    child(child, at.equals(start), below);
                }
            } catch (DirectoryIteratorException e) {
                throw e.getCause();
            }
            Collections.sort(below);
            for (java.nio.file.Path each : below) {
                folder(each);
            }
        }

        private void child(java.nio.file.Path child, boolean direct, List<java.nio.file.Path> below)
                throws IOException {
            String name = child.getFileName().toString();
            requireKnown(child, name);
            if (name.startsWith(".") && name.endsWith(".crc")) {
                return; // Hadoop's checksums, which it does not list either
            }
            BasicFileAttributes is;
            boolean link = false;
            try {
                is = Files.readAttributes(child, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
                link = is.isSymbolicLink();
                is = link ? Files.readAttributes(child, BasicFileAttributes.class) : is;
            } catch (FileSystemException e) {
                if (link) {
                    passOver(NOWHERE);
                }
                return; // else it has gone just now
            }
            if (is.isDirectory()) {
                (link ? links : below).add(child);
                if (direct) {
                    folders.add(name);
                }
            } else if (is.isRegularFile()) {
                entries.add(new Entry(
                        relative(root.toUri().getPath(), child.toString()),
                        is.size(),
                        is.lastModifiedTime().toMillis(),
                        direct));
            } else {
                passOver(NO_FILES);
            }
        }
    }

    private static void requireKnown(java.nio.file.Path file, String name) {
        if (name.indexOf('\uFFFD') >= 0 && !isKnown(file, name)) {
            String encoding = System.getProperty("sun.jnu.encoding");
            throw new UserError(file.getParent() + ": has the name " + name
                    + ("UTF-8".equals(encoding)
                            ? ", which is not in UTF-8; rename the file"
                            : ", which the locale of this process cannot read (" + encoding
                                    + "); set LC_ALL=C.UTF-8, also for executors"));
        }
    }

    /** Returns whether a name is what it seems: the sign that stands for what cannot be read may be in a name, too. */
    private static boolean isKnown(java.nio.file.Path file, String name) {
        try {
            return file.resolveSibling(name).equals(file);
        } catch (InvalidPathException e) {
            return false;
        }
    }

    private void passOver(String reason) {
        passed.merge(reason, 1L, Long::sum);
    }

    /** Returns the path, as it was given. */
    String path() {
        return path;
    }

    /** Returns paths for readers to which they may be patterns: names as such; after {@link #choose} those of the files. */
    List<String> globs() {
        return chosen
                ? read().stream().map(file -> literal(file(file).toString())).toList()
                : List.of(pattern ? path : literal(path));
    }

    private static String literal(String name) {
        return name.replaceAll("[*?\\[\\]{}\\\\]", "\\\\$0");
    }

    /** Returns whether {@link #globs} are files, and {@link #root} is the folder that was given. */
    boolean chosenInFolder() {
        return chosen && !pattern;
    }

    /** Passes over the files that do not pass a test, for a reason. */
    void choose(Predicate<Entry> taken, String reason) {
        chosen = true;
        int before = entries.size();
        entries.removeIf(file -> !isHiddenBelow(file.name) && !taken.test(file));
        if (entries.size() < before) {
            passed.merge(reason, (long) before - entries.size(), Long::sum);
        }
    }

    /** Returns whether there are folders {@code column=value}, as Spark writes them. */
    boolean isPartitioned() {
        return folders.stream().anyMatch(name -> name.contains("="));
    }

    /** Returns the files that readers of tables take, by name: of folders below only those of a partitioned one, as Spark does. */
    List<Entry> read() {
        boolean partitioned = isPartitioned();
        return visible().stream().filter(file -> partitioned || file.direct).toList();
    }

    /** Returns the files of that name, also if it is a hidden one, in the folders of the files that are {@linkplain #read read}. */
    List<Entry> called(String name) {
        boolean partitioned = isPartitioned();
        return entries.stream()
                .filter(file -> partitioned || file.direct)
                .filter(file -> file.fileName().equals(name))
                .filter(file -> !isHiddenBelow(file.name.substring(0, file.name.length() - name.length())))
                .toList();
    }

    /** Returns the folder that names are relative to, qualified: the path itself, or where a file or pattern lies. */
    Path root() {
        return root;
    }

    /** Returns the file or folder, or the folder that holds what a pattern names, qualified. */
    Path place() {
        return place;
    }

    /** Returns whether the path is a pattern, such as {@code data/train-*.parquet}. */
    boolean pattern() {
        return pattern;
    }

    /** Returns where a file lies. */
    Path file(Entry entry) {
        return ImageList.below(root, entry.name);
    }

    /** Returns whether readers pass over a file or folder of that name, as Spark does. */
    static boolean isHidden(String name) {
        return name.startsWith(".") || (name.startsWith("_") && !name.contains("="));
    }

    /** Returns whether a path below the root, or any folder on the way to it, is hidden. */
    private static boolean isHiddenBelow(String relative) {
        return Arrays.stream(relative.split("/")).anyMatch(Found::isHidden);
    }

    /** Returns the files that are not hidden, by name. */
    List<Entry> visible() {
        return entries.stream().filter(file -> !isHiddenBelow(file.name)).toList();
    }

    /**
     * Returns the files that a reader takes, by name.
     *
     * @param without gets all others, by ending
     */
    List<Entry> files(Predicate<Entry> taken, PassedOver without) {
        List<Entry> all = new ArrayList<>();
        for (Entry file : entries) {
            if (isHiddenBelow(file.name)) {
                without.add("in names that begin with . or _", 1);
            } else if (taken.test(file)) {
                all.add(file);
            } else {
                without.add(ImageEndings.reason(file.fileName()), 1);
            }
        }
        passed.forEach(without::add);
        return all;
    }

    /** Returns a file's path below a folder, or its whole path if it does not lie there. */
    static String relative(Path folder, Path file) {
        return relative(folder.toUri().getPath(), file.toUri().getPath());
    }

    private static String relative(String folder, String file) {
        String start = folder.endsWith("/") ? folder : folder + "/";
        return file.startsWith(start) ? file.substring(start.length()) : file;
    }

    /** Returns the files with such an ending that were named, or lie directly in a folder that was; by name. */
    List<Entry> ending(String suffix) {
        return entries.stream()
                .filter(Entry::direct)
                .filter(file -> !isHidden(file.fileName()))
                .filter(file -> file.name.toLowerCase(Locale.ROOT).endsWith(suffix))
                .toList();
    }

    /** Returns the names of the folders directly in it, hidden ones too; in order. */
    SortedSet<String> folders() {
        return folders;
    }
}
