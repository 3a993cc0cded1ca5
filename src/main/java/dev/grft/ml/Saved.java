package dev.grft.ml;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.util.DefaultParamsReader;

/** Reads a saved estimator, and checks what {@code load} is given. */
@SuppressWarnings("deprecation") // what Spark 4 has in its place, with a session, is not in Spark 3
final class Saved<E> extends DefaultParamsReader<E> {
    private final Class<E> type;

    Saved(Class<E> type) {
        this.type = type;
    }

    @Override
    public E load(String path) {
        return read(sc().hadoopConfiguration(), path, type, () -> {
            DefaultParamsReader.loadMetadata(
                    path, sc(), type.getName()); // or the class that the folder names would be made
            return super.load(path);
        });
    }

    /**
     * Returns what a reader makes of a folder that {@code save} has written.
     *
     * @throws UserError if there is no such folder, or it holds something else
     */
    static <T> T read(Configuration hadoop, String path, Class<?> type, Supplier<T> reader) {
        Storage storage = new Storage(hadoop);
        Path folder = storage.qualified(new Path(path));
        boolean exists = storage.exists(folder);
        if (!exists || !storage.exists(new Path(folder, "metadata"))) {
            throw new UserError(folder + ": " + (exists ? "has no folder metadata" : "there is no such folder")
                    + ", expected what " + type.getSimpleName() + ".save has written; check the path");
        }
        try {
            return reader.get();
        } catch (IllegalArgumentException e) { // Spark has found the metadata of another class
            throw new UserError(
                    folder + ": is not a saved " + type.getSimpleName() + " (" + e.getMessage() + "); check the path",
                    e);
        }
    }
}
