package dev.grft.spark.run;

import dev.grft.UserError;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.checkpoint.file.Storage;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** The artifacts of a run: each is made once of the same inputs, and noted in the run directory. */
public final class Artifacts {
    private final RunDirectory directory;
    private final Storage storage;
    private final Progress progress;
    private final Made made;
    private final Datasets datasets;
    private final Runnable requireClaim;

    /** What an application has made and computed so far, in all its runs. */
    static final class Made {
        private final Set<String> keys = new HashSet<>();
        private final Map<String, Object> computed = new HashMap<>();
        private int making; // artifacts at once: those that are found meanwhile are inputs of them
        private final List<String> paths = Collections.synchronizedList(new ArrayList<>());

        /** Returns the paths of the artifacts; a view. */
        List<String> paths() {
            return paths;
        }
    }

    /**
     * Returns those of a run.
     *
     * @param requireClaim throws if another driver has taken the run directory over
     */
    Artifacts(
            RunDirectory directory,
            Storage storage,
            Progress progress,
            Made made,
            Datasets datasets,
            Runnable requireClaim) {
        this.directory = directory;
        this.storage = storage;
        this.progress = progress;
        this.made = made;
        this.datasets = datasets;
        this.requireClaim = requireClaim;
    }

    /**
     * Returns an artifact: as it is, if it was made of the same inputs; else made now. An application makes it once, forced or not.
     *
     * @param inputs a digest of all that it depends on
     * @param force whether to make it anyway
     */
    public <T> T artifact(Path path, String inputs, boolean force, Supplier<T> read, Supplier<T> make) {
        boolean now = made.keys.contains(path + inputs);
        if ((now || !force) && directory.isMade(path, inputs)) {
            if (!now) {
                progress.say("%s is up to date with its inputs; --force makes it again", path);
                if (made.making > 0) {
                    datasets.read(path.toString());
                } else {
                    datasets.unchanged(path.toString());
                }
            }
            return read.get();
        }
        requireClaim.run();
        OwnNames.deleteUnfinished(storage, path.getParent(), path.getName()::equals);
        made.making++;
        T artifact;
        try {
            artifact = make.get();
        } finally {
            made.making--;
        }
        requireClaim.run();
        directory.made(path, inputs);
        made.keys.add(path + inputs);
        made(path.toString());
        return artifact;
    }

    /**
     * Writes an artifact. Until {@link #artifact} notes its inputs, it counts as made of none: if the application ends in between, nobody
     * takes it for what was there before.
     */
    public void replace(Path path, Runnable write) {
        requireClaim.run();
        directory.unmade(path);
        write.run();
    }

    /**
     * Writes what a method has trained. If it is not what was there before, what was measured of that counts no more.
     *
     * @param path {@code evaluation.json} lies beside it
     */
    public void replaceTrained(Path path, String method, Runnable write) {
        String before = directory.isNoted(path) ? storage.sha256(path) : "";
        replace(path, write);
        if (!storage.sha256(path).equals(before)) { // else it is not evaluated again
            directory.unmade(Storage.beside(path, "evaluation.json"));
            Metrics metrics = metrics();
            Metrics.forget(metrics.of(method));
            metrics.write();
        }
    }

    /** Notes a file that was made now without {@link #artifact}: outside the run directory, or written each time. */
    public void made(String path) {
        made(path, -1, null);
    }

    /**
     * Notes a table that was made now: a folder of files, or {@code table:NAME}.
     *
     * @param columns of Parquet; null of others
     */
    public void made(String path, long rows, @Nullable StructType columns) {
        made.paths.add(path);
        datasets.wrote(path, rows, columns);
    }

    /** Returns what was computed of these inputs in this application, in whatever run; computes it if it was not. */
    public <T> T once(String inputs, Class<T> type, Supplier<T> compute) {
        Object known = made.computed.get(inputs);
        if (known == null) {
            T computed = compute.get();
            made.computed.put(inputs, computed);
            return computed;
        }
        return type.cast(known);
    }

    /** Returns the metrics of the run as they are now. */
    public Metrics metrics() {
        return Metrics.at(storage, directory.path("metrics.json"));
    }

    /** Adds the seconds of a phase to the metrics of the run. */
    public void phase(String method, String phase, double seconds) {
        Metrics metrics = metrics();
        metrics.phase(method, phase, seconds);
        metrics.write();
    }

    /**
     * Throws a {@link UserError} if there is no delta.
     *
     * @param purpose what it is for, such as {@code to merge}
     */
    public void requireDelta(Path path, String purpose) {
        if (!storage.exists(path)) {
            throw UserError.of("%s: there is no delta %s; train first", path, purpose);
        }
        datasets.read(path.toString());
    }
}
