package dev.grft.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;

/** Local files; when the process ends, it writes how many images have been opened to the file that {@link #VARIABLE} names. */
public final class CountedFiles extends LocalFileSystem {
    static final String VARIABLE = "GRFT_OPENED";

    private static final AtomicLong OPENED = new AtomicLong();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                Files.writeString(java.nio.file.Path.of(System.getenv(VARIABLE)), OPENED + "\n");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }));
    }

    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        if (path.getName().endsWith(".png")) {
            OPENED.incrementAndGet();
        }
        return super.open(path, bufferSize);
    }
}
