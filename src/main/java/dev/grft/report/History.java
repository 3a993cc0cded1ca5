package dev.grft.report;

import dev.grft.checkpoint.artifact.HistoryParts;
import dev.grft.checkpoint.file.Storage;
import dev.grft.measures.Measure;
import dev.grft.train.Trainer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;

/**
 * {@code history.jsonl}: a line of JSON for each step, and for each epoch that was evaluated. After 10,000 lines the next file
 * begins, see {@link HistoryParts}; only the lines of the last one are in memory. Whenever a checkpoint is kept, the new lines are appended.
 * Where the file system cannot append, as in object stores, a file has 1,000 lines, and the last one is written whole. After an
 * interruption, the lines of steps that are made again are dropped.
 */
public final class History {
    /** Lines of a file that grows, about 2 MB. */
    static final int LINES = 10_000;

    /** Lines of a file that is written whole each time. */
    static final int LINES_OF_WHOLE = 1_000;

    private static final Pattern STEP = Pattern.compile("\\{\"step\":(\\d+),.*");

    private final Storage storage;
    private final HistoryParts parts;
    private final Tracking.Run run;
    private final List<String> lines = new ArrayList<>(); // of the last file
    private final int most; // lines of a file
    private int number = 1; // of the last file
    private int linesThere; // of these, in the last file as this history wrote it
    private long bytesThere = -1; // of the last file; below 0: it has to be written whole

    /** Returns the history at a path, as far as the given step; what is added to it is passed to {@code run}, too. */
    public History(Storage storage, Path path, long step, Tracking.Run run) {
        this.run = run;
        this.storage = storage;
        this.parts = new HistoryParts(storage, path);
        this.most = storage.appends(path) ? LINES : LINES_OF_WHOLE;
        List<Path> files = step > 0 ? parts.existing() : List.of();
        for (int i = 0; i < files.size(); i++) {
            number = i + 1;
            lines.clear();
            if (!readTo(step, files.get(i))) {
                break;
            }
        }
    }

    /** Reads the lines of a file as far as a step, and returns whether these are all. */
    private boolean readTo(long step, Path file) {
        for (String line : parts.lines(file)) {
            Matcher matcher = STEP.matcher(line);
            if (matcher.matches()) {
                if (Long.parseLong(matcher.group(1)) > step) {
                    return false;
                }
                lines.add(line);
            }
        }
        return true;
    }

    private void add(String line) {
        if (lines.size() >= most) {
            write();
            lines.clear();
            linesThere = 0;
            bytesThere = -1;
            number++;
        }
        lines.add(line);
    }

    /** Adds a step. */
    public void add(Trainer.Step step) {
        run.step(step);
        add(String.format(
                Locale.ROOT,
                "{\"step\":%d,\"epoch\":%s,\"loss\":%s,\"penalty\":%s,\"learningRate\":%s,\"gradientNorm\":%s,"
                        + "\"examples\":%d,\"seconds\":%.4f,\"inputSeconds\":%.4f}",
                step.step(),
                number(step.epoch()),
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
     * @param watched what the epoch is chosen by
     * @param best whether no epoch before was as good
     */
    public void add(long step, double epoch, String split, Map<Measure, Double> values, Measure watched, boolean best) {
        run.epoch(step, split, values);
        String measures = values.entrySet().stream()
                .map(entry -> "\"" + entry.getKey().key() + "\":" + number(entry.getValue()))
                .collect(Collectors.joining(","));
        add(String.format(
                Locale.ROOT,
                "{\"step\":%d,\"epoch\":%s,\"split\":\"%s\",%s,\"watched\":\"%s\",\"best\":%s}",
                step,
                number(epoch),
                split,
                measures,
                watched.key(),
                best));
    }

    /**
     * Adds that a training has gone back to a step because its loss had diverged.
     *
     * @param divergedAt number of the step at which it was seen
     * @param learningRate the largest from now on
     */
    public void add(long step, long divergedAt, double learningRate) {
        add(String.format(
                Locale.ROOT,
                "{\"step\":%d,\"divergedAt\":%d,\"learningRate\":%s}",
                step,
                divergedAt,
                number(learningRate)));
    }

    /** Writes all lines so far; later files of an earlier training go. */
    public void write() {
        Path file = parts.path(number);
        String fresh = text(lines.subList(linesThere, lines.size()));
        if (bytesThere >= 0 && storage.append(file, bytesThere, fresh)) {
            bytesThere += fresh.length();
        } else {
            String all = text(lines);
            storage.writeAtomically(file, all);
            bytesThere = all.length();
            for (int later = number + 1; storage.exists(parts.path(later)); later++) {
                storage.delete(parts.path(later));
            }
        }
        linesThere = lines.size();
    }

    /** Returns lines as they stand in a file, in ASCII: a character is a byte. */
    private static String text(List<String> lines) {
        return lines.isEmpty() ? "" : String.join("\n", lines) + "\n";
    }

    private static String number(double value) {
        return Double.isFinite(value) ? Double.toString(value) : "null"; // JSON has no NaN
    }
}
