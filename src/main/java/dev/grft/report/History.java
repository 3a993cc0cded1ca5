package dev.grft.report;

import dev.grft.checkpoint.file.Storage;
import dev.grft.train.Trainer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;

/**
 * {@code history.jsonl}: a line of JSON for each step, and for each epoch that was evaluated. Written whole whenever a state is kept, since not every file system
 * can append; after an interruption, the lines of steps that are made again are dropped.
 */
public final class History {
    private static final Pattern STEP = Pattern.compile("\\{\"step\":(\\d+),.*");

    private final Storage storage;
    private final Path path;
    private final Tracking.Run run;
    private final List<String> lines = new ArrayList<>();

    /** Returns the history at a path, as far as the given step; what is added to it, {@code run} is told, too. */
    public History(Storage storage, Path path, long step, Tracking.Run run) {
        this.run = run;
        this.storage = storage;
        this.path = path;
        if (step > 0 && storage.exists(path)) {
            for (String line : storage.readString(path).split("\n", -1)) {
                Matcher matcher = STEP.matcher(line);
                if (matcher.matches() && Long.parseLong(matcher.group(1)) <= step) {
                    lines.add(line);
                }
            }
        }
    }

    /** Adds a step. */
    public void add(Trainer.Step step) {
        run.step(step);
        lines.add(String.format(
                Locale.ROOT,
                "{\"step\":%d,\"epoch\":%.6g,\"loss\":%s,\"penalty\":%s,\"learningRate\":%s,\"gradientNorm\":%s,"
                        + "\"examples\":%d,\"seconds\":%.4f,\"inputSeconds\":%.4f}",
                step.step(),
                step.epoch(),
                number(step.loss()),
                number(step.penalty()),
                number(step.learningRate()),
                number(step.gradientNorm()),
                step.examples(),
                step.seconds(),
                step.inputSeconds()));
    }

    /**
     * Adds what the model came to after an epoch.
     *
     * @param split the name of the images that it was measured on
     * @param best whether no epoch before was as good
     */
    public void add(long step, double epoch, String split, double accuracy, double loss, boolean best) {
        run.epoch(step, split, accuracy, loss);
        lines.add(String.format(
                Locale.ROOT,
                "{\"step\":%d,\"epoch\":%.6g,\"split\":\"%s\",\"accuracy\":%s,\"loss\":%s,\"best\":%s}",
                step,
                epoch,
                split,
                number(accuracy),
                number(loss),
                best));
    }

    /** Writes all lines so far. */
    public void write() {
        storage.writeAtomically(path, lines.isEmpty() ? "" : String.join("\n", lines) + "\n");
    }

    private static String number(double value) {
        return Double.isFinite(value) ? Double.toString(value) : "null"; // JSON has no NaN
    }
}
