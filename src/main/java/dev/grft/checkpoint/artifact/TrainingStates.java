package dev.grft.checkpoint.artifact;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * The checkpoints of a training in a directory. A checkpoint that the training does not go on from is moved to a directory
 * beside it, such as {@code state-old-1}, and never deleted, except by {@link #prune} and {@link #deleteAfter}.
 */
public final class TrainingStates {
    private static final Pattern NAME = Pattern.compile("step-(\\d{8,18})\\.safetensors");

    private final Configuration hadoop;
    private final Storage storage;
    private final Path directory;
    private final HistoryParts history;
    private final Consumer<String> say;
    private boolean historyCopied;

    /**
     * What a training can go on from.
     *
     * @param fingerprint of the training
     * @param first steps made before its first one, by an earlier part
     * @param end number of its last step
     * @param every steps between two exchanges, counted from {@code first}; a checkpoint between them is good for its end only
     */
    public record Wanted(String fingerprint, long first, long end, int every) {
        private boolean fits(long step) {
            return step == end || (step < end && (step - first) % every == 0);
        }
    }

    /**
     * Returns the checkpoints of a directory, which may be missing.
     *
     * @param history path of the first file of a history, whose files are copied to where checkpoints are moved; may be missing
     * @param say receives a sentence for each move
     */
    public TrainingStates(Configuration hadoop, Path directory, Path history, Consumer<String> say) {
        this.hadoop = hadoop;
        this.storage = new Storage(hadoop);
        this.directory = directory;
        this.history = new HistoryParts(storage, history);
        this.say = say;
    }

    /**
     * Returns the newest checkpoint that a training can go on from; null if it has to begin. Newer ones are moved aside: those
     * that are damaged, and those that do not lie on the way to its end. All are moved aside if they are of another training.
     *
     * @throws UncheckedIOException if the file system does not answer
     * @throws UserError if one cannot be read, or another version of the program wrote it, or all are damaged; then nothing is
     *     moved
     */
    public @Nullable TrainingState latest(Wanted wanted) {
        List<Path> files;
        try {
            files = files();
        } catch (UncheckedIOException e) {
            throw unreadable(e);
        }
        List<Path> damaged = new ArrayList<>();
        List<String> reasons = new ArrayList<>();
        List<Path> off = new ArrayList<>();
        TrainingState found = null;
        boolean same = false; // one of them is known to be of this training
        for (int i = files.size() - 1; i >= 0 && found == null; i--) {
            Path file = files.get(i);
            boolean fits = wanted.fits(step(file));
            if (same && !fits) {
                off.add(file);
                continue;
            }
            TrainingState state;
            try {
                state = read(file);
            } catch (Damaged e) {
                damaged.add(file);
                reasons.add(e.reason);
                continue;
            }
            if (!state.fingerprint().equals(wanted.fingerprint)) {
                moveAll("the checkpoints in %s are of a training with other inputs; moved to %s, starting over");
                return null;
            }
            same = true;
            if (fits) {
                found = state;
            } else {
                off.add(file);
            }
        }
        if (!damaged.isEmpty() && damaged.size() == files.size()) {
            throw UserError.of(
                    "%s: none of the %d checkpoints can be read; the newest: %s Put a copy in its place, or start over with"
                            + " --force, which moves them aside",
                    directory, files.size(), sentence(reasons.get(0)));
        }
        moveSome(damaged, reasons, off, found, wanted);
        return found;
    }

    /** Deletes what a driver has left that was killed while it wrote a checkpoint. No other driver may be writing one. */
    public void deleteUnfinished() {
        OwnNames.deleteUnfinished(storage, directory, name -> NAME.matcher(name).matches());
    }

    private static String sentence(String reason) {
        return reason.endsWith("?") ? reason : reason + ".";
    }

    private void moveSome(
            List<Path> damaged, List<String> reasons, List<Path> off, @Nullable TrainingState found, Wanted wanted) {
        if (damaged.isEmpty() && off.isEmpty()) {
            return;
        }
        Path aside = aside();
        for (int i = 0; i < damaged.size(); i++) {
            storage.move(damaged.get(i), new Path(aside, damaged.get(i).getName()));
            say.accept(sentence(reasons.get(i)) + " Moved to " + aside
                    + (found == null ? "" : "; resuming from the one before"));
        }
        if (!off.isEmpty()) {
            copyHistory(aside);
            off.forEach(file -> storage.move(file, new Path(aside, file.getName())));
            say.accept(String.format(
                    Locale.ROOT,
                    "the checkpoints %sin %s do not lie on the way to step %d, with which this training ends; moved to %s%s",
                    found == null ? "" : "after step " + found.step() + " ",
                    directory,
                    wanted.end,
                    aside,
                    found == null ? ", starting over" : ""));
        }
    }

    /**
     * Moves all checkpoints aside, whatever they are; does nothing if there are none.
     *
     * @param why begins the sentence, such as {@code --force}
     */
    public void moveAside(String why) {
        if (!files().isEmpty()) {
            moveAll(why + ": the checkpoints in %s moved to %s");
        }
    }

    private void moveAll(String sentence) {
        Path aside = aside();
        storage.move(directory, aside);
        copyHistory(aside);
        say.accept(String.format(Locale.ROOT, sentence, directory, aside));
    }

    private void copyHistory(Path aside) {
        for (Path file : history.existing()) {
            byte[] lines = storage.readBytes(file);
            storage.writeAtomically(new Path(aside, file.getName()), out -> out.write(lines));
            historyCopied = true;
        }
    }

    /** Returns whether the history was copied to where checkpoints were moved, so that its lines are not lost. */
    public boolean isHistoryCopied() {
        return historyCopied;
    }

    /** Returns a directory that is not there yet, beside that of the checkpoints. */
    private Path aside() {
        for (int i = 1; ; i++) {
            Path aside = directory.suffix("-old-" + i);
            if (!storage.exists(aside)) {
                return aside;
            }
        }
    }

    /** A file that was read, but is no whole checkpoint. */
    private static final class Damaged extends Exception {
        private static final long serialVersionUID = 1L;

        private final String reason;

        Damaged(UserError cause) {
            super(cause);
            this.reason = String.valueOf(cause.getMessage());
        }
    }

    private TrainingState read(Path file) throws Damaged {
        try {
            storage.requireReadable(file);
        } catch (UncheckedIOException e) {
            throw unreadable(e);
        }
        Safetensors safetensors;
        try {
            safetensors = Safetensors.read(hadoop, file);
        } catch (UserError e) {
            throw new Damaged(e);
        } catch (UncheckedIOException e) {
            throw unreadable(e);
        }
        String version = safetensors.metadata().get("version");
        boolean whole = TrainingState.FORMAT.equals(safetensors.metadata().get("format")) && version != null;
        try {
            return TrainingState.of(safetensors);
        } catch (UserError e) {
            if (whole && !TrainingState.VERSION.equals(version)) {
                throw new UserError(e.getMessage() + ", or start over with --force, which moves it aside", e);
            }
            throw new Damaged(e);
        }
    }

    private static RuntimeException unreadable(UncheckedIOException e) {
        if (Failures.isAway(e)) {
            return e; // the checkpoint is as it was, and the same command goes on from it
        }
        Throwable cause = e.getCause();
        return new UserError(
                e.getMessage() + " (" + (cause == null ? "" : cause.getMessage())
                        + "); make it readable, or start over with --force, which moves it aside",
                e);
    }

    /**
     * Keeps the newest checkpoints and deletes the rest.
     *
     * @param keep how many stay, at least 1
     * @param also steps whose checkpoints stay beside those
     */
    public void prune(int keep, Set<Long> also) {
        if (keep < 1) {
            throw new IllegalArgumentException("keep must be at least 1, got " + keep);
        }
        List<Path> files = files();
        files.subList(0, Math.max(0, files.size() - keep)).stream()
                .filter(file -> !also.contains(step(file)))
                .forEach(storage::delete);
    }

    /** Deletes the checkpoints after a step, the newest first. */
    public void deleteAfter(long step) {
        List<Path> files = files();
        for (int i = files.size() - 1; i >= 0 && step(files.get(i)) > step; i--) {
            storage.delete(files.get(i));
        }
    }

    /** Returns the checkpoints, the oldest first, under the directory's name as it was given. */
    private List<Path> files() {
        return storage.list(directory).stream()
                .filter(path -> NAME.matcher(path.getName()).matches())
                .sorted(Comparator.comparingLong(TrainingStates::step))
                .map(path -> new Path(directory, path.getName()))
                .toList();
    }

    private static long step(Path path) {
        Matcher matcher = NAME.matcher(path.getName());
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
    }
}
