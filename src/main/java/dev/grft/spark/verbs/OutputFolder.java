package dev.grft.spark.verbs;

import dev.grft.UserError;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.run.Session;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * A folder of files that a verb writes: it is there whole, or not at all. It is written beside its place under a name that readers pass
 * over, and moved. A note in it says that a verb has written it; no other folder is ever replaced.
 */
final class OutputFolder {
    private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long LOOK_MILLIS = 100;

    private final Session session;
    private final JavaSparkContext spark;
    private final Storage storage;
    private final Path folder;
    private final Path note;
    private final Pattern files;

    /**
     * Returns a folder; nothing is changed yet.
     *
     * @param note name of the file that says what the others are
     * @param files names of these others
     */
    OutputFolder(Session session, String folder, String note, Pattern files) {
        this.session = session;
        this.spark = session.context();
        this.storage = session.storage();
        this.folder = new Path(folder);
        this.note = new Path(folder, note);
        this.files = files;
    }

    /**
     * Takes the folder for this driver until the session closes. If a program that replaced it was killed between two moves, the old one
     * comes back.
     *
     * @throws UserError if another driver writes the folder
     */
    void claim() {
        session.claimOutput(beside(OwnNames.LEASE), folder);
        Path aside = beside(OwnNames.ASIDE);
        if (!exists() && storage.exists(aside)) {
            storage.move(aside, folder);
        }
    }

    /** Returns the path beside the folder, with a name that begins with something. */
    private Path beside(String start) {
        String name = folder.getName(); // which may have a colon, and so be no child of a Path
        String path = folder.toString();
        return new Path(path.substring(0, path.length() - name.length()) + start + name);
    }

    boolean exists() {
        return storage.exists(folder);
    }

    /** Returns the note of what is there; null without one. */
    @Nullable
    String note() {
        return storage.exists(note) ? storage.readString(note) : null;
    }

    /**
     * Refuses what is there if the verb has not written all of it.
     *
     * @throws UserError with what it is
     */
    void requireOwn() {
        if (!exists()) {
            return;
        }
        String why = !storage.isDirectory(folder)
                ? "it is a file"
                : !storage.exists(note) && !storage.list(folder).isEmpty() ? "it has no " + note.getName() : null;
        List<Path> others = storage.list(folder).stream()
                .filter(file -> !file.getName().equals(note.getName())
                        && !file.getName().endsWith(".crc")
                        && !files.matcher(file.getName()).matches())
                .toList();
        if (why == null && !others.isEmpty()) {
            why = "it also has " + others.get(0).getName();
        }
        if (why != null) {
            throw UserError.of(
                    "%s: --force replaces only what this verb has written, and %s; choose another --output, or move it"
                            + " away",
                    folder, why);
        }
    }

    /**
     * Writes the folder, which must be {@linkplain #claim claimed}, in place of one that is there, and returns what {@code write} returns.
     * On any failure that one stays, and nothing new is left behind.
     *
     * @param write writes the files into the folder that it is given
     * @param said what the note says
     */
    <T> T write(Function<Path, T> write, String said) {
        Path temporaries = beside(OwnNames.TEMPORARY);
        Path temporary = new Path(
                temporaries, UUID.randomUUID().toString()); // a driver that was overtaken may still write another
        T result;
        try {
            storage.delete(temporaries);
            result = write.apply(temporary);
            storage.writeAtomically(new Path(temporary, note.getName()), said);
        } catch (Throwable e) { // Spark throws checked exceptions undeclared
            deleteQuietly(temporaries, e);
            throw e;
        }
        replaceBy(temporary, beside(OwnNames.ASIDE));
        storage.delete(temporaries);
        return result;
    }

    /** Moves a whole folder here. What was here is moved aside first and deleted last; if the move fails, it comes back. */
    private void replaceBy(Path whole, Path aside) {
        boolean replaces = exists();
        try {
            if (replaces) {
                storage.delete(aside);
                storage.move(folder, aside);
            }
            storage.move(whole, folder);
        } catch (RuntimeException e) {
            if (replaces && !exists() && storage.exists(aside)) {
                storage.move(aside, folder);
            }
            throw new UserError(
                    folder + ": the result cannot be moved there (" + e.getMessage() + "); all of it is in " + whole
                            + ", move it yourself",
                    e);
        }
        if (replaces) {
            storage.delete(aside);
        }
    }

    private void deleteQuietly(Path path, Throwable cause) {
        try {
            awaitTasks();
            storage.delete(path);
        } catch (RuntimeException e) { // the file system may be what has failed
            cause.addSuppressed(e);
        }
    }

    /** Waits for the tasks of a job that has failed: until they notice that they are killed, they write. */
    private void awaitTasks() {
        long end = System.nanoTime() + MOST_NANOS;
        try {
            while (Stream.of(spark.sc().statusTracker().getExecutorInfos()).anyMatch(each -> each.numRunningTasks() > 0)
                    && System.nanoTime() < end) {
                Thread.sleep(LOOK_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
