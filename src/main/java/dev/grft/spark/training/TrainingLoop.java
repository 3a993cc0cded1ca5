package dev.grft.spark.training;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.UserError;
import dev.grft.config.TrainingSettings;
import dev.grft.cost.MemoryModel;
import dev.grft.data.Preprocess;
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
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.Trainer;
import dev.grft.tuning.FrozenStages;
import dev.grft.vit.VitConfig;
import java.lang.ref.Reference;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/** Trains on the cluster, part by part, each from its newest state. */
public final class TrainingLoop {
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
    public record Part(Path folder, Path own, long first, long end, String inputs, Carried carried) {}

    /**
     * What a part comes to.
     *
     * @param state after its last step
     * @param made steps, those of earlier parts included
     * @param halvings how often the learning rate has been halved
     * @param bytesPerStep what a step sends between the driver and executors
     */
    public record Result(LearnerState state, long made, int halvings, long bytesPerStep, Carried carried) {
        /** Returns the trained vector, {@code [N]}. */
        public float[] trained() {
            return state.trained();
        }

        /** Returns what the training comes to so far: the average of the trained vector, or itself if none is kept. */
        public float[] result() {
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
    public TrainingLoop(
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
    public Result run(Part part, PartSetup setup, @Nullable Function<float[], Delta> meaning) {
        boolean standing = session.reach()
                .standing(session.context(), run.settings().engine().rounds());
        if (!session.context()
                .isLocal()) { // there, tasks return references; standing ones may have to give way to jobs
            requireGathered(
                    session.context().getConf(),
                    settings.shards(),
                    MemoryModel.gathered(settings, setup.layout().size()));
        }
        CheckpointKeeper keeper = new CheckpointKeeper(
                run, part, force, meter, choice, Balance.lossOfChance(images.shards(), images.labels()) / 2);
        keeper.open(); // the learning rate depends on what has been
        try (FrozenCache frozen = frozen(part, setup)) {
            for (; ; ) {
                try {
                    return run(part, setup, meaning, keeper, frozen, standing);
                } catch (CheckpointKeeper.Diverged diverged) {
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
            CheckpointKeeper keeper,
            @Nullable FrozenCache frozen,
            boolean standing) {
        Trainer.Plan plan = plan(part);
        MultiLayerConfiguration configuration = Network.configuration(
                setup.layout(),
                settings.halved(keeper.halvings()),
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
                        () -> settings.halves() && keeper.suspects());
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
                            keeper.halvings(),
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
    public static void requireGathered(SparkConf conf, int shards, long bytes) {
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
                settings.checkpointEvery(),
                run.ownKeys());
    }

    /**
     * Returns what chooses the examples of each step of a training.
     *
     * @param first number of steps that were made before
     */
    public static Sampler sampler(Run run, Images images, Preprocess preprocess, long first) {
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
}
