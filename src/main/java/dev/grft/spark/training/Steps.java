package dev.grft.spark.training;

import dev.grft.config.DataSettings;
import dev.grft.config.TrainingSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How many steps a training takes. */
public record Steps(TrainingSettings settings, long images) {
    private static final Set<String> ANYWAY = Set.of("training.keep", "training.maxSteps", "training.watch");
    private static final Set<String> UNLESS_HALVED = Set.of(
            "training.keep",
            "training.maxSteps",
            "training.watch",
            "training.checkpointEvery",
            "training.divergence",
            "training.onDivergence");

    /**
     * Returns the keys of the section {@code training} that change neither a step nor its checkpoint. A training
     * resumes when they change. If it may go back to its checkpoints, it depends on when they are made.
     */
    public static Set<String> noStepDependsOn(TrainingSettings settings) {
        return settings.halves() ? ANYWAY : UNLESS_HALVED;
    }

    /** Returns the steps of all epochs, for which the learning rate is laid out even if fewer are made. */
    public long all() {
        return of(settings.epochs());
    }

    /** Returns the steps that are made: {@code training.maxSteps} at most. */
    public long made() {
        int most = settings.maxSteps();
        return most > 0 ? Math.min(most, all()) : all();
    }

    /** Returns how many images the steps that are made show. */
    public long shown() {
        return made() * settings.batchSize();
    }

    private long of(int epochs) {
        return (long) Math.ceil((double) epochs * images / settings.batchSize());
    }

    /** Returns whether steps between two numbers show images again: if they are more than those of an epoch, or images are drawn. */
    public boolean repeat(long first, long end, DataSettings data) {
        return end - first > of(1) || data.balance().equals("sampler");
    }

    /**
     * Returns the steps after which the parts of a training end, each with slices of its own; the last is that of all.
     *
     * @param everyEpochs epochs of a part; null for a training in one part
     */
    public List<Long> ends(@Nullable Integer everyEpochs) {
        int every = everyEpochs == null ? settings.epochs() : everyEpochs;
        List<Long> ends = new ArrayList<>();
        for (int epochs = every; ends.isEmpty() || ends.get(ends.size() - 1) < made(); epochs += every) {
            long end = Math.min(made(), of(epochs));
            if (ends.isEmpty() || end > ends.get(ends.size() - 1)) { // several epochs may be in one step
                ends.add(end);
            }
        }
        return ends;
    }
}
