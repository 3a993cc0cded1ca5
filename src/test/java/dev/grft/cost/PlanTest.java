package dev.grft.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.vit.VitConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Percentage;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Plans with given rates; the numbers are computed by hand. */
class PlanTest {
    private static final String LARGE = "vit_large_patch16_224";

    @TempDir
    private Path folder;

    private static Settings settings(String... sets) {
        return Config.load(List.of(), List.of(sets), new Configuration());
    }

    private static Executor gpu(double tflops, int tasks, Feed feed) {
        return new Executor(1e3 * tflops, true, tasks, 100, feed, Round.COUNTED);
    }

    private static CostModel costs(String... sets) {
        return CostModel.of(VitConfig.preset("vit_base_patch16_224", 100), settings(sets));
    }

    private static String plan(Wish wish) {
        return Plan.of(new Configuration(), wish);
    }

    private static Wish wish(@Nullable Long images, double decode, double prepare, String... sets) {
        return new Wish(
                LARGE,
                settings(sets),
                21_000,
                List.of(1, 64),
                null,
                null,
                60.0,
                8,
                10,
                decode,
                prepare,
                20.0,
                images,
                "500x375");
    }

    private static Percentage percent() {
        return Percentage.withPercentage(1e-6);
    }

    @Test
    void tasksOnAGpuShareItsRateAndThoseOnCpusHaveOneEach() {
        CostModel costs = costs("training.batchSize=64", "training.shards=8");
        assertThat(costs.step(1, gpu(1, 4, Feed.NONE)).computing())
                .isCloseTo(4 * costs.step(1, new Executor(1000, 4, 100)).computing(), percent());
    }

    @Test
    void localStepsShareARound() {
        CostModel each = costs("training.batchSize=64", "training.shards=8");
        CostModel tenth = costs("training.batchSize=64", "training.shards=8", "training.syncEvery=10");
        Executor executor = new Executor(100, 2, 10);
        CostModel.Step step = tenth.step(4, executor);
        assertThat(step.spark()).isCloseTo(each.step(4, executor).spark() / 10, percent());
        assertThat(step.bytesIn())
                .as("parameters and two means")
                .isCloseTo(0.3 * each.step(4, executor).bytesIn(), percent());
    }

    @Test
    void aGivenRoundStandsForAllThatIsNotComputingImagesOrTheNetwork() {
        Executor executor = new Executor(1e4, true, 1, 10, Feed.NONE, new Round(0.05, 1));
        CostModel.Step step =
                costs("training.batchSize=64", "training.shards=8").step(4, executor);
        assertThat(step.spark()).isEqualTo(0.05);
        assertThat(step.driver()).isZero();
    }

    /** A step's parts in seconds, by hand, of two executors and eight shards of two images. */
    @Test
    void aStepOfJobsIsCountedByHand() {
        CostModel costs = costs("training.batchSize=16", "training.shards=8", "engine.rounds=jobs");
        Executor executor = new Executor(100, false, 2, 10, new Feed(2, 2, 100, 500), Round.COUNTED);
        CostModel.Step step = costs.step(2, executor);
        double parameters = costs.trained();
        assertThat(step.feeding()).as("two shards in turn on each task").isCloseTo(2 * 2 / 500.0, percent());
        assertThat(step.network()).as("8 vectors in, 2 out").isCloseTo(10 * 4 * parameters * 8 / 10e9, percent());
        assertThat(step.spark()).isCloseTo(0.02 + 8 * 0.002, percent());
        assertThat(step.driver()).isCloseTo(parameters * (25e-9 + 8 * 15e-9), percent());
    }

    @Test
    void thePhasesAreCountedByHand() {
        Settings settings = settings(
                "training.batchSize=64",
                "training.epochs=3",
                "probe.epochs=10",
                "probe.weightDecay=0.1",
                "selection.score=weight-activation",
                "training.headInit=probe");
        CostModel costs = CostModel.of(VitConfig.preset("vit_base_patch16_224", 100), settings);
        Executor executor = new Executor(100, false, 2, 10, new Feed(4, 2, 50, 500), new Round(0.5, 0));
        Phases phases = Phases.of(costs, settings, 10_000, 4, executor, new Phases.Driver(10, 4));
        double forward = new dev.grft.tuning.Operations(costs.config(), java.util.Map.of(), false).forward(1);
        assertThat(phases.reading())
                .as("4 executors of 2 cores that decode 50 each")
                .isCloseTo(25, percent());
        assertThat(phases.features()).isCloseTo(10_000 * forward / (4 * 2 * 100e9), percent());
        assertThat(phases.head())
                .as("6 operations a parameter, one block of classes")
                .isCloseTo(10 * 10_000 * 6.0 * 100 * 769 / 10e9, percent());
        assertThat(phases.scoring()).isEqualTo(phases.features());
        assertThat(phases.training())
                .as("469 steps")
                .isCloseTo(469 * costs.step(4, executor).seconds(), percent());
    }

    @ParameterizedTest
    @CsvSource({
        "training.shards=64 training.microBatch=16, 200, shards, raise training.shards to 200", // more GPUs than shards
        "training.shards=64, 8, computing, nothing else takes as long",
        "training.shards=64 training.microBatch=16 tuning.method=full, 16, driver, Use fewer executors",
        "training.shards=64 engine.rounds=jobs tuning.method=full, 4, driver, Set engine.rounds=standing or set training.shards=4",
    })
    void whatLimitsIsInTheTable(String sets, int executors, String word, String sentence) {
        CostModel costs = costs(("training.batchSize=1024 " + sets).split(" "));
        Executor executor = gpu(word.equals("driver") ? 1e3 : 1, 1, new Feed(8, 8, 300, 30_000));
        assertThat(Limit.of(costs, executors, executor).word()).isEqualTo(word);
        assertThat(Limit.sentence(costs, executors, executor).replace(", or ", " or "))
                .contains(sentence);
    }

    @Test
    void aSlowNetworkAGivenRoundAndImagesOnCpusLimit() {
        CostModel costs = costs("training.batchSize=64", "training.shards=64");
        Executor network = new Executor(1e5, 2, 0.01);
        assertThat(Limit.of(costs, 4, network)).isEqualTo(Limit.NETWORK);
        Executor round = new Executor(1e5, false, 2, 10, Feed.NONE, new Round(5.0, 0));
        assertThat(Limit.of(costs, 4, round)).isEqualTo(Limit.ROUNDS);
        assertThat(Limit.sentence(costs, 4, round)).startsWith("The round (--round) limits: ");
        Executor images =
                new Executor(1e5, false, 2, Double.POSITIVE_INFINITY, new Feed(2, 2, 100, 10), new Round(0.0, 0));
        assertThat(Limit.of(costs, 4, images)).isEqualTo(Limit.IMAGES);
        assertThat(Limit.sentence(costs, 4, images))
                .startsWith("Preparing images limits: a step waits 800 ms for images and computes ")
                .contains("Lighter changes under augmentation")
                .doesNotContain("gpu.amount");
    }

    /** On each of 4 GPUs two shards, which compute in 1 and are prepared in 1: 4 with one task; with n tasks and n shards of 2/n, 2/n + 2. */
    @Test
    void aGpuIsSharedAmongAsManyTasksAsShortenAStep() {
        CostModel costs =
                costs("training.batchSize=1024", "training.shards=8", "training.microBatch=128", "engine.rounds=jobs");
        double shard = costs.step(4, gpu(100, 1, Feed.NONE)).computing() / 2;
        Executor one = gpu(100, 1, new Feed(1, 1, 300, 128 / shard));
        Executor free = new Executor(1e5, true, 1, 100, one.feed(), new Round(0.0, 0));
        Sharing sharing = java.util.Objects.requireNonNull(Sharing.of(costs, 4, free));
        // 2: 3; 3: 2.67; 4: 2.5; 5: 2.4, which is less than a twentieth better
        assertThat(sharing.executor().tasks()).isEqualTo(4);
        assertThat(sharing.shards()).isEqualTo(16);
        assertThat(sharing.step().seconds() - sharing.step().network())
                .isCloseTo(2.5 * shard, Percentage.withPercentage(1));
        assertThat(Limit.sentence(costs, 4, free))
                .contains(
                        "Share each GPU among 4 tasks with a core each (spark.task.resource.gpu.amount=0.25 and training.shards=16")
                .contains("Before the first step 4 cores then decode, 1,200 images/s of an executor in place of 300.");
        Executor eight = new Executor(1e5, true, 1, 100, new Feed(2, 2, 300, 128 / shard), new Round(0.0, 0));
        assertThat(java.util.Objects.requireNonNull(Sharing.of(costs, 4, eight))
                        .executor()
                        .tasks())
                .as("no more than cores")
                .isEqualTo(2);
        Executor fast = new Executor(1e5, true, 1, 100, new Feed(1, 1, 300, 1e5 / shard), new Round(0.0, 0));
        assertThat(Sharing.of(costs, 4, fast)).isNull();
        assertThat(7 * Double.parseDouble(Sharing.amount(7))).isBetween(0.99, 1.0);
    }

    /** The round of jobs depends on shards: no number of executors shortens or lengthens it. */
    @Test
    void fewerExecutorsAreNoRemedyForJobs() {
        CostModel costs =
                costs("training.batchSize=64", "training.shards=64", "engine.rounds=jobs", "tuning.method=full");
        assertThat(Limit.sentence(costs, 4, new Executor(90, 2, 10)))
                .contains("Set engine.rounds=standing, or set training.shards=8 ")
                .doesNotContain("fewer executors")
                .endsWith("the round takes most of a step and does not get shorter.");
    }

    /** Without a number of tasks Spark is not told how many share a GPU: all cores decode. */
    @Test
    void ofTasksThatShareAGpuEachDecodesOnItsCore() {
        assertThat(wish(null, 300, 2000).executor(1, 1, 1, 1).decodes()).isEqualTo(8 * 300);
        Wish shared =
                new Wish(LARGE, settings(), 10, List.of(1), 3, null, 60.0, 8, 10, 300.0, 1.0, 1.0, null, "500x375");
        assertThat(shared.executor(1, 1, 1, 1).decodes()).isEqualTo(3 * 300);
        assertThat(shared.executor(1, 1, 1, 1).labels(60e12 / 2400))
                .as("GPU and cores take turns")
                .isEqualTo(1200);
    }

    @Test
    void executorsBeyondTheShardsDoNotHelp() {
        CostModel costs = costs("training.batchSize=1024", "training.shards=16");
        Executor slow = gpu(1, 1, new Feed(8, 8, 300, 3000));
        assertThat(Limit.best(costs, 16, slow)).isEqualTo(16);
        assertThat(Limit.more(costs, 64, slow))
                .isEqualTo("More than 16 executors gain less than 5 %: a step has 16 shards (training.shards).");
        assertThat(Limit.more(costs, 4, slow)).startsWith("Executors help up to 16: ");
        CostModel full = costs("training.batchSize=1024", "training.shards=1024", "tuning.method=full");
        assertThat(Limit.best(full, 1024, gpu(60, 1, new Feed(8, 8, 300, 3000))))
                .as("each executor costs the driver 86 million parameters")
                .isLessThan(64);
    }

    /** 22 million parameters between 64 executors and the driver take longer than their computing: local steps would be too many. */
    @Test
    void whereRoundsAreLongFewerExecutorsAreTheRemedy() {
        CostModel costs = CostModel.of(
                VitConfig.preset(LARGE, 21_000), settings("training.batchSize=1024", "training.shards=64"));
        assertThat(Limit.of(costs, 64, gpu(60, 1, Feed.NONE))).isEqualTo(Limit.DRIVER);
        assertThat(Limit.sentence(costs, 64, gpu(60, 1, Feed.NONE)))
                .startsWith("The driver limits: ")
                .contains("Use fewer executors");
    }

    /** ViT-L/16, 21,000 classes, a million images, 64 executors with a GPU. */
    @Test
    void aTrainingOfRealSizeNeedsNoWeights() {
        String plan = plan(wish(1_000_000L, 300, 2000, "training.batchSize=1024", "training.shards=64"));
        long head = 21_000L * 1025;
        assertThat(plan).containsPattern("22,4\\d\\d,\\d\\d\\d parameters train"); // the head has most of them
        assertThat(head).isEqualTo(21_525_000);
        assertThat(plan)
                .contains("21,525,000 of them in the head")
                .contains("60.0 TFLOP/s of the GPU of an executor, given")
                .contains("1,000,000 images, 20 epochs, 19,532 steps")
                .contains(
                        "150,528 bytes for photos of 500 x 375 pixels (--photo) in spark.local.dir, 2.4 GB on each of 64 executors.")
                .contains("With 64 executors: ");
        // Decoding: a million images by 8 cores of 300 images/s are 417 s, by 64 executors 6.5 s.
        assertThat(plan).containsPattern("\\n +1 +0\\.116 ").containsPattern("\\n +64 +0\\.002 ");
    }

    @Test
    void decodingLimitsIfItTakesLongerThanTheTraining() {
        String plan = plan(wish(
                1_000_000L,
                10,
                2000,
                "training.batchSize=1024",
                "training.shards=64",
                "training.epochs=1",
                "training.headInit=fresh",
                "selection.loss=fresh",
                "training.syncEvery=1000"));
        assertThat(plan)
                .contains("Decoding limits: it takes 0.054 h, the training ")
                .contains("An executor decodes 80.0 images/s, on 8 of 8 cores.")
                .contains("spark.executor.cores");
    }

    /** On each of 64 GPUs a core prepares 16 images in 160 ms and the GPU computes them in 72. */
    @Test
    void whatSharingAGpuCostsInDecodingIsSaid() {
        assertThat(plan(wish(
                        1_000_000L,
                        300,
                        100,
                        "training.batchSize=1024",
                        "training.shards=64",
                        "training.syncEvery=1000",
                        "selection.loss=fresh")))
                .contains("Preparing images limits: ", "spark.task.resource.gpu.amount=")
                .containsPattern("With tasks that share a GPU decoding takes 0\\.00\\d h in place of 0\\.002 h\\.");
    }

    @Test
    void theImageSizeOfTheSettingsIsPlannedFor() {
        assertThat(plan(wish(null, 300, 2000, "model.imageSize=384")))
                .contains(String.format(java.util.Locale.ROOT, "it takes %,d bytes", 3 * 384 * 384));
    }

    @Test
    void theHeadOfAProbeIsTheDriversAlone() {
        String[] sets = {"training.batchSize=1024", "training.shards=64", "training.epochs=1", "training.syncEvery=1000"
        };
        assertThat(plan(wish(1_000_000L, 300, 2000, sets)))
                .containsPattern(
                        "With 64 executors: The driver limits: it trains the probe's head alone, on \\d+ threads")
                .contains("Set selection.loss=fresh, so that no probe is needed, or smaller probe.epochs")
                .doesNotContain("headInit");
        assertThat(plan(wish(1_000_000L, 300, 2000, sets[0], sets[1], sets[2], sets[3], "training.headInit=probe")))
                .contains("Set selection.loss=fresh and training.headInit=fresh, so that no probe is needed");
        assertThat(plan(wish(1_000_000L, 300, 2000, "tuning.method=linear")))
                .contains("Set smaller probe.epochs, or a given probe.weightDecay (the results change).")
                .doesNotContain("headInit", "ms a step", "the training", " steps. Hours");
    }

    @Test
    void withoutANumberOfImagesThereIsNoTimeOfTheWhole() {
        assertThat(plan(wish(null, 300, 2000))).doesNotContain("Hours").contains("give --images");
    }

    @Test
    void aPhotoOfTheUserIsMeasured() throws Exception {
        Path photo =
                Files.write(folder.resolve("one.jpg"), Photos.drawn(60, 40, 1).get(0));
        assertThat(plan(measuredWith(photo))).contains("measured here for the photo " + photo);
        Path broken = Files.writeString(folder.resolve("two.jpg"), "none");
        assertThatThrownBy(() -> plan(measuredWith(broken)))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("--photo: ");
    }

    private static Wish measuredWith(Path photo) {
        return new Wish(
                "vit_tiny_patch16_224",
                settings(),
                10,
                List.of(1),
                1,
                50.0,
                null,
                1,
                10,
                null,
                null,
                20.0,
                null,
                photo.toString());
    }

    private static Wish odd(
            int tasks, @Nullable Double gflops, @Nullable Double tflops, int cores, double decode, double round) {
        return new Wish(
                LARGE,
                settings(),
                10,
                List.of(1),
                tasks,
                gflops,
                tflops,
                cores,
                10,
                decode,
                100.0,
                round,
                5L,
                "500x375");
    }

    @Test
    void oddNumbersAreRefusedWithTheirOption() {
        assertRefused(() -> odd(0, 50.0, null, 1, 100, 1), "--tasks must be in [1, 10000] for one executor, got 0");
        assertRefused(() -> odd(20_000, 50.0, null, 1, 100, 1), "--tasks must be in [1, 10000]");
        assertRefused(() -> odd(1, -3.0, null, 1, 100, 1), "--gflops must be > 0, got -3");
        assertRefused(() -> odd(1, Double.NaN, null, 1, 100, 1), "--gflops");
        assertRefused(() -> odd(1, 6e13, null, 1, 100, 1), "--gflops is in 10^9 operations a second of one task");
        assertRefused(() -> odd(1, null, 6e13, 1, 100, 1), "--tflops is in 10^12 operations a second of one GPU");
        assertRefused(() -> odd(1, null, -1.0, 1, 100, 1), "--tflops must be > 0, got -1");
        assertRefused(() -> odd(1, 50.0, 60.0, 1, 100, 1), "--gflops", "--tflops", "one of them");
        assertRefused(() -> odd(1, 50.0, null, 0, 100, 1), "--cores must be in [1, 10000]");
        assertRefused(() -> odd(1, 50.0, null, 1, 0, 1), "--decode");
        assertRefused(() -> odd(1, 50.0, null, 1, Double.POSITIVE_INFINITY, 1), "--decode");
        assertRefused(() -> odd(1, 50.0, null, 1, 100, -1), "--round must be in [0, 3600000] milliseconds, got -1");
        assertRefused(() -> wish(0L, 1, 1), "--images must be in [1, 2,147,483,647], got 0");
        assertRefused(() -> wish(3_000_000_000L, 1, 1), "--images must be in [1, 2,147,483,647]");
        assertRefused(
                () -> odd(1, 50.0, null, 1, 1e-300, 1), "--decode must be in [0.001, 1000000000] images a second");
        assertRefused(() -> odd(4, 50.0, null, 2, 100, 1), "--cores must be >= 4", "engine.blasThreads", "got 2");
        for (String photo : List.of("500X375", " ")) {
            assertRefused(
                    () -> plan(new Wish(
                            LARGE, settings(), 10, List.of(1), 1, 50.0, null, 1, 10, 1.0, 1.0, 1.0, null, photo)),
                    "--photo must be");
        }
        for (String photo : List.of("0x10", "70000x500", "100000x100000")) {
            assertRefused(
                    () -> plan(new Wish(
                            LARGE, settings(), 10, List.of(1), 1, 50.0, null, 1, 10, 1.0, 1.0, 1.0, null, photo)),
                    "--photo must have sides");
        }
    }

    private static void assertRefused(org.assertj.core.api.ThrowableAssert.ThrowingCallable work, String... words) {
        assertThatThrownBy(work).isInstanceOf(UserError.class).hasMessageContainingAll(words);
    }
}
