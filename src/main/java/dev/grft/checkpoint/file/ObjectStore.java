package dev.grft.checkpoint.file;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage.Writing;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Writing to file systems in which a file appears when it is closed, in place of one that is there, and a rename would be a copy. */
final class ObjectStore {
    private ObjectStore() {}

    /** Writes a text in UTF-8. */
    record Text(String text) implements Writing {
        @Override
        public void to(OutputStream out) throws IOException {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Returns whether a path is in an object store. */
    static boolean is(FileSystem files, Path path) throws IOException {
        return isAbortable(files, path) || "gs".equals(files.getUri().getScheme()); // whose connector does not tell
    }

    /** Returns whether the file of a stream can be kept from appearing. */
    static boolean isAbortable(FileSystem files, Path path) throws IOException {
        return files.hasPathCapability(path, CommonPathCapabilities.ABORTABLE_STREAM);
    }

    /** Writes a file. After a failure the old one is there. */
    static void upload(FileSystem files, Path path, Writing writing) throws IOException {
        if (isAbortable(files, path)) {
            uploadOrAbort(files, path, writing);
        } else if (writing instanceof Text) {
            copy(files, path, writing); // nothing fails but the store
        } else {
            uploadStaged(files, path, writing);
        }
    }

    private static void uploadOrAbort(FileSystem files, Path path, Writing writing) throws IOException {
        FSDataOutputStream out = files.create(path, true);
        try {
            writing.to(out);
        } catch (IOException | RuntimeException | Error e) {
            try {
                out.abort();
                out.close(); // writes nothing any more
            } catch (IOException | RuntimeException failure) {
                e.addSuppressed(failure);
            }
            throw e;
        }
        out.close();
    }

    /**
     * Writes a file in the temporary directory of this machine, then copies it. So everything that may fail, other than the store, happens before the
     * stream is opened.
     */
    private static void uploadStaged(FileSystem files, Path path, Writing writing) throws IOException {
        java.nio.file.Path staged = temporary(path);
        try {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(staged))) {
                writing.to(out);
            } catch (IOException e) {
                throw new IOException(staged + ", before it is copied: " + e.getMessage(), e);
            }
            copy(files, path, out -> Files.copy(staged, out));
        } finally {
            Files.deleteIfExists(staged);
        }
    }

    private static java.nio.file.Path temporary(Path path) {
        java.nio.file.Path directory = java.nio.file.Path.of(System.getProperty("java.io.tmpdir"));
        try {
            return Files.createTempFile(directory, "grft-", ".upload");
        } catch (IOException e) {
            String reason = e instanceof FileSystemException disk ? disk.getReason() : e.getMessage();
            throw new UserError(
                    directory + ": no temporary file can be made there for " + path + ": "
                            + (reason == null ? e.getClass().getSimpleName() : reason)
                            + "; make room, or set java.io.tmpdir to another directory",
                    e);
        }
    }

    /** Writes a file by a stream that cannot be aborted, which stays open after a failure: closing it would let the part appear. */
    private static void copy(FileSystem files, Path path, Writing writing) throws IOException {
        FSDataOutputStream out = files.create(path, true);
        writing.to(out);
        out.close();
    }
}
