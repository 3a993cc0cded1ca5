package dev.grft.spark.verbs;

import dev.grft.UserError;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.run.Session;
import dev.grft.spark.tables.FilesInPlace;
import dev.grft.spark.tables.FolderNote;
import dev.grft.spark.tables.OwnSession;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * A folder of files that a verb writes. A {@link FolderNote} in it names them and says that a verb has written them; nothing else is ever
 * replaced.
 *
 * <p>On most file systems the folder is written beside its place under a name that readers pass over, and moved: where that is one step, as
 * on local disks and HDFS, it is there whole, or not at all. In object stores whose files appear in one put a folder could be half moved, so
 * nothing is: files get names that no file had before, then the note is replaced, and the files that it does not name are deleted. At any
 * time the note names a whole table, the former or the new one. Before a first writing a file beside the folder names the generation of its
 * files: those that a killed program has left there are not a copy of a table, and the next writing deletes them. {@code _SUCCESS} is there while the folder has no other files, for readers
 * that do not know the note.
 */
final class OutputFolder {
    private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long LOOK_MILLIS = 100;
    private static final String SUCCESS = "_SUCCESS";

    private final Session session;
    private final JavaSparkContext spark;
    private final Storage storage;
    private final Path folder;
    private final Path note;
    private final Path first; // generations of a table that never had a note, a line each
    private final Pattern files;
    private final boolean moves;

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
        this.first = beside(OwnNames.FIRST);
        this.files = files;
        this.moves = storage.replacesAtOnce(this.folder) || storage.missesWhileReplaced(this.folder);
    }

    /** Where a verb writes the files. */
    final class Part {
        private final Path path;
        private final @Nullable String generation; // of files that stay there; null: the folder is moved
        private final SparkSession own = OwnSession.like(session.spark());
        private final List<String> written = new ArrayList<>();

        private Part(Path path, @Nullable String generation) {
            this.path = path;
            this.generation = generation;
            own.conf()
                    .set(
                            "spark.sql.caseSensitive",
                            true); // columns may be called as classes, which differ in case only
            if (generation != null) {
                FilesInPlace.in(own);
            }
        }

        /** Returns the session whose tables can be saved. */
        SparkSession spark() {
            return own;
        }

        /** Returns the folder that gets the files. */
        Path path() {
            return path;
        }

        /**
         * Writes a table, once. Its files keep the names that Spark gives them where the verb's may be called so.
         *
         * @param names else, a format of the names, up to the ending, that gets the number of the file
         */
        void save(DataFrameWriter<Row> table, String names) {
            if (generation != null) {
                written.addAll(FilesInPlace.save(own, table, path.toString(), names, generation));
                return;
            }
            table.mode(SaveMode.Overwrite).save(path.toString());
            List<Path> foreign = storage.list(path).stream() // called as Spark does
                    .filter(file -> !files.matcher(file.getName()).matches())
                    .toList();
            int count = 0;
            for (Path file : foreign) {
                String name = file.getName();
                if (name.startsWith("part-")) {
                    String ending = name.substring(name.indexOf('.'));
                    storage.move(file, new Path(path, String.format(Locale.ROOT, names, count++) + ending));
                } else {
                    storage.delete(file);
                }
            }
        }

        /** Returns the sizes of the files, by name. */
        SortedMap<String, Long> sizes() {
            SortedMap<String, Long> sizes = storage.sizes(path);
            if (generation == null) {
                sizes.keySet().removeIf(name -> !files.matcher(name).matches() || name.startsWith("_"));
            } else {
                sizes.keySet().retainAll(Set.copyOf(written));
                if (sizes.size() < written.size()) {
                    throw UserError.of(
                            "%s: files that were written just now are missing; only one program may write there, choose"
                                    + " another --output",
                            path);
                }
            }
            return sizes;
        }
    }

    /**
     * Takes the folder for this driver until the session closes. If a program that replaced it was killed between two moves, the old one
     * comes back; if it was killed after them, the old one is deleted, or it would come back when the new one is deleted.
     *
     * @throws UserError if another driver writes the folder
     */
    void claim() {
        session.claimOutput(beside(OwnNames.LEASE), folder);
        Path aside = beside(OwnNames.ASIDE);
        if (moves && storage.exists(aside)) {
            if (storage.exists(note)) {
                storage.delete(aside);
            } else if (!exists()) {
                storage.move(aside, folder);
            }
        }
    }

    /** Returns the path beside the folder, with a name that begins with something. */
    private Path beside(String start) {
        String name = folder.getName(); // which may have a colon, and so be no child of a Path
        String path = folder.toString();
        return new Path(path.substring(0, path.length() - name.length()) + start + name);
    }

    /** Returns whether there is something: a file, or a folder, which in an object store has files that are not of a killed first writing. */
    boolean exists() {
        return storage.exists(folder) && (moves || !(isEmpty() || isInterrupted()));
    }

    /** Returns whether all files are of first writings that were interrupted, or go on. */
    private boolean isInterrupted() {
        if (!isWithoutNote() || !storage.exists(first)) {
            return false;
        }
        List<String> generations = storage.readString(first).lines().toList();
        return storage.list(folder).stream()
                .allMatch(file -> generations.contains(FolderNote.generation(file.getName())));
    }

    private boolean isEmpty() {
        return storage.isDirectory(folder) && storage.list(folder).isEmpty();
    }

    /** Returns whether the files are of a writing that was interrupted, or of a copy without its note: they look the same. */
    private boolean isWithoutNote() {
        return !moves
                && storage.isDirectory(folder)
                && !storage.exists(note)
                && storage.list(folder).stream().allMatch(file -> FolderNote.hasGeneration(file.getName()));
    }

    /**
     * Refuses files of this verb without a note; only {@code --force} replaces them.
     *
     * @throws UserError if there are such files and no others
     */
    void requireNote() {
        if (exists() && isWithoutNote()) {
            throw UserError.of(
                    "%s: has %s, but no %s, which is written last: writing was interrupted, or the note was not copied; copy it,"
                            + " too, or give --force to write the folder again",
                    folder, storage.list(folder).get(0).getName(), note.getName());
        }
    }

    /**
     * Ends a writing that was killed between its last steps: deletes the folder that was moved aside, or the files that the note does
     * not name, and writes {@code _SUCCESS}. What prevents that is only said: the table is whole.
     */
    void tidy() {
        if (moves ? !storage.exists(beside(OwnNames.ASIDE)) : storage.exists(new Path(folder, SUCCESS))) {
            return;
        }
        try {
            claim();
            if (!moves) {
                endAsNoted();
            }
        } catch (RuntimeException e) {
            session.progress()
                    .say(
                            "note: %s: %s (%s)",
                            folder,
                            moves ? "what it replaced cannot be deleted" : SUCCESS + " cannot be written",
                            Causes.said(e));
        }
    }

    private void endAsNoted() {
        FolderNote there = note();
        if (there == null) {
            return;
        }
        SortedMap<String, Long> named = there.files();
        deleteOwn(name -> named == null ? FolderNote.hasGeneration(name) : !named.containsKey(name));
        storage.writeAtomically(new Path(folder, SUCCESS), "");
        storage.delete(first);
    }

    /** Returns the note of what is there; null without one. */
    @Nullable
    FolderNote note() {
        return storage.exists(note) ? FolderNote.of(storage.readString(note)) : null;
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
                : !storage.exists(note) && !isEmpty() && !isWithoutNote() ? "it has no " + note.getName() : null;
        List<Path> others = storage.list(folder).stream()
                .filter(file -> !file.getName().equals(note.getName())
                        && !file.getName().endsWith(".crc")
                        && !isOwn(file.getName()))
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

    private boolean isOwn(String name) {
        return files.matcher(name).matches() || FolderNote.hasGeneration(name) || name.equals(SUCCESS);
    }

    /**
     * Writes the folder, which must be {@linkplain #claim claimed}, in place of one that is there, and returns what {@code write} returns.
     * On any failure that one stays.
     *
     * @param write writes the files
     * @param said what the note says beside their names; {@code write} may add to it
     */
    <T> T write(Function<Part, T> write, Map<String, Object> said) {
        return moves ? writeAndMove(write, said) : writeHere(write, said);
    }

    private <T> T writeAndMove(Function<Part, T> write, Map<String, Object> said) {
        Path temporaries = beside(OwnNames.TEMPORARY);
        Path temporary = new Path(
                temporaries, UUID.randomUUID().toString()); // a driver that was overtaken may still write another
        T result;
        try {
            storage.delete(temporaries);
            Part part = new Part(temporary, null);
            result = write.apply(part);
            storage.writeAtomically(new Path(temporary, note.getName()), new FolderNote(said, part.sizes()).text());
        } catch (Throwable e) { // Spark throws checked exceptions undeclared
            cleanQuietly(() -> storage.delete(temporaries), e);
            throw e;
        }
        replaceBy(temporary, beside(OwnNames.ASIDE));
        storage.delete(temporaries);
        return result;
    }

    private <T> T writeHere(Function<Part, T> write, Map<String, Object> said) {
        String generation = FolderNote.newGeneration();
        T result;
        String text;
        SortedMap<String, Long> written;
        try {
            storage.delete(new Path(folder, SUCCESS));
            beginFirst(generation);
            Part part = new Part(folder, generation);
            result = write.apply(part);
            written = part.sizes();
            text = new FolderNote(said, written).text();
        } catch (Throwable e) { // Spark throws checked exceptions undeclared
            cleanQuietly(
                    () -> {
                        deleteOwn(name -> name.contains("-" + generation + "-"));
                        endAsNoted();
                        if (isEmpty()) {
                            storage.delete(first);
                        }
                    },
                    e);
            throw e;
        }
        storage.writeAtomically(note, text); // if this fails, the note may be there all the same: nothing is deleted
        awaitTasks(); // a speculative attempt may still write its file
        deleteOwn(name -> !written.containsKey(name));
        storage.writeAtomically(new Path(folder, SUCCESS), "");
        storage.delete(first);
        return result;
    }

    /** If there is no table yet: deletes what an interrupted first writing has left, and notes what the files of this one are called. */
    private void beginFirst(String generation) {
        if (storage.exists(note)) {
            return;
        }
        boolean again = isInterrupted();
        if (again) {
            deleteOwn(name -> true);
        }
        // Tasks of the one before may still write.
        storage.writeAtomically(first, (again ? storage.readString(first) : "") + generation + "\n");
    }

    private void deleteOwn(Predicate<String> which) {
        for (Path file : storage.list(folder)) {
            if (isOwn(file.getName()) && which.test(file.getName())) {
                storage.delete(file);
            }
        }
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
                    folder + ": the result cannot be moved there (" + Causes.said(e) + "); all of it is in " + whole
                            + ", move it yourself",
                    e);
        }
        if (replaces) {
            storage.delete(aside);
        }
    }

    private void cleanQuietly(Runnable clean, Throwable cause) {
        try {
            awaitTasks();
            clean.run();
        } catch (RuntimeException e) { // the file system may be what has failed
            cause.addSuppressed(e);
        }
    }

    /** Waits for tasks whose result does not count: until they notice that they are killed, they write. */
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
