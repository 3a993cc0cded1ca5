package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.GradientSource;
import dev.grft.train.Initial;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.Network;
import dev.grft.train.StepGradient;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.VitConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.JobExecutionStatus;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.sql.SparkSession;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Standing rounds beside those of a job each. */
class StandingRoundsTest {
    private static final VitConfig CONFIG = Tiny.CONFIG.withClasses(3);
    private static final SliceTuning TUNING = new SliceTuning(new Selection(List.of(
            new Slices("blocks.0.mlp.fc1.weight", new MatrixShape(32, 16), Axis.ROW, 1, 30),
            new Slices("blocks.1.attn.qkv.weight", new MatrixShape(48, 16), Axis.COLUMN, 5))));
    private static final int TRAINED = TUNING.layout(CONFIG).size();

    /** Tasks wait here until a test lets them go. */
    private static final AtomicReference<CountDownLatch> HELD = new AtomicReference<>(new CountDownLatch(0));

    private static final AtomicInteger WAITING = new AtomicInteger();

    static JavaSparkContext context;
    private static ModelBroadcast model;

    @BeforeAll
    static void start() {
        SparkSession spark = Tiny.spark("local[2,3]"); // a task may fail twice
        context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        model = ModelBroadcast.of(context, CONFIG, Initial.vit(CONFIG, 1));
    }

    @AfterAll
    static void stop() {
        model.close();
    }

    static JavaRDD<Shard> examples(int shards, int count) {
        return ExampleShards.noise(context, shards, count);
    }

    private static JavaRDD<Shard> failing(JavaRDD<Shard> examples, Function<TaskContext, Boolean> when) {
        return examples.mapPartitions(
                part -> {
                    if (when.call(TaskContext.get())) {
                        throw new IllegalStateException("this task is lost");
                    }
                    return part;
                },
                true);
    }

    interface Maker<T extends GradientSource> {
        T of(JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps);
    }

    static <T extends GradientSource> T source(Maker<T> maker, JavaRDD<Shard> examples, int batchSize) {
        return source(maker, examples, Balance.NONE, batchSize);
    }

    static <T extends GradientSource> T source(
            Maker<T> maker, JavaRDD<Shard> examples, Balance balance, int batchSize, String... more) {
        List<String> sets = new ArrayList<>(List.of(more));
        sets.addAll(List.of(
                "augmentation.flip=true",
                "training.batchSize=" + batchSize,
                "training.shards=" + examples.getNumPartitions()));
        Settings settings = Tiny.settings(sets);
        MultiLayerConfiguration configuration =
                Network.configuration(TUNING.layout(CONFIG), settings.training(), Penalty.NONE, 9, 3);
        return maker.of(
                context,
                examples,
                new Sampler(
                        new Preprocess(8, 8, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1)),
                        settings.augmentation().toAugment(5),
                        balance,
                        settings.training(),
                        5,
                        0),
                new Replicas.Recipe(context, model, TUNING, configuration, true, new Device("cpu", 1, false)),
                9);
    }

    private static StandingRounds standing(JavaRDD<Shard> examples, int batchSize) {
        return source(StandingRounds::new, examples, batchSize);
    }

    static float[] trained(int seed) {
        float[] trained = new float[TRAINED];
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < trained.length; i++) {
            trained[i] = (float) (0.1 * random.nextDouble() - 0.05);
        }
        return trained;
    }

    static void assertEqual(StepGradient one, StepGradient other) {
        assertThat(one.gradient()).isEqualTo(other.gradient());
        assertThat(one.loss()).isEqualTo(other.loss());
        assertThat(one.examples()).isEqualTo(other.examples());
    }

    static void assertThatNoJobIsLeft() throws InterruptedException {
        for (int i = 0; i < 1200 && context.statusTracker().getActiveJobIds().length > 0; i++) {
            Thread.sleep(50);
        }
        assertThat(context.statusTracker().getActiveJobIds()).isEmpty();
    }

    private static int jobs(String group) {
        Tiny.untilHeard(context.sc());
        return context.statusTracker().getJobIdsForGroup(group).length;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void theBitsAreThoseOfAJobEachStep(int shards) {
        JavaRDD<Shard> images = examples(shards, 24);
        Rounds jobs = source(Rounds::new, images, 10);
        List<StepGradient> gradients = new ArrayList<>();
        try (StandingRounds standing = standing(images, 10)) {
            for (int step = 0; step < 4; step++) {
                StepGradient gradient = standing.gradient(step, trained(step));
                assertThat(gradient.inputSeconds()).isPositive();
                gradients.add(gradient);
            }
            standing.rest();
            for (int step = 0; step < 4; step++) {
                assertEqual(gradients.get(step), jobs.gradient(step, trained(step)));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void localStepsHaveTheBitsOfAJobEachAlsoIfTheLastRoundHasOneAndTheUpdaterHasAMemory(int count) {
        JavaRDD<Shard> images = examples(3, 24);
        Rounds jobs = source(Rounds::new, images, 10);
        LearnerState start = new LearnerState(trained(7), new float[0], 3);
        LearnerState later = jobs.localSteps(start, 2, 0).state();
        assertThat(later.updater()).isNotEmpty();
        LocalSteps expected = jobs.localSteps(later, count, 0.5);
        try (StandingRounds standing = standing(images, 10)) {
            assertThat(standing.localSteps(start, 2, 0).state()).isEqualTo(later);
            LocalSteps local = standing.localSteps(later, count, 0.5);
            assertThat(local.state()).isEqualTo(expected.state());
            assertThat(local.loss()).isEqualTo(expected.loss());
            assertThat(local.examples()).isEqualTo(10L * count);
        }
    }

    @Test
    void shardsWithoutAnExampleInTheStepHaveNoPart() {
        JavaRDD<Shard> images = examples(5, 20);
        Balance draws = Balance.of(images, 3, "sampler"); // five images of any shards
        Rounds jobs = source(Rounds::new, images, draws, 5);
        List<StepGradient> gradients = new ArrayList<>();
        try (StandingRounds standing = source(StandingRounds::new, images, draws, 5)) {
            for (int step = 0; step < 4; step++) {
                gradients.add(standing.gradient(step, trained(1)));
            }
        }
        for (int step = 0; step < 4; step++) {
            assertEqual(gradients.get(step), jobs.gradient(step, trained(1)));
        }
    }

    @Test
    void manyStepsAreOneJobUntilTheExecutorsAreWantedForAnother() throws Exception {
        JavaRDD<Shard> images = examples(3, 24);
        context.setJobGroup("standing", "one training");
        try (StandingRounds standing = standing(images, 6)) {
            for (int step = 0; step < 20; step++) {
                standing.gradient(step, trained(step));
            }
            int before = jobs("standing");
            assertThat(before)
                    .as("one, or more if the machine stood still for a second")
                    .isBetween(1, 5);
            standing.rest();
            assertThat(images.count()).isEqualTo(3);
            assertThatNoJobIsLeft();
            standing.gradient(20, trained(20));
            assertThat(jobs("standing")).isEqualTo(before + 2);
        } finally {
            context.clearJobGroup();
        }
        assertThatNoJobIsLeft();
    }

    @Test
    void otherJobsNeedNotWaitForTheNextStep() {
        JavaRDD<Shard> images = examples(3, 24);
        try (StandingRounds standing = standing(images, 6)) {
            for (int step = 0; step < 3; step++) {
                standing.gradient(step, trained(step));
                assertThat(images.count()).isEqualTo(3); // while both slots are taken by standing tasks
            }
        }
    }

    /** Else it would wait for as long as the training has steps to make. */
    @Test
    void aJobOfOthersGetsItsTurnBeforeThatOfTheTrainingIsOver() throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try (StandingRounds standing = standing(examples(3, 24), Duration.ofHours(1), Duration.ofSeconds(10))) {
            standing.gradient(0, trained(0));
            Future<Long> other =
                    pool.submit(() -> context.parallelize(List.of(1, 2, 3), 3).count());
            long began = System.nanoTime();
            for (int step = 1; !other.isDone() && System.nanoTime() - began < TimeUnit.SECONDS.toNanos(60); step++) {
                standing.gradient(step, trained(step % 4));
            }
            assertThat(other.isDone()).isTrue();
            assertThat(other.get()).isEqualTo(3);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void aTaskThatFailsOnceChangesNothing() {
        JavaRDD<Shard> images = examples(3, 24);
        Rounds undisturbed = source(Rounds::new, images, 7);
        try (StandingRounds standing =
                standing(failing(images, task -> task.partitionId() == 1 && task.attemptNumber() == 0), 7)) {
            StepGradient gradient = standing.gradient(1, trained(1));
            standing.rest();
            assertEqual(gradient, undisturbed.gradient(1, trained(1)));
        }
    }

    @Test
    void aShardThatAlwaysFailsEndsTheRoundAndLeavesNoJob() throws Exception {
        try (StandingRounds standing = standing(failing(examples(3, 24), task -> true), 7)) {
            assertThatThrownBy(() -> standing.gradient(0, trained(1)))
                    .isNotInstanceOf(UserError.class)
                    .hasStackTraceContaining("this task is lost");
        }
        assertThatNoJobIsLeft();
    }

    @Test
    void aShardWithoutImagesIsTheUsersMistake() {
        try (StandingRounds standing = standing(examples(3, 2), 7)) {
            assertThatThrownBy(() -> standing.gradient(0, trained(1)))
                    .isInstanceOf(UserError.class)
                    .hasMessage("training.shards is 3, but shard 2 has no image; use fewer shards than images");
        }
    }

    @Test
    void aCancelledJobEndsTheRound() throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor();
        try (StandingRounds standing = standing(held(examples(3, 24)), 7)) {
            Future<StepGradient> step = one.submit(() -> standing.gradient(0, trained(1)));
            while (WAITING.get() == 0) {
                Thread.sleep(20);
            }
            context.cancelAllJobs();
            assertThatThrownBy(() -> step.get(60, TimeUnit.SECONDS)).hasMessageContaining("cancelled");
        } finally {
            HELD.get().countDown();
            one.shutdownNow();
        }
    }

    private static StandingRounds standing(JavaRDD<Shard> examples, Duration turn, Duration farewell) {
        return source(
                (spark, shards, sampler, recipe, steps) -> new StandingRounds(
                        spark, shards, sampler, recipe, steps, turn, farewell, StandingRounds.PATIENCE, true),
                examples,
                7);
    }

    /** Returns shards that no task can read before {@link #HELD} is let go. */
    private static JavaRDD<Shard> held(JavaRDD<Shard> examples) {
        HELD.set(new CountDownLatch(1));
        WAITING.set(0);
        return examples.mapPartitions(
                part -> {
                    WAITING.incrementAndGet();
                    HELD.get().await(60, TimeUnit.SECONDS);
                    return part;
                },
                true);
    }

    private static JavaRDD<Shard> slow(JavaRDD<Shard> examples, long millis) {
        return examples.mapPartitions(
                part -> {
                    Thread.sleep(millis);
                    return part;
                },
                true);
    }

    /**
     * A turn begins with the first step of a job: one that waits for slots longer than its turn makes more than one step. A step takes 50 ms,
     * or much longer on a loaded machine.
     */
    @Test
    void twoTrainingsThatNeverRestTakeTurnsOfManySteps() throws Exception {
        int steps = 30;
        JavaRDD<Shard> images = slow(examples(2, 24), 50);
        ExecutorService two = Executors.newFixedThreadPool(2);
        try {
            List<Callable<Integer>> trainings = new ArrayList<>();
            for (String group : List.of("first", "second")) {
                trainings.add(() -> {
                    context.setJobGroup(group, "a training");
                    try (StandingRounds standing = standing(images, Duration.ofSeconds(1), Duration.ofSeconds(10))) {
                        for (int step = 0; step < steps; step++) {
                            standing.gradient(step, trained(step));
                        }
                        return jobs(group);
                    }
                });
            }
            for (Future<Integer> jobs : two.invokeAll(trainings, 120, TimeUnit.SECONDS)) {
                assertThat(jobs.get()).as("jobs of %d steps", steps).isBetween(2, steps / 2);
            }
        } finally {
            two.shutdownNow();
        }
    }

    @Test
    void tasksThatDoNotEndAreCancelledAndNoOtherJob() throws Exception {
        ExecutorService several = Executors.newFixedThreadPool(2);
        Thread training = Thread.currentThread();
        JavaRDD<Shard> held = held(examples(1, 8));
        try (StandingRounds standing = standing(held, Duration.ofSeconds(20), Duration.ofMillis(500))) {
            Future<Long> other = several.submit(() -> held.count());
            several.execute(() -> {
                while (WAITING.get() < 2) {
                    LockSupport.parkNanos(1_000_000);
                }
                training.interrupt();
            });
            assertThatThrownBy(() -> standing.gradient(0, trained(0))).hasMessage("interrupted during a step");
            assertThat(Thread.interrupted()).isTrue();
            standing.rest();
            HELD.get().countDown();
            assertThat(other.get(30, TimeUnit.SECONDS)).isEqualTo(1);
            assertThatNoJobIsLeft();
        } finally {
            HELD.get().countDown();
            several.shutdownNow();
        }
    }

    @Test
    void whereExecutorsComeAndGoThereIsATaskForEachShardAndThoseThatFindNoSlotEndWithTheJob() throws Exception {
        JavaRDD<Shard> images = examples(8, 24);
        StepGradient expected = source(Rounds::new, images, 10).gradient(1, trained(1));
        context.sc().conf().set("spark.dynamicAllocation.enabled", "true");
        context.setJobGroup("growing", "a training");
        try (StandingRounds standing = standing(images, 10)) {
            standing.gradient(0, trained(0));
            assertEqual(standing.gradient(1, trained(1)), expected);
            Tiny.untilHeard(context.sc());
            int[] jobs = context.statusTracker().getJobIdsForGroup("growing");
            assertThat(jobs).hasSize(1);
            int stage = context.statusTracker().getJobInfo(jobs[0]).stageIds()[0];
            assertThat(context.statusTracker().getStageInfo(stage).numTasks()).isEqualTo(8);
            standing.rest();
            assertThatNoJobIsLeft();
            assertThat(context.statusTracker().getJobInfo(jobs[0]).status()).isEqualTo(JobExecutionStatus.SUCCEEDED);
        } finally {
            context.sc().conf().remove("spark.dynamicAllocation.enabled");
            context.clearJobGroup();
        }
    }

    @Test
    void twoTrainingsTakeTurns() throws Exception {
        JavaRDD<Shard> images = examples(3, 24);
        StepGradient expected = source(Rounds::new, images, 7).gradient(2, trained(2));
        ExecutorService two = Executors.newFixedThreadPool(2);
        try {
            Callable<StepGradient> training = () -> {
                try (StandingRounds standing = standing(images, 7)) {
                    StepGradient last = standing.gradient(0, trained(0));
                    for (int step = 1; step < 3; step++) {
                        standing.rest();
                        last = standing.gradient(step, trained(step));
                    }
                    return last;
                }
            };
            for (Future<StepGradient> one : two.invokeAll(List.of(training, training), 60, TimeUnit.SECONDS)) {
                assertEqual(one.get(), expected);
            }
        } finally {
            two.shutdownNow();
        }
    }
}
