package dev.grft.spark.verbs;

import dev.grft.Checks;
import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.TrainingState;
import dev.grft.checkpoint.artifact.TrainingStates;
import dev.grft.config.TrainingSettings;
import dev.grft.data.Preprocess;
import dev.grft.report.CostModel;
import dev.grft.report.History;
import dev.grft.report.Memory;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.work.Balance;
import dev.grft.spark.work.FrozenCache;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.Replicas;
import dev.grft.spark.work.RoundSource;
import dev.grft.spark.work.Rounds;
import dev.grft.spark.work.Sampler;
import dev.grft.train.Average;
import dev.grft.train.Divergence;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.Trainer;
import dev.grft.tuning.FrozenStages;
import dev.grft.vit.VitConfig;
import java.lang.ref.Reference;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/** Trains on the cluster, part by part, each from its newest state. */
final class TrainingLoop {
    private static final int MOST_HALVINGS = 10;

    private static final String HISTORY = "history.jsonl";

    private final Run run;
    private final Session session;
    private final TrainingSettings settings;
    private final boolean force;
    private final Images images;
    private final Preprocess preprocess;
    private final Penalty penalty;
    private final Steps steps;
    private final Progress.Meter meter;
    private final @Nullable EpochChoice choice;

    /**
     * A part of a training that is made in one go.
     *
     * @param folder gets {@code history.jsonl}, of all parts
     * @param own gets {@code state/}
     * @param first steps of the parts before
     * @param end number of its last step
     * @param inputs a digest of all that its states depend on; not of the number of its last step
     * @param carried what the part before has left
     */
    record Part(Path folder, Path own, long first, long end, String inputs, Carried carried) {}

    /**
     * What a part comes to.
     *
     * @param state after its last step
     * @param made steps, those of earlier parts included
     * @param halvings how often the learning rate has been halved
     * @param bytesPerStep what a step sends between the driver and executors
     */
    record Result(LearnerState state, long made, int halvings, long bytesPerStep, Carried carried) {
        /** Returns the trained vector, {@code [N]}. */
        float[] trained() {
            return state.trained();
        }

        /** Returns what the training comes to so far: the average of the trained vector, or itself if none is kept. */
        float[] result() {
            return state.result();
        }
    }

    /**
     * Returns the loop.
     *
     * @param force whether states are moved aside, whatever they are
     * @param meter counts the images that are shown
     * @param choice of the epoch; null if the last one counts
     */
    TrainingLoop(
            Run run,
            boolean force,
            Images images,
            Preprocess preprocess,
            Penalty penalty,
            Progress.Meter meter,
            @Nullable EpochChoice choice) {
        this.run = run;
        this.session = run.session();
        this.settings = run.settings().training();
        this.force = force;
        this.images = images;
        this.preprocess = preprocess;
        this.penalty = penalty;
        this.steps = new Steps(settings, images.count());
        this.meter = meter;
        this.choice = choice;
    }

    /**
     * Trains a part to its end.
     *
     * @param meaning returns the delta of a trained vector, for the choice of the epoch; null if nothing is chosen
     */
    Result run(Part part, PartSetup setup, @Nullable Function<float[], Delta> meaning) {
        boolean standing = session.reach()
                .standing(session.context(), run.settings().engine().rounds());
        if (!session.context()
                .isLocal()) { // there, tasks return references; standing ones may have to give way to jobs
            requireGathered(
                    session.context().getConf(),
                    settings.shards(),
                    CostModel.gathered(settings, setup.layout().size()));
        }
        Keeper keeper = new Keeper(part, Balance.lossOfChance(images.shards(), images.labels()) / 2);
        keeper.open(); // the learning rate depends on what has been
        try (FrozenCache frozen = frozen(part, setup)) {
            for (; ; ) {
                try {
                    return run(part, setup, meaning, keeper, frozen, standing);
                } catch (Diverged diverged) {
                    keeper.goBack(diverged);
                }
            }
        }
    }

    /**
     * Returns what keeps the outputs of frozen stages; null if those may change from epoch to epoch. It has no room if the part reads no output
     * again: each image still goes through these stages alone, so that parts have the same bits however they are divided.
     */
    private @Nullable FrozenCache frozen(Part part, PartSetup setup) {
        VitConfig config = setup.model().config();
        boolean gpu = run.device(config).onGpus(session.context().getConf());
        FrozenStages stages =
                FrozenStages.of(config, setup.layout(), run.images().augment(), settings.dropPath(), gpu);
        if (stages == null) {
            return null;
        }
        if (!steps.repeat(part.first, part.end, run.settings().data())) {
            return FrozenCache.of(session.context(), stages, 0);
        }
        session.progress()
                .say(
                        "train: nothing trains in %s; what comes out is computed once for each image and kept on disk"
                                + " (engine.frozenCacheGiB)",
                        stages);
        return FrozenCache.of(session.context(), stages, run.settings().engine().frozenCacheBytes());
    }

    /** Trains from the newest checkpoint to the end, or until the loss has diverged. */
    private Result run(
            Part part,
            PartSetup setup,
            @Nullable Function<float[], Delta> meaning,
            Keeper keeper,
            @Nullable FrozenCache frozen,
            boolean standing) {
        Trainer.Plan plan = plan(part);
        MultiLayerConfiguration configuration = Network.configuration(
                setup.layout(),
                settings.halved(keeper.divergence.halvings()),
                penalty,
                steps.all(),
                plan.stepsPerEpoch(),
                part.first);
        try (Replicas.Recipe recipe = setup.recipe(run, configuration)) {
            if (choice != null) {
                choice.watch(
                        trained -> Inference.of(
                                run.engine(setup.model().config()),
                                preprocess,
                                recipe,
                                trained,
                                images.labels().standard(),
                                frozen),
                        Objects.requireNonNull(meaning),
                        keeper::history,
                        () -> settings.halves() && keeper.divergence.suspects());
            }
            Sampler sampler = sampler(run, images, preprocess, part.first);
            Memory memory = session.context().isLocal() ? Memory.watch(Replicas::bytes) : null;
            long bytes = 4L * setup.layout().size();
            try (Learner learner = setup.learner(configuration, Average.of(settings, part.first));
                    RoundSource source = Rounds.of(
                            session.reach(),
                            standing,
                            session.context(),
                            images.shards(),
                            frozen == null ? sampler : sampler.from(frozen),
                            recipe,
                            plan.steps())) {
                Trainer trainer = new Trainer(
                        plan,
                        learner,
                        source,
                        keeper,
                        step -> {
                            if (memory != null) {
                                memory.look();
                            }
                            keeper.made(step);
                            session.gauges().step(step, bytes * source.vectors());
                            meter.add(step.examples(), text(step));
                            keeper.watch(step, plan.isFinite(step));
                        },
                        choice == null ? Trainer.Judge.NONE : choice);
                try {
                    LearnerState end = trainer.run();
                    return new Result(
                            end,
                            part.first + end.step(),
                            keeper.divergence.halvings(),
                            bytes * source.vectors(),
                            keeper.carried(memory == null ? 0 : (double) memory.bytes()));
                } finally {
                    Reference.reachabilityFence(trainer); // its memory is measured
                }
            }
        }
    }

    /**
     * Requires that Spark lets the driver gather the results of a round. A session of another program may have Spark's limit of 1 GiB.
     *
     * @throws UserError if it does not
     */
    static void requireGathered(SparkConf conf, int shards, long bytes) {
        long limit = conf.getSizeAsBytes("spark.driver.maxResultSize", "1g");
        if (limit > 0 && bytes > limit) {
            throw UserError.of(
                    "memory: %d shards return %d MiB in a round, spark.driver.maxResultSize is %d MiB; start Spark with"
                            + " spark.driver.maxResultSize=0 (no limit), or use fewer training.shards",
                    shards, bytes >> 20, limit >> 20);
        }
    }

    private Trainer.Plan plan(Part part) {
        return new Trainer.Plan(
                part.first,
                part.end,
                steps.made(),
                settings.batchSize(),
                images.count(),
                settings.syncEvery(),
                settings.rate(),
                settings.clipNorm(),
                settings.checkpointEvery());
    }

    /**
     * Returns what chooses the examples of each step of a training.
     *
     * @param first number of steps that were made before
     */
    static Sampler sampler(Run run, Images images, Preprocess preprocess, long first) {
        return new Sampler(
                        preprocess,
                        run.images().augment(),
                        balance(run, images),
                        run.settings().training(),
                        run.settings().run().seed(),
                        first,
                        images.labels().standard())
                .of(images.count());
    }

    /** Returns how often and how much the images of each class count. */
    private static Balance balance(Run run, Images images) {
        String how = run.settings().data().balance();
        return how.equals("none") && !run.images().weighted()
                ? Balance.NONE
                : Balance.of(images.shards(), images.labels().size(), how);
    }

    private static String text(Trainer.Step step) {
        return String.format(
                Locale.ROOT, "step %d/%d, epoch %.2f, loss %.4f", step.step(), step.steps(), step.epoch(), step.loss());
    }

    /** The loss has diverged. */
    private static final class Diverged extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final long step;

        Diverged(long step, String what) {
            super(what);
            this.step = step;
        }
    }

    /** States in {@code state/} of the part, the history beside that of the first. */
    private final class Keeper implements Trainer.Keeper {
        private final Part part;
        private final Path directory;
        private final TrainingStates states;
        private double began; // the seconds of all steps, when the newest state was read
        private double chosenBefore; // likewise those of the choice
        private Carried earlier;
        private double inputSeconds;
        private @Nullable History history;
        private @Nullable LearnerState newest;
        private final Divergence divergence;
        private boolean opened; // before: other states than those of this process may be there

        Keeper(Part part, double floor) {
            this.part = part;
            this.divergence = new Divergence(settings, floor);
            this.directory = new Path(part.own, "state");
            this.states = new TrainingStates(
                    session.hadoop(),
                    directory,
                    new Path(part.folder, HISTORY),
                    sentence -> session.progress().say("%s", sentence));
            this.earlier = part.carried;
        }

        @Override
        public @Nullable LearnerState latest() {
            LearnerState latest = newest;
            newest = null;
            return latest;
        }

        /** Reads the newest state, if there is one. */
        void open() {
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
                        new TrainingStates.Wanted(part.inputs, part.first, part.end, settings.syncEvery()));
            }
            if (state == null) {
                earlier = part.carried;
                divergence.restore(earlier.losses());
                divergence.wentBack(part.first);
                return begin(null, part.first);
            }
            earlier = Carried.parse(state.sums());
            divergence.restore(earlier.losses());
            if (!opened) {
                meter.skip((state.step() - part.first) * settings.batchSize());
            }
            session.progress().say("resuming after step %d, from %s", state.step(), directory);
            return begin(
                    new LearnerState(state.parameters(), state.updater(), state.step() - part.first, state.average()),
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
                    new Path(part.folder, HISTORY),
                    step,
                    run.tracked(part.folder, step > 0 || opened));
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
                            part.first + state.step(),
                            state.trained(),
                            state.updater(),
                            state.average(),
                            part.inputs,
                            carried(0).text())
                    .write(session.hadoop(), directory);
            states.prune(
                    settings.keep(),
                    settings.halves() ? new HashSet<>(List.of(divergence.good(), divergence.candidate())) : Set.of());
            if (choice != null) {
                choice.prune(settings.halves() ? divergence.good() : part.first + state.step());
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
                throw new Divergence.Ended(
                        "training: %s; the checkpoints in %s stay. Set training.learningRate to %.1e or so (%s now%s;"
                                + " the training then starts over",
                        what,
                        directory,
                        rate / 3,
                        Checks.text(rate),
                        settings.halves()
                                ? ", after " + MOST_HALVINGS + " halvings) or find one with the verb rates"
                                : "), find one with the verb rates, or set training.onDivergence to halve");
            }
            session.requireClaim();
            long to = Math.max(divergence.good(), part.first);
            states.deleteAfter(to);
            divergence.halve();
            open();
            divergence.wentBack(to);
            meter.skip((to - diverged.step) * settings.batchSize());
            double halved = settings.halved(divergence.halvings()).rate();
            session.progress()
                    .say("train: %s; back to step %d, training.learningRate %s", what, to, Checks.text(halved));
            history().add(to, diverged.step, halved);
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
}
