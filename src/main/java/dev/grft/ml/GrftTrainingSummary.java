package dev.grft.ml;

import dev.grft.checkpoint.artifact.TrainingHistory.Epoch;
import dev.grft.spark.verbs.Frames;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * How the training of a model went, with the names of Spark's training summaries. A model has it from {@code fit} until it is saved;
 * one that was read has none.
 */
public final class GrftTrainingSummary {
    private final List<Epoch> epochs;
    private final int steps;
    private final long images;
    private final long broken;
    private final long skipped;
    private final long trained;
    private final double seconds;
    private final @Nullable String runDirectory;

    GrftTrainingSummary(Frames.Trained training, long trained, long skipped, double seconds) {
        this.epochs = training.history().epochs();
        this.steps = Math.toIntExact(training.history().steps());
        this.images = training.images();
        this.broken = training.broken();
        this.skipped = skipped;
        this.trained = trained;
        this.seconds = seconds;
        this.runDirectory = training.directory();
    }

    /** Returns the mean training loss of each epoch, without the penalty, in their order; empty for {@code method=linear}. */
    public double[] objectiveHistory() {
        return epochs.stream().mapToDouble(Epoch::loss).toArray();
    }

    /** Returns how many steps the optimizer has made; 0 for {@code method=linear}. */
    public int totalIterations() {
        return steps;
    }

    /** Returns the names of {@link #validationHistory}, such as {@code accuracy}; empty without rows for validation and patience. */
    public String[] validationMeasures() {
        TreeSet<String> names = new TreeSet<>();
        epochs.forEach(epoch -> names.addAll(epoch.measures().keySet()));
        return names.toArray(String[]::new);
    }

    /**
     * Returns a measure on the rows for validation after each epoch, in their order.
     *
     * @param measure one of {@link #validationMeasures}; NaN where it was not measured or is undefined
     */
    public double[] validationHistory(String measure) {
        return epochs.stream()
                .mapToDouble(epoch -> epoch.measures().getOrDefault(measure, Double.NaN))
                .toArray();
    }

    /** Returns the number of the epoch, from 1, whose parameters the model has; that of the last if none was measured, 0 if there is none. */
    public int bestEpoch() {
        boolean measured = epochs.stream().anyMatch(epoch -> !epoch.measures().isEmpty());
        return epochs.stream()
                .filter(epoch -> epoch.best() || !measured)
                .mapToInt(Epoch::number)
                .reduce(0, (before, last) -> last);
    }

    /** Returns how many images the model was trained on, without those for validation. */
    public long images() {
        return images;
    }

    /** Returns how many rows {@code handleInvalid} has left out because they have no label or a null image; 0 if it is {@code error}. */
    public long skippedRows() {
        return skipped;
    }

    /** Returns how many images could not be read and were left out, of the rows for validation too. */
    public long brokenImages() {
        return broken;
    }

    /** Returns how many parameters were trained, those of the head among them. */
    public long trained() {
        return trained;
    }

    /** Returns the seconds that {@code fit} took. */
    public double seconds() {
        return seconds;
    }

    /** Returns the path of the run directory, of which the verb {@code report} makes a page; null if {@code runDirectory} was not set. */
    public @Nullable String runDirectory() {
        return runDirectory;
    }

    @Override
    public String toString() {
        return "steps " + steps + ", epochs " + epochs.size() + ", trained parameters " + trained;
    }
}
