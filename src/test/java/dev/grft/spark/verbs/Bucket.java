package dev.grft.spark.verbs;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Abortable;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * An object store in a local folder, {@code bucket:///…}: a file appears when it is closed, there are no folders of their own, nothing can be
 * renamed. A test can see each change and end the program there.
 */
public final class Bucket extends RawLocalFileSystem {
    /** Is called before each change, with its path, and each file that is opened; may throw. */
    static volatile Consumer<String> before = step -> {};

    /** Makes the paths known. */
    static void in(Configuration hadoop) {
        hadoop.set("fs.bucket.impl", Bucket.class.getName());
    }

    @Override
    public URI getUri() {
        return URI.create("bucket:///");
    }

    @Override
    public boolean hasPathCapability(Path path, String capability) {
        return capability.equals(CommonPathCapabilities.ABORTABLE_STREAM);
    }

    @Override
    public boolean mkdirs(Path path, FsPermission permission) {
        return true;
    }

    @Override
    public boolean rename(Path from, Path to) {
        throw new UnsupportedOperationException("a rename would be a copy");
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        before.accept("open " + path);
        return super.open(path, bufferSize);
    }

    @Override
    public boolean delete(Path path, boolean recursive) throws IOException {
        if (!exists(path)) {
            return false;
        }
        before.accept("delete " + path);
        return super.delete(path, recursive);
    }

    @Override
    public FSDataOutputStream create(
            Path path,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        return create(path, overwrite, bufferSize, replication, blockSize, progress);
    }

    @Override
    public FSDataOutputStream create(
            Path path, boolean overwrite, int bufferSize, short replication, long blockSize, Progressable progress)
            throws IOException {
        if (!overwrite && exists(path)) {
            throw new IOException(path + " exists");
        }
        return new FSDataOutputStream(new Upload(path), null);
    }

    private final class Upload extends ByteArrayOutputStream implements Abortable {
        private final Path path;
        private boolean ended;

        Upload(Path path) {
            this.path = path;
        }

        @Override
        public AbortableResult abort() {
            ended = true;
            return null;
        }

        @Override
        public void close() throws IOException {
            if (ended) {
                return;
            }
            ended = true;
            before.accept("write " + path);
            java.nio.file.Path file = pathToFile(path).toPath();
            java.nio.file.Path parent = Objects.requireNonNull(file.getParent());
            Files.createDirectories(parent);
            java.nio.file.Path upload = Files.write(Files.createTempFile("upload", null), toByteArray());
            Files.move(upload, file, StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
