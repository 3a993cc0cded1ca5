package dev.grft.report;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** Takes a minute to create a file. An interrupt ends that as in Hadoop's shells and stores, by an exception of writing. */
public final class SlowFileSystem extends RawLocalFileSystem {
    /** Returns a configuration in which it has the scheme {@code slow}. */
    public static Configuration configuration() {
        Configuration configuration = new Configuration();
        configuration.setClass("fs.slow.impl", SlowFileSystem.class, FileSystem.class);
        return configuration;
    }

    @Override
    public URI getUri() {
        return URI.create("slow:///");
    }

    @Override
    public FSDataOutputStream create(Path path, boolean overwrite) throws IOException {
        try {
            Thread.sleep(60_000);
            return super.create(path, overwrite);
        } catch (InterruptedException e) {
            throw new InterruptedIOException();
        }
    }
}
