package dev.grft.report.lineage;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import org.apache.hadoop.fs.Path;

/**
 * Events in files. A path that ends with {@code .jsonl} is a local file that gets a line for each event, as OpenLineage's own file
 * transport writes it; any number of processes may append to it at once. Every other path is a folder on any file system that gets a file for
 * each event: object stores cannot append, and on HDFS only one process can at a time.
 */
final class FileTransport implements Transport {
    private static final String LINES = ".jsonl";
    private static final Object APPENDING = new Object(); // a lock of a file is the process's, not the thread's

    private final Storage storage;
    private final String uri;

    FileTransport(Storage storage, String uri) {
        this.storage = storage;
        this.uri = uri;
    }

    @Override
    public void send(String name, String json) throws IOException {
        try {
            Path path = new Path(uri);
            if (path.getName().endsWith(LINES)) {
                append(java.nio.file.Path.of(path.toUri().getPath()), json + "\n");
            } else {
                storage.writeAtomically(new Path(storage.qualified(path), name + ".json"), json + "\n");
            }
        } catch (UserError e) { // such as no permission
            throw new Refused(String.valueOf(e.getMessage()));
        } catch (FileSystemException e) {
            throw new Refused(e.toString());
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Appends a line. What a killed process has left of one stays apart from it. */
    private static void append(java.nio.file.Path file, String line) throws IOException {
        if (file.getParent() != null) {
            Files.createDirectories(file.getParent());
        }
        synchronized (APPENDING) {
            try (FileChannel channel = FileChannel.open(
                            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
                    FileLock lock = channel.lock()) {
                long end = channel.size();
                ByteBuffer last = ByteBuffer.allocate(1);
                boolean whole = end == 0 || channel.read(last, end - 1) < 1 || last.get(0) == '\n';
                ByteBuffer bytes = ByteBuffer.wrap((whole ? line : "\n" + line).getBytes(StandardCharsets.UTF_8));
                for (long at = end; bytes.hasRemaining(); ) {
                    at += channel.write(bytes, at);
                }
                lock.release();
            }
        }
    }
}
