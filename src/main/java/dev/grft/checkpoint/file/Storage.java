package dev.grft.checkpoint.file;

import dev.grft.UserError;
import dev.grft.data.Sha256;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathIOException;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.apache.hadoop.util.VersionInfo;

/**
 * The files of a run, on whatever file system their paths name. A file is there whole or not at all: it is written
 * under a temporary name that begins with {@code ._tmp-} in the same directory, and renamed; in an object store, whose files
 * appear when they are closed, under its own.
 *
 * <p>A missing or forbidden path is a {@link UserError} that names it; any other failure of the file system an
 * {@link UncheckedIOException}.
 */
public final class Storage {
    private final Configuration hadoop;
    private final Runnable beforeChange;

    /** Returns the storage that this configuration of Hadoop reaches. */
    public Storage(Configuration hadoop) {
        this(hadoop, () -> {});
    }

    /**
     * Returns the same storage.
     *
     * @param beforeChange runs before a file is written, moved or deleted, and throws if that must not be
     */
    public Storage(Configuration hadoop, Runnable beforeChange) {
        this.hadoop = hadoop;
        this.beforeChange = beforeChange;
    }

    /** Writes a file's bytes to a stream that the caller closes. */
    @FunctionalInterface
    public interface Writing {
        /** Writes everything to {@code out}. */
        void to(OutputStream out) throws IOException;
    }

    /** Makes a value from a file's bytes. */
    @FunctionalInterface
    interface Reading<T> {
        T from(InputStream in) throws IOException;
    }

    /**
     * Writes a file, and its directory if it is missing. A file that is already there is replaced once the new one is
     * complete; on any failure the old one stays and nothing new is left behind. No checksum files are written.
     *
     * @throws UserError if the directory cannot be written
     * @throws UncheckedIOException if the thread is interrupted: then nothing is written
     */
    public void writeAtomically(Path path, Writing writing) {
        beforeChange.run();
        try {
            if (Thread.currentThread().isInterrupted()) {
                throw new InterruptedIOException("interrupted");
            }
            FileSystem files = files(path);
            if (ObjectStore.is(files, path)) {
                ObjectStore.upload(files, path, writing);
            } else {
                writeAndRename(path, writing);
            }
        } catch (IOException e) {
            throw Failures.of(path, "written", e);
        } catch (FSError e) { // what Hadoop makes of an IOException of a local disk
            throw Failures.of(path, "written", e.getCause() instanceof IOException disk ? disk : new IOException(e));
        }
    }

    /**
     * Returns whether a file is there at all times while it is replaced, and only one of several processes can create it: on local disks
     * and HDFS.
     */
    public boolean replacesAtOnce(Path path) {
        try {
            FileSystem files = files(path);
            return !ObjectStore.is(files, path)
                    && (files instanceof RawLocalFileSystem
                            || "hdfs".equals(files.getUri().getScheme()));
        } catch (IOException e) {
            throw Failures.of(path, "written", e);
        }
    }

    /**
     * Returns whether a file is missing for a moment while it is replaced, and for longer if that fails halfway: on file systems that delete
     * the old one first.
     */
    public boolean missesWhileReplaced(Path path) {
        try {
            return !replacesAtOnce(path) && !ObjectStore.is(files(path), path);
        } catch (IOException e) {
            throw Failures.of(path, "written", e);
        }
    }

    /**
     * Writes a text to a file that is not there yet, and its directory if that is missing. Of several processes only one does so, except in
     * object stores such as S3A's, where a file appears when it is closed, even if another writer has closed one before. Readers may find the file empty or
     * not complete at first.
     *
     * @return whether it was written; false if the file is there
     */
    public boolean create(Path path, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try {
            FileSystem files = files(path);
            if (ObjectStore.isAbortable(files, path)) {
                if (files.exists(path)) {
                    return false;
                }
                ObjectStore.upload(files, path, out -> out.write(bytes));
                return true;
            }
            if (!files.mkdirs(path.getParent())) {
                throw new IOException("Mkdirs failed to create " + path.getParent());
            }
            return create(files, path, bytes);
        } catch (IOException e) {
            throw Failures.of(path, "written", e);
        }
    }

    private static boolean create(FileSystem files, Path path, byte[] bytes) throws IOException {
        try {
            if (files instanceof RawLocalFileSystem local) { // whose own call looks first and then creates
                Files.write(local.pathToFile(path).toPath(), bytes, StandardOpenOption.CREATE_NEW);
                return true;
            }
        } catch (java.nio.file.FileAlreadyExistsException e) {
            return false;
        }
        FSDataOutputStream created;
        try {
            created = files.create(path, false);
        } catch (IOException e) { // of many classes: HDFS, for one, says that another process is creating it
            if (files.exists(path)) {
                return false;
            }
            throw e;
        }
        try (FSDataOutputStream out = created) {
            out.write(bytes);
        }
        return true;
    }

    private void writeAndRename(Path path, Writing writing) throws IOException {
        Path temporary = beside(path, OwnNames.TEMPORARY + UUID.randomUUID() + "-" + path.getName());
        FileSystem files = files(path);
        try {
            files.mkdirs(temporary.getParent());
            try (FSDataOutputStream out = files.create(temporary, false)) {
                writing.to(out);
                if (out.hasCapability(StreamCapabilities.HSYNC)) {
                    out.hsync(); // or a crash soon after the rename could leave an empty file
                }
            }
            replace(files, temporary, path);
        } catch (IOException | RuntimeException | Error e) {
            deleteQuietly(files, temporary, e);
            throw e;
        }
    }

    /** Writes a text in UTF-8, as {@link #writeAtomically(Path, Writing)} does. */
    public void writeAtomically(Path path, String text) {
        writeAtomically(path, new ObjectStore.Text(text));
    }

    /** Returns whether text can be appended to files of this path's file system. */
    public boolean appends(Path path) {
        try {
            return files(path).hasPathCapability(path, CommonPathCapabilities.FS_APPEND);
        } catch (IOException e) {
            throw Failures.of(path, "written", e);
        }
    }

    /**
     * Appends a text to a file. Readers may see a part of it for a moment, and a crash may leave a part of it.
     *
     * @param length of the file, bytes
     * @return false if nothing was appended, or only a part: the file has another length or is missing, or the file system cannot append now
     */
    public boolean append(Path path, long length, String text) {
        beforeChange.run();
        try {
            FileSystem files = files(path);
            if (!appends(path) || files.getFileStatus(path).getLen() != length) {
                return false;
            }
            try (FSDataOutputStream out = files.append(path)) {
                out.write(text.getBytes(StandardCharsets.UTF_8));
                if (out.hasCapability(StreamCapabilities.HSYNC)) {
                    out.hsync();
                }
            }
            return true;
        } catch (IOException | UnsupportedOperationException | FSError e) {
            return false; // HDFS, for one, does not append while it recovers a file
        }
    }

    private void replace(FileSystem files, Path temporary, Path path) throws IOException {
        if (files.exists(path) && files.getFileStatus(path).isDirectory()) {
            throw UserError.of("%s: is a directory, expected a file; move it away", path);
        }
        if (files.rename(temporary, path)) { // replaces on a local file system; refused elsewhere if the path exists
            return;
        }
        try {
            FileContext.getFileContext(files.getUri(), hadoop)
                    .rename(files.makeQualified(temporary), files.makeQualified(path), Options.Rename.OVERWRITE);
            return;
        } catch (UnsupportedFileSystemException e) {
            // Only some file systems can replace in one move; the others need two.
        }
        Path old = beside(path, OwnNames.TEMPORARY + UUID.randomUUID() + "-old-" + path.getName());
        if (!files.rename(path, old)) {
            throw new PathIOException(path.toString(), "cannot be renamed");
        }
        if (!files.rename(temporary, path)) {
            boolean restored = files.rename(old, path);
            throw new PathIOException(
                    temporary.toString(), "cannot be renamed" + (restored ? "" : "; the old file is at " + old));
        }
        files.delete(old, false);
    }

    private static void deleteQuietly(FileSystem files, Path temporary, Throwable cause) {
        try {
            files.delete(temporary, false);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    /** Returns the path of another file in the directory of {@code file}. */
    public static Path beside(Path file, String name) {
        Path directory = file.getParent();
        return new Path(directory == null ? file : directory, name); // only a root has no directory
    }

    /** Returns the path with its file system, as every process finds it. */
    public Path qualified(Path path) {
        try {
            return files(path).makeQualified(path);
        } catch (IOException e) {
            throw Failures.of(path, "found", e);
        }
    }

    /** Returns whether there is a file or directory. */
    public boolean exists(Path path) {
        try {
            return files(path).exists(path);
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    /** Returns whether there is a file or directory. Unlike {@link #exists} it fails if a mounted file system does not answer. */
    public boolean isThere(Path path) {
        try {
            return files(path) instanceof RawLocalFileSystem local
                    ? isThere(local.pathToFile(path).toPath())
                    : files(path).exists(path);
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    private static boolean isThere(java.nio.file.Path path) throws IOException {
        try {
            Files.readAttributes(path, BasicFileAttributes.class);
            return true;
        } catch (NoSuchFileException e) {
            return false;
        } catch (FileSystemException e) {
            if (Stream.iterate(path, Objects::nonNull, java.nio.file.Path::getParent)
                    .anyMatch(at -> Files.isRegularFile(at))) {
                return false; // below a file
            }
            throw e;
        }
    }

    /** Returns whether there is a directory. */
    public boolean isDirectory(Path path) {
        try {
            FileSystem files = files(path);
            return files.exists(path) && files.getFileStatus(path).isDirectory();
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    /** Returns the size of a file, bytes. */
    public long length(Path path) {
        try {
            FileStatus status = files(path).getFileStatus(path);
            if (status.isDirectory()) {
                throw UserError.of("%s: is a directory, expected a file; give the path of the file", path);
            }
            return status.getLen();
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    /** Returns the bytes of a file. */
    public byte[] readBytes(Path path) {
        return read(path, InputStream::readAllBytes);
    }

    /** Returns the text of a file in UTF-8. */
    public String readString(Path path) {
        return new String(readBytes(path), StandardCharsets.UTF_8);
    }

    /** Returns the bytes of a file as a stream, which the caller closes. */
    public InputStream open(Path path) {
        try {
            return files(path).open(path);
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    /** Returns what {@code reading} makes of a file. */
    <T> T read(Path path, Reading<T> reading) {
        try (InputStream in = files(path).open(path)) {
            return reading.from(in);
        } catch (IOException e) {
            throw Failures.of(path, "read", e);
        }
    }

    /** Returns the SHA-256 of a file, in lower-case hexadecimal. */
    public String sha256(Path path) {
        return read(path, in -> {
            MessageDigest digest = Sha256.digest();
            byte[] chunk = new byte[1 << 16];
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                digest.update(chunk, 0, n);
            }
            return Sha256.hexadecimal(digest);
        });
    }

    /** Returns what is in a directory, sorted by name, temporary files left out; empty if it is missing. */
    public List<Path> list(Path directory) {
        return statuses(directory, Storage::isWhole)
                .map(FileStatus::getPath)
                .sorted()
                .toList();
    }

    /** Returns the same, the latest first. */
    public List<Path> latestFirst(Path directory) {
        return statuses(directory, Storage::isWhole)
                .sorted(Comparator.comparingLong(FileStatus::getModificationTime)
                        .reversed()
                        .thenComparing(FileStatus::getPath))
                .map(FileStatus::getPath)
                .toList();
    }

    /** Returns the sizes of the files in a directory, in bytes, by name, temporary files left out; empty if it is missing. */
    public SortedMap<String, Long> sizes(Path directory) {
        SortedMap<String, Long> sizes = new TreeMap<>();
        statuses(directory, Storage::isWhole)
                .filter(FileStatus::isFile)
                .forEach(file -> sizes.put(file.getPath().getName(), file.getLen()));
        return sizes;
    }

    /** Returns what is in a directory under some names; nothing if it is missing. */
    Stream<FileStatus> statuses(Path directory, Predicate<String> names) {
        try {
            return Arrays.stream(files(directory).listStatus(directory))
                    .filter(file -> names.test(file.getPath().getName()));
        } catch (FileNotFoundException e) {
            return Stream.empty();
        } catch (IOException e) {
            throw Failures.of(directory, "read", e);
        }
    }

    /**
     * Checks that a file can be opened and read.
     *
     * @throws UserError if access is denied, or it is not there
     */
    public void requireReadable(Path path) {
        read(path, InputStream::read);
    }

    /**
     * Moves a file or a directory, and makes the directory that it is moved to if that is missing.
     *
     * @param to must not exist
     * @throws UserError if it cannot be written
     */
    public void move(Path from, Path to) {
        beforeChange.run();
        try {
            FileSystem files = files(to);
            if (files.exists(to)) {
                throw UserError.of("%s: exists already; %s cannot be moved there, move it away", to, from);
            }
            files.mkdirs(to.getParent());
            if (!files.rename(from, to)) {
                throw new PathIOException(from.toString(), "cannot be renamed to " + to);
            }
        } catch (IOException e) {
            throw Failures.of(to, "written", e);
        }
    }

    /** Deletes a file, or a directory with all that is in it; does nothing if it is missing. */
    public void delete(Path path) {
        beforeChange.run();
        try {
            files(path).delete(path, true);
        } catch (IOException e) {
            throw Failures.of(path, "deleted", e);
        }
    }

    /**
     * Returns the file system of a path.
     *
     * @throws UserError if there is none for its scheme
     */
    public static FileSystem files(Configuration hadoop, Path path) throws IOException {
        try {
            return path.getFileSystem(hadoop);
        } catch (UnsupportedFileSystemException e) {
            throw unsupported(path, e);
        } catch (RuntimeException e) { // Hadoop names classes for some schemes without having them
            throw e.getCause() instanceof ClassNotFoundException missing ? unsupported(path, missing) : e;
        }
    }

    private static UserError unsupported(Path path, Exception e) {
        return new UserError(
                path + ": " + e.getMessage()
                        + "; add the file system's jar, such as --packages org.apache.hadoop:hadoop-aws:"
                        + VersionInfo.getVersion() + " for s3a, or use another path",
                e);
    }

    /** Returns the same, without the side files that Hadoop's local one would leave. */
    private FileSystem files(Path path) throws IOException {
        FileSystem files = files(hadoop, path);
        return files instanceof ChecksumFileSystem checked ? checked.getRawFileSystem() : files;
    }

    private static boolean isWhole(String name) {
        return !name.startsWith(OwnNames.TEMPORARY);
    }
}
