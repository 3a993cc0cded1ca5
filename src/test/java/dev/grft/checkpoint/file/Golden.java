package dev.grft.checkpoint.file;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;

/** The golden files, and Hadoop's default configuration. */
public final class Golden {
    public static final Configuration HADOOP = new Configuration();

    private Golden() {}

    public static Path path(String name) {
        return Path.of("src/test/resources/golden").resolve(name);
    }

    public static Safetensors read(String name) {
        try {
            return Safetensors.read(name, Files.readAllBytes(path(name)));
        } catch (IOException e) {
            throw new UncheckedIOException(name + " is missing; remake it: see src/test/python/README.md", e);
        }
    }

    /** Returns images {@code [N, C, S, S]} as tiles of larger ones, so many times beside and above each other. */
    public static Tensor tiled(Tensor images, int times) {
        int side = (int) images.shape()[3];
        int larger = times * side;
        double[] tile = images.doubles();
        double[] tiled = new double[tile.length * times * times];
        for (int i = 0; i < tiled.length; i++) {
            int row = i / larger % larger;
            int plane = i / larger / larger;
            tiled[i] = tile[(plane * side + row % side) * side + i % larger % side];
        }
        return Tensor.ofDoubles(new long[] {images.shape()[0], images.shape()[1], larger, larger}, tiled);
    }

    /** Returns the path in the words of Hadoop. */
    public static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path("file://" + path.toAbsolutePath());
    }
}
