package dev.grft.checkpoint.file;

import dev.grft.checkpoint.file.Storage.Writing;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Writing to file systems in which a file appears when it is closed, in place of one that is there, and a rename would be a copy. */
final class ObjectStore {
    private ObjectStore() {}

    /** Returns whether a path is in an object store. */
    static boolean is(FileSystem files, Path path) throws IOException {
        return isAbortable(files, path) || "gs".equals(files.getUri().getScheme()); // whose connector does not tell
    }

    /** Returns whether the file of a stream can be kept from appearing. */
    static boolean isAbortable(FileSystem files, Path path) throws IOException {
        return files.hasPathCapability(path, CommonPathCapabilities.ABORTABLE_STREAM);
    }

    /** Writes a file. After a failure the old one is there, and no stream is open. */
    static void upload(FileSystem files, Path path, Writing writing) throws IOException {
        if (isAbortable(files, path)) {
            uploadOrAbort(files, path, writing);
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
     * Writes a file in the temporary directory of this machine, then copies it. A stream that cannot be aborted has to be closed, which lets its file
     * appear. So everything that may fail, other than the store, happens before it is opened.
     */
    private static void uploadStaged(FileSystem files, Path path, Writing writing) throws IOException {
        java.nio.file.Path staged = Files.createTempFile("grft-", ".upload");
        try {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(staged))) {
                writing.to(out);
            } catch (IOException e) {
                throw new IOException(staged + ", before it is copied: " + e.getMessage(), e);
            }
            try (FSDataOutputStream out = files.create(path, true)) {
                Files.copy(staged, out);
            }
        } finally {
            Files.deleteIfExists(staged);
        }
    }
}
