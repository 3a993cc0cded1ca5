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
import dev.grft.data.Augment;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.Initial;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.Network;
import dev.grft.train.StepGradient;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.sql.SparkSession;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RoundsTest {
    /** A task and its copy wait for each other here. */
    private static final CyclicBarrier COPY = new CyclicBarrier(2);

    private static final int SHARDS = 3;
    private static final VitConfig CONFIG = Tiny.CONFIG.withClasses(3);
    private static final Preprocess PREPROCESS =
            new Preprocess(8, 8, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));

    private static SparkSession spark;
    private static JavaSparkContext context;
    private static ModelBroadcast model;

    private final Settings settings = settings("augmentation.crop=true", "augmentation.flip=true");
    private final SliceTuning tuning = new SliceTuning(new Selection(List.of(
            new Slices("blocks.0.mlp.fc1.weight", new MatrixShape(32, 16), Axis.ROW, 1, 30),
            new Slices("blocks.1.attn.qkv.weight", new MatrixShape(48, 16), Axis.COLUMN, 5))));
    private final Layout layout = tuning.layout(CONFIG);

    @BeforeAll
    static void start() {
        spark = Tiny.spark("local[2,3]"); // a task may fail twice
        context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        model = ModelBroadcast.of(context, CONFIG, Initial.vit(CONFIG, 1));
    }

    @AfterAll
    static void stop() {
        model.close();
    }

    private static JavaRDD<Shard> examples(int count) {
        return ExampleShards.noise(context, SHARDS, count);
    }

    private Sampler sampler(Augment augment) {
        return new Sampler(PREPROCESS, augment, Balance.NONE, settings.training(), 5, 0);
    }

    private Rounds rounds(JavaRDD<Shard> examples, Balance balance, String... sets) {
        return rounds(tuning, examples, balance, sets);
    }

    private static Rounds rounds(Tuning tuned, JavaRDD<Shard> examples, Balance balance, String... sets) {
        List<String> all =
                new ArrayList<>(List.of("augmentation.flip=true", "training.batchSize=12", "training.shards=3"));
        all.addAll(List.of(sets));
        Settings changed = Tiny.settings(all);
        MultiLayerConfiguration configuration =
                Network.configuration(tuned.layout(CONFIG), changed.training(), Penalty.NONE, 9, 3);
        return new Rounds(
                context,
                examples,
                new Sampler(PREPROCESS, changed.augmentation().toAugment(5), balance, changed.training(), 5, 0),
                new Replicas.Recipe(context, model, tuned, configuration, true, new Device("cpu", 1, false)),
                9);
    }

    @Test
    void aBatchThatIsComputedInPartsGivesTheGradientOfTheWholeAndTheSameBitsAgain() {
        JavaRDD<Shard> images = examples(40);
        StepGradient whole = rounds(images, Balance.NONE).gradient(2, trained());
        StepGradient parts =
                rounds(images, Balance.NONE, "training.microBatch=3").gradient(2, trained());

        assertThat(parts.examples()).isEqualTo(12);
        assertThat(parts.loss()).isCloseTo(whole.loss(), Offset.offset(1e-5));
        for (int i = 0; i < layout.size(); i++) {
            assertThat(parts.gradient()[i]).isCloseTo(whole.gradient()[i], Offset.offset(1e-5f));
        }
        assertThat(rounds(images, Balance.NONE, "training.microBatch=3")
                        .gradient(2, trained())
                        .gradient())
                .isEqualTo(parts.gradient());
        assertThat(rounds(images, Balance.NONE, "training.microBatch=4")
                        .gradient(2, trained())
                        .gradient())
                .isEqualTo(whole.gradient()); // each shard has four
    }

    @Test
    void droppedPathsAndTargetsDoNotDependOnHowABatchIsDivided() {
        JavaRDD<Shard> images = examples(40);
        String[] noise = {"training.dropPath=0.6", "training.labelSmoothing=0.2"};
        StepGradient whole = rounds(images, Balance.NONE, noise).gradient(1, trained());
        StepGradient parts = rounds(images, Balance.NONE, noise[0], noise[1], "training.microBatch=1")
                .gradient(1, trained());

        assertThat(whole.loss())
                .isNotCloseTo(
                        rounds(images, Balance.NONE).gradient(1, trained()).loss(), Offset.offset(0.01));
        assertThat(parts.loss()).isCloseTo(whole.loss(), Offset.offset(1e-5));
        for (int i = 0; i < layout.size(); i++) {
            assertThat(parts.gradient()[i]).isCloseTo(whole.gradient()[i], Offset.offset(1e-5f));
        }
    }

    @Test
    void lorasDropoutDoesNotDependOnHowABatchIsDivided() {
        JavaRDD<Shard> images = examples(40);
        Tuning lora = new LoraTuning(CONFIG.matrices(), 2, 1, 0.5);
        Tuning sure = new LoraTuning(CONFIG.matrices(), 2, 1, 0);
        float[] from = trained(lora.layout(CONFIG).size());
        StepGradient whole = rounds(lora, images, Balance.NONE).gradient(1, from);
        StepGradient parts =
                rounds(lora, images, Balance.NONE, "training.microBatch=2").gradient(1, from);

        assertThat(whole.loss())
                .isNotCloseTo(
                        rounds(sure, images, Balance.NONE).gradient(1, from).loss(), Offset.offset(1e-4));
        assertThat(parts.loss()).isCloseTo(whole.loss(), Offset.offset(1e-5));
        for (int i = 0; i < from.length; i++) {
            assertThat(parts.gradient()[i]).isCloseTo(whole.gradient()[i], Offset.offset(1e-5f));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"augmentation.mixup=0.8", "augmentation.cutmix=1"})
    void imagesAreMixedTheSameWhenABatchIsDivided(String mixing) {
        JavaRDD<Shard> images = examples(40);
        StepGradient whole = rounds(images, Balance.NONE, mixing).gradient(1, trained());
        StepGradient parts =
                rounds(images, Balance.NONE, mixing, "training.microBatch=2").gradient(1, trained());

        assertThat(parts.loss()).isCloseTo(whole.loss(), Offset.offset(1e-5));
        for (int i = 0; i < layout.size(); i++) {
            assertThat(parts.gradient()[i]).isCloseTo(whole.gradient()[i], Offset.offset(1e-5f));
        }
    }

    @Test
    void aStepOfDrawsTakesAsManyExamplesAsTheBatchHas() {
        JavaRDD<Shard> images = examples(40);
        Balance balance = Balance.of(images, 3, "sampler");
        StepGradient first = rounds(images, balance).gradient(0, trained());

        assertThat(first.examples()).isEqualTo(12);
        assertThat(rounds(failing(images, task -> task.attemptNumber() == 0), balance)
                        .gradient(0, trained())
                        .gradient())
                .isEqualTo(first.gradient());
    }

    private static Settings settings(String... sets) {
        List<String> all = new ArrayList<>(List.of("training.batchSize=7", "training.shards=3"));
        all.addAll(List.of(sets));
        return Tiny.settings(all);
    }

    private Rounds rounds(JavaRDD<Shard> examples) {
        return rounds(examples, settings);
    }

    private Rounds rounds(JavaRDD<Shard> examples, Settings settings) {
        Augment augment = settings.augmentation().toAugment(5);
        MultiLayerConfiguration configuration = Network.configuration(layout, settings.training(), Penalty.NONE, 9, 3);
        return new Rounds(
                context,
                examples,
                sampler(augment),
                new Replicas.Recipe(context, model, tuning, configuration, true, new Device("cpu", 1, false)),
                9);
    }

    private float[] trained() {
        return trained(layout.size());
    }

    private static float[] trained(int count) {
        float[] trained = new float[count];
        SplittableRandom random = new SplittableRandom(6);
        for (int i = 0; i < trained.length; i++) {
            trained[i] = (float) (0.1 * random.nextDouble() - 0.05);
        }
        return trained;
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

    @Test
    void aStepTakesAsManyExamplesAsTheBatchHasWhateverTheShards() {
        StepGradient gradient = rounds(examples(11)).gradient(0, trained());

        assertThat(gradient.examples()).isEqualTo(7);
        assertThat(gradient.loss() / 7).isBetween(0.5, 2.0);
        assertThat(gradient.gradient()).hasSize(layout.size()).doesNotContain(Float.NaN);
        assertThat(gradient.inputSeconds()).isPositive();
    }

    @Test
    void everyStepTakesOtherExamplesAndTheSameWhenAskedAgain() {
        Rounds rounds = rounds(examples(11));

        StepGradient first = rounds.gradient(0, trained());
        StepGradient second = rounds.gradient(1, trained());

        assertThat(rounds.gradient(0, trained()).gradient()).isEqualTo(first.gradient());
        assertThat(second.gradient()).isNotEqualTo(first.gradient());
    }

    @Test
    void theArrayOfTheVectorServesForTheNextStep() {
        Rounds rounds = rounds(examples(11));
        float[] sent = new float[layout.size()];
        StepGradient atStart = rounds.gradient(0, sent);
        System.arraycopy(trained(), 0, sent, 0, sent.length);

        assertThat(rounds.gradient(0, sent).gradient())
                .isEqualTo(rounds.gradient(0, trained()).gradient())
                .isNotEqualTo(atStart.gradient());
    }

    @Test
    void aTaskThatFailsOnceChangesNothing() {
        JavaRDD<Shard> examples = examples(11);
        Rounds undisturbed = rounds(examples);
        Rounds disturbed = rounds(failing(examples, task -> task.partitionId() == 1 && task.attemptNumber() == 0));

        StepGradient expected = undisturbed.gradient(3, trained());
        StepGradient gradient = disturbed.gradient(3, trained());
        LearnerState state = new LearnerState(trained(), new float[0], 3);
        LocalSteps expectedSteps = undisturbed.localSteps(state, 2, 0);
        LocalSteps steps = disturbed.localSteps(state, 2, 0);

        assertThat(gradient.gradient()).isEqualTo(expected.gradient());
        assertThat(gradient.loss()).isEqualTo(expected.loss());
        assertThat(steps.state()).isEqualTo(expectedSteps.state());
        assertThat(steps.state().trained()).isNotEqualTo(trained());
        assertThat(steps.examples()).isEqualTo(14);
        assertThat(steps.inputSeconds()).isPositive();
    }

    /** Spark's speculation runs a copy of a slow task on another executor, and takes the result of the first that ends. */
    @Test
    void aCopyOfATaskThatRunsBesideItGivesTheSameBits() throws Exception {
        JavaRDD<Shard> examples = examples(11);
        StepGradient expected = rounds(examples).gradient(3, trained());
        Rounds meeting = rounds(examples.mapPartitions(
                part -> {
                    if (TaskContext.getPartitionId() == 1) {
                        COPY.await(60, TimeUnit.SECONDS);
                    }
                    return part;
                },
                true));

        ExecutorService two = Executors.newFixedThreadPool(2);
        try {
            Callable<StepGradient> step = () -> meeting.gradient(3, trained());
            for (Future<StepGradient> one : two.invokeAll(List.of(step, step))) {
                assertThat(one.get().gradient()).isEqualTo(expected.gradient());
                assertThat(one.get().loss()).isEqualTo(expected.loss());
            }
        } finally {
            two.shutdownNow();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "augmentation.padding=2",
                "augmentation.flip=true",
                "augmentation.verticalFlip=true",
                "augmentation.rotate=true",
                "augmentation.randAugment=rand-m9-mstd0.5-inc1",
                "augmentation.colorJitter.brightness=0.4",
                "augmentation.colorJitter.contrast=0.4",
                "augmentation.colorJitter.saturation=0.4",
                "augmentation.colorJitter.hue=0.1",
                "augmentation.erasing.probability=1",
                "augmentation.mixup=0.8",
                "augmentation.cutmix=1"
            })
    void anAugmentationChangesTheGradientAndIsTheSameWhenAskedAgain(String key) {
        JavaRDD<Shard> examples = examples(11);
        float[] plain = rounds(examples, settings()).gradient(2, trained()).gradient();

        StepGradient gradient = rounds(examples, settings(key)).gradient(2, trained());
        Rounds disturbed =
                rounds(failing(examples, task -> task.partitionId() == 1 && task.attemptNumber() == 0), settings(key));

        assertThat(gradient.gradient()).isNotEqualTo(plain).doesNotContain(Float.NaN);
        assertThat(gradient.examples()).isEqualTo(7);
        assertThat(disturbed.gradient(2, trained()).gradient()).isEqualTo(gradient.gradient());
    }

    @Test
    void aTaskThatAlwaysFailsEndsTheRound() {
        Rounds rounds = rounds(failing(examples(11), task -> task.partitionId() == 1));

        assertThatThrownBy(() -> rounds.gradient(0, trained()))
                .isNotInstanceOf(UserError.class)
                .hasStackTraceContaining("this task is lost");
    }

    @Test
    void aShardWithoutImagesIsTheUsersMistake() {
        assertThatThrownBy(() -> rounds(examples(2)).gradient(0, trained()))
                .isInstanceOf(UserError.class)
                .hasMessage("training.shards is 3, but shard 2 has no image; use fewer shards than images");
    }
}
