package dev.grft.spark.training;

import dev.grft.Checks;
import dev.grft.checkpoint.artifact.TrainingState;
import dev.grft.checkpoint.artifact.TrainingStates;
import dev.grft.config.TrainingSettings;
import dev.grft.report.History;
import dev.grft.report.Progress;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.train.Divergence;
import dev.grft.train.LearnerState;
import dev.grft.train.Trainer;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Keeps what a part of a training resumes from, its checkpoints in {@code state/}, and its history; goes back to one of them
 * when the loss diverges.
 */
final class CheckpointKeeper implements Trainer.Keeper {
    private static final int MOST_HALVINGS = 10;
    private static final String HISTORY = "history.jsonl";

    /** The loss has diverged. */
    static final class Diverged extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final long step;

        Diverged(long step, String what) {
            super(what);
            this.step = step;
        }
    }

    private final Run run;
    private final Session session;
    private final TrainingSettings settings;
    private final TrainingLoop.Part part;
    private final boolean force;
    private final Progress.Meter meter;
    private final @Nullable EpochChoice choice;
    private final Path directory;
    private final TrainingStates states;
    private final Divergence divergence;
    private double began; // the seconds of all steps, when the newest state was read
    private double chosenBefore; // likewise those of the choice
    private Carried earlier;
    private double inputSeconds;
    private @Nullable History history;
    private @Nullable LearnerState newest;
    private boolean opened; // before: other states than those of this process may be there

    /**
     * Returns the keeper of a part; {@link #open} reads what is there.
     *
     * @param force whether checkpoints that are there are moved aside, whatever they are
     * @param meter counts the images that are shown
     * @param choice of the epoch; null if the last one counts
     * @param floor a loss below which a training cannot have diverged
     */
    CheckpointKeeper(
            Run run,
            TrainingLoop.Part part,
            boolean force,
            Progress.Meter meter,
            @Nullable EpochChoice choice,
            double floor) {
        this.run = run;
        this.session = run.session();
        this.settings = run.settings().training();
        this.part = part;
        this.force = force;
        this.meter = meter;
        this.choice = choice;
        this.directory = new Path(part.own(), "state");
        this.states = new TrainingStates(
                session.hadoop(),
                directory,
                new Path(part.folder(), HISTORY),
                sentence -> session.progress().say("%s", sentence));
        this.divergence = new Divergence(settings, floor);
        this.earlier = part.carried();
    }

    @Override
    public @Nullable LearnerState latest() {
        LearnerState latest = newest;
        newest = null;
        return latest;
    }

    /** Reads the newest state, if there is one. */
    void open() {
        session.requireClaim();
        states.deleteUnfinished();
        newest = read();
        opened = true;
    }

    private @Nullable LearnerState read() {
        began = meter.seconds();
        chosenBefore = choice == null ? 0 : choice.seconds();
        inputSeconds = 0;
        TrainingState state = null;
        if (force && !opened) {
            states.moveAside("--force");
        } else {
            state = states.latest(
                    new TrainingStates.Wanted(part.inputs(), part.first(), part.end(), settings.syncEvery()));
        }
        if (state == null) {
            earlier = part.carried();
            divergence.restore(earlier.losses());
            divergence.wentBack(part.first());
            return begin(null, part.first());
        }
        earlier = Carried.parse(state.sums());
        divergence.restore(earlier.losses());
        if (!opened) {
            meter.skip((state.step() - part.first()) * settings.batchSize());
        }
        session.progress().say("resuming after step %d, from %s", state.step(), directory);
        return begin(
                new LearnerState(state.parameters(), state.updater(), state.step() - part.first(), state.average()),
                state.step());
    }

    private @Nullable LearnerState begin(@Nullable LearnerState state, long step) {
        if (choice != null) {
            choice.restore(earlier.choice() == null ? Carried.Choice.NONE : earlier.choice());
            if (state == null || opened) { // else a later part may need them
                choice.deleteAfter(step);
            }
        }
        history = new History(
                session.storage(),
                new Path(part.folder(), HISTORY),
                step,
                run.tracked(part.folder(), step > 0 || opened));
        if (states.isHistoryCopied()) {
            history.write(); // it may be that no step is made any more
        }
        return state;
    }

    @Override
    public void keep(LearnerState state) {
        session.requireClaim();
        history().write(); // first: lines after the newest state are dropped, but nothing brings back missing ones
        new TrainingState(
                        part.first() + state.step(),
                        state.trained(),
                        state.updater(),
                        state.average(),
                        part.inputs(),
                        carried(0).text())
                .write(session.hadoop(), directory);
        states.prune(
                settings.keep(),
                settings.halves() ? new HashSet<>(List.of(divergence.good(), divergence.candidate())) : Set.of());
        if (choice != null) {
            choice.prune(settings.halves() ? divergence.good() : part.first() + state.step());
        }
    }

    /**
     * Watches the loss of a step, before its state is kept.
     *
     * @param finite whether loss and gradient are; the trainer ends the training if they are not
     * @throws Diverged if the loss is too large for too long, unless that is ignored, or to go back if they are not
     */
    void watch(Trainer.Step step, boolean finite) {
        boolean diverged = divergence.add(step.step(), step.loss());
        if (finite ? diverged && !settings.diverges() : settings.halves()) {
            throw new Diverged(
                    step.step(),
                    finite ? divergence.toString() : "loss or gradient of step " + step.step() + " is not finite");
        }
    }

    /**
     * Goes back to a checkpoint from before the divergence and halves the learning rate. Writes no checkpoint: a
     * process that resumes before the next one diverges in the same bits and goes back again.
     *
     * @throws Divergence.Ended if the training is to stop
     */
    void goBack(Diverged diverged) {
        String what = String.valueOf(diverged.getMessage());
        double rate = settings.halved(divergence.halvings()).rate();
        if (!settings.halves() || divergence.halvings() == MOST_HALVINGS) {
            String own = run.ownKeys();
            throw new Divergence.Ended(
                    "training: %s; the checkpoints in %s stay. Set %straining.learningRate to %.1e or so (%s now%s;"
                            + " the training then starts over",
                    what,
                    directory,
                    own,
                    rate / 3,
                    Checks.text(rate),
                    settings.halves()
                            ? ", after " + MOST_HALVINGS + " halvings) or find one with the verb rates"
                            : "), find one with the verb rates, or set " + own + "training.onDivergence to halve");
        }
        session.requireClaim();
        long to = Math.max(divergence.good(), part.first());
        states.deleteAfter(to);
        divergence.halve();
        open();
        divergence.wentBack(to);
        meter.skip((to - diverged.step) * settings.batchSize());
        double halved = settings.halved(divergence.halvings()).rate();
        session.progress().say("train: %s; back to step %d, training.learningRate %s", what, to, Checks.text(halved));
        history().add(to, diverged.step, halved);
    }

    /** Returns how often the learning rate has been halved. */
    int halvings() {
        return divergence.halvings();
    }

    /** Returns whether the loss may be diverging. */
    boolean suspects() {
        return divergence.suspects();
    }

    /** Notes a step. */
    void made(Trainer.Step step) {
        history().add(step);
        inputSeconds += step.inputSeconds();
    }

    History history() {
        return Objects.requireNonNull(history, "asked for before the latest state");
    }

    /**
     * Returns what the earlier parts and runs have carried, and what came since.
     *
     * @param memory of this part, bytes; 0 if it is not known
     */
    Carried carried(double memory) {
        double chosen = choice == null ? 0 : choice.seconds() - chosenBefore;
        return new Carried(
                earlier.seconds() + meter.seconds() - began - chosen,
                earlier.inputSeconds() + inputSeconds,
                Math.max(memory, earlier.memory()),
                divergence.text(),
                choice == null
                        ? null
                        : choice.carried(chosen
                                + (earlier.choice() == null
                                        ? 0
                                        : earlier.choice().seconds())));
    }
}
