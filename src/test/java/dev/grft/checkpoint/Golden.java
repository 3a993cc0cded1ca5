package dev.grft.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;

/** The golden files, and Hadoop's default configuration. */
final class Golden {
    static final Configuration HADOOP = new Configuration();

    private Golden() {}

    static Path path(String name) {
        return Path.of("src/test/resources/golden").resolve(name);
    }

    static Safetensors read(String name) {
        try {
            return Safetensors.read(name, Files.readAllBytes(path(name)));
        } catch (IOException e) {
            throw new UncheckedIOException(name + " is missing; remake it: see src/test/python/README.md", e);
        }
    }

    /** Returns the path in the words of Hadoop. */
    static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path("file://" + path.toAbsolutePath());
    }
}
