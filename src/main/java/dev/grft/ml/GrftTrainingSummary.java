package dev.grft.ml;

import dev.grft.checkpoint.artifact.TrainingHistory;
import dev.grft.checkpoint.artifact.TrainingHistory.Epoch;
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
    private final long trained;
    private final double seconds;
    private final @Nullable String runDirectory;

    GrftTrainingSummary(TrainingHistory history, long trained, double seconds, @Nullable String runDirectory) {
        this.epochs = history.epochs();
        this.steps = Math.toIntExact(history.steps());
        this.trained = trained;
        this.seconds = seconds;
        this.runDirectory = runDirectory;
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

    /** Returns the number of the epoch, from 1, whose parameters the model has; that of the last if none was chosen, 0 if there is none. */
    public int bestEpoch() {
        int best = 0;
        for (Epoch epoch : epochs) {
            best = epoch.best() || epoch.measures().isEmpty() ? epoch.number() : best;
        }
        return best;
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
