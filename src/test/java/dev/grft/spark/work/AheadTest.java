package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.rounds.Worker;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Warnings;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.LearnerState;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.spark.api.java.JavaRDD;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is prepared before a step begins. */
class AheadTest {
    private static final int IMAGES = 8; // of each shard

    @TempDir
    private Path folder;

    @BeforeAll
    static void start() {
        StandingRoundsTest.start();
    }

    @AfterAll
    static void stop() {
        StandingRoundsTest.stop();
    }

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        assertNothingIsLeft();
    }

    /** Waits for the end of threads, so that those of the next test are its own. */
    static void assertNothingIsLeft() throws InterruptedException {
        Ahead.threads(null);
        until(() -> !threadsPrepare());
        assertThat(Ahead.held()).as("what is held after all tasks have ended").isZero();
    }

    private static Sampler sampler(String... more) {
        return sampler(0, more);
    }

    private static Sampler sampler(long first, String... more) {
        return sampler(first, Balance.NONE, more);
    }

    private static Sampler sampler(long first, Balance balance, String... more) {
        List<String> sets = new ArrayList<>(List.of(more));
        sets.addAll(0, List.of("augmentation.flip=true", "training.batchSize=8", "training.shards=4"));
        Settings settings = Tiny.settings(sets);
        return new Sampler(
                new Preprocess(8, 8, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1)),
                settings.augmentation().toAugment(5),
                balance,
                settings.training(),
                5,
                first);
    }

    private Shard shard(int number) {
        return ExampleShards.in(folder.resolve("shard-" + number).toFile(), images(number));
    }

    private static List<Example> images(int shard) {
        return IntStream.range(0, IMAGES)
                .mapToObj(i -> {
                    byte[] rgb = new byte[3 * 64];
                    rgb[i] = (byte) shard;
                    Pixels pixels = new Pixels(8, 8, rgb);
                    return new Example(i, Target.ofClass(0), "image " + i, pixels, pixels, 1);
                })
                .toList();
    }

    /** Makes all later reads of a shard fail. */
    static void damage(String files) {
        for (String file : files.split(" ", -1)) {
            try (RandomAccessFile open = new RandomAccessFile(file, "rw")) {
                open.setLength(0);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static Packet order(long step) {
        return Packets.order(step, new float[3]);
    }

    private static Worker.Coming<Packet> coming(long step, Integer... given) {
        return new Worker.Coming<>(order(step), List.of(), List.of(given));
    }

    private static Ahead.Task begun(Ahead.Task task, Packet order, Worker.Coming<Packet> coming, int number, Shard of) {
        task.of(order, () -> coming).begins(number, of);
        return task;
    }

    private static Batch unwanted() {
        throw new AssertionError("it was not prepared");
    }

    static void until(BooleanSupplier there) throws InterruptedException {
        for (int i = 0; i < 60_000 && !there.getAsBoolean(); i++) {
            Thread.sleep(1);
        }
        assertThat(there.getAsBoolean()).isTrue();
    }

    static boolean threadsPrepare() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().equals("grft-ahead"));
    }

    @Test
    void thereIsAtMostOneForEachTask() {
        try (Shard zero = shard(0);
                Shard one = shard(1)) {
            Ahead.Task task = Ahead.enter("a training", sampler(), 9, false);
            try (task) {
                Worker.Coming<Packet> coming = coming(0, 0, 1);
                begun(task, order(0), coming, 0, zero);
                begun(task, order(0), coming, 1, one);
                assertThat(task.prepare(coming, () -> false)).isTrue();
                assertThat(task.prepare(coming, () -> false)).isFalse();
                try (Ahead.Task second = Ahead.enter("a training", sampler(), 9, false)) {
                    assertThat(second.prepare(coming, () -> false)).isTrue();
                    assertThat(second.prepare(coming, () -> false)).isFalse();
                    assertThat(Ahead.held()).isEqualTo(2);
                }
                assertThat(Ahead.held()).isEqualTo(1);
                assertThat(threadsPrepare()).isFalse();
            }
        }
    }

    @Test
    void whatATaskPreparesIsWhatTheStepReads() {
        try (Shard zero = shard(0);
                Ahead.Task task = Ahead.enter("a training", sampler(), 9, false)) {
            Batch expected = sampler().batches(0, zero, 1).get(0);
            begun(task, order(0), coming(0, 0), 0, zero);
            assertThat(task.prepare(coming(0, 0), () -> false)).isTrue();
            damage(zero.toString());
            begun(task, order(1), coming(1, 0), 0, zero);
            Batch taken = task.take(0, 1, 0, AheadTest::unwanted);
            assertThat(taken.images()).isEqualTo(expected.images());
            assertThat(taken.seeds()).isEqualTo(expected.seeds());
            assertThat(Ahead.held()).isZero();
        }
    }

    @Test
    void roundsOfLocalStepsBeginWithTheFirstStepOfTheNextRound() {
        try (Shard zero = shard(0);
                Ahead.Task task = Ahead.enter("a training", sampler(), 9, false)) {
            Packet round = Packets.order(new LearnerState(new float[3], new float[0], 2), 3, 0);
            Worker.Coming<Packet> coming = new Worker.Coming<>(round, List.of(), List.of(0));
            begun(task, round, coming, 0, zero);
            assertThat(task.prepare(coming, () -> false)).isTrue();
            assertThat(task.take(0, 5, 0, AheadTest::unwanted).size()).isEqualTo(2);
        }
    }

    @Test
    void aShardThatHasMovedAwayAndAStepThatIsOverAreDropped() {
        try (Shard zero = shard(0);
                Shard one = shard(1);
                Ahead.Task task = Ahead.enter("a training", sampler(), 99, false)) {
            begun(task, order(0), coming(0, 0), 0, zero);
            assertThat(task.prepare(coming(0, 0), () -> false)).isTrue();
            begun(task, order(1), coming(1, 1), 1, one); // 0 is elsewhere
            assertThat(Ahead.held()).isZero();
            assertThat(task.prepare(coming(1, 1), () -> false)).isTrue();
            begun(task, order(7), coming(7, 1), 1, one);
            assertThat(Ahead.held()).isZero();
            assertThat(task.prepare(coming(7, 1), () -> false)).isTrue();
            Worker.Coming<Packet> early = new Worker.Coming<>(null, List.of(), List.of());
            assertThat(task.prepare(early, () -> false))
                    .as("a heartbeat came before the shards of the next round")
                    .isFalse();
            assertThat(Ahead.held()).isEqualTo(1);
            begun(task, order(3), coming(3, 1), 1, one);
            assertThat(Ahead.held()).as("the training went back").isZero();
        }
    }

    @Test
    void afterTheLastStepNothingIsPrepared() {
        try (Shard zero = shard(0)) {
            for (int first : new int[] {0, 3}) { // steps that were made before this training was resumed
                int last = 8 - first;
                try (Ahead.Task task = Ahead.enter("a training", sampler(first), 9, false)) {
                    begun(task, order(last), coming(last, 0), 0, zero);
                    assertThat(task.prepare(coming(last, 0), () -> false)).isFalse();
                    begun(task, order(last - 1), coming(last - 1, 0), 0, zero);
                    assertThat(task.prepare(coming(last - 1, 0), () -> false)).isTrue();
                }
            }
        }
    }

    /** Of four draws, some steps have none of the first shard. */
    @Test
    void aStepThatTakesNothingOfAShardTakesNoRoom() {
        JavaRDD<Example> all = StandingRoundsTest.context
                .parallelize(List.of(0, 1, 2, 3), 4)
                .flatMap(shard -> images(shard).iterator());
        Sampler drawing = sampler(0, Balance.of(ExampleShards.of(all), 1, "sampler"), "training.batchSize=4");
        try (Shard zero = shard(0);
                Shard last = shard(3);
                Ahead.Task task = Ahead.enter("a training", drawing, 999, false)) {
            long step = LongStream.range(1, 900)
                    .filter(i -> drawing.batches(0, zero, i).isEmpty()
                            && !drawing.batches(3, last, i).isEmpty())
                    .findFirst()
                    .getAsLong();
            Worker.Coming<Packet> before = coming(step - 1, 0, 3);
            begun(task, order(step - 1), before, 0, zero);
            assertThat(task.prepare(before, () -> false)).isFalse();
            begun(task, order(step - 1), before, 3, last);
            assertThat(task.prepare(before, () -> false)).isTrue();
            assertThat(task.take(3, step, 0, AheadTest::unwanted).size()).isPositive();
        }
    }

    @Test
    void aTaskThatIsToEndReadsNoFurther() throws Exception {
        try (Shard zero = shard(0);
                Ahead.Task task = Ahead.enter("a training", sampler(), 9, false)) {
            begun(task, order(0), coming(0, 0), 0, zero);
            AtomicInteger images = new AtomicInteger();
            List<String> warnings = Warnings.of(
                    Ahead.class,
                    () -> assertThat(task.prepare(coming(0, 0), () -> images.incrementAndGet() == 2))
                            .isTrue());
            assertThat(images)
                    .as("asked before the second image, which was not read")
                    .hasValue(2);
            assertThat(warnings).isEmpty();
            Batch expected = sampler().batches(0, zero, 1).get(0);
            Batch read = task.take(0, 1, 0, () -> expected);
            assertThat(read).as("another task needs it after all").isSameAs(expected);
        }
    }

    /** As if nothing had been prepared: by the task that needs the batch, in its step. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aBrokenImageFailsWhereItIsNeededAndIsLogged(boolean beside) throws Exception {
        Ahead.threads(beside);
        try (Shard zero = shard(0);
                Ahead.Task task = Ahead.enter("a training", sampler(), 9, beside)) {
            begun(task, order(0), coming(0, 0), 0, zero);
            damage(zero.toString());
            List<String> warnings = Warnings.of(Ahead.class, () -> {
                assertThat(task.prepare(coming(0, 0), () -> false)).isTrue();
                until(() -> Ahead.ready() == 1);
            });
            assertThat(warnings)
                    .containsExactly("shard 0: its images for step 2 could not be prepared ahead;"
                            + " the task that needs them prepares them again");
            assertThatThrownBy(() -> task.take(
                            0, 1, 0, () -> sampler().batches(0, zero, 1).get(0)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageMatching(".*shard-0: image \\d cannot be read back: .*")
                    .satisfies(e -> assertThat(e.getStackTrace())
                            .anyMatch(frame -> frame.getMethodName().equals("take")));
        }
    }

    /** On a GPU: the shard's next batch, then the next local step, then the next shard, then the next round. */
    @Test
    void aThreadPreparesTheNextBatchWhileATaskComputes() throws Exception {
        Ahead.threads(true);
        try (Shard zero = shard(0);
                Shard one = shard(1);
                Ahead.Task task = Ahead.enter("a training", sampler("training.microBatch=1"), 99, true)) {
            Packet round = Packets.order(new LearnerState(new float[3], new float[0], 0), 2, 0);
            Worker.Coming<Packet> both = new Worker.Coming<>(round, List.of(1), List.of(0, 1));
            begun(task, round, both, 0, zero);
            begun(task, round, both, 1, one); // known from a round before
            task.of(round, () -> both);
            task.computes(0, 0, 1, 2);
            task.take(0, 0, 1, AheadTest::unwanted);
            task.computes(0, 0, 2, 2);
            task.take(0, 1, 0, AheadTest::unwanted);
            task.computes(0, 1, 2, 2);
            task.take(1, 0, 0, AheadTest::unwanted);
            Worker.Coming<Packet> last = new Worker.Coming<>(round, List.of(), List.of(0, 1));
            task.of(round, () -> last).computes(1, 1, 2, 2);
            task.take(0, 2, 0, AheadTest::unwanted);
            assertThat(threadsPrepare()).isTrue();
        }
        until(() -> !threadsPrepare());
    }

    /** The slowest shard decides when a step ends, so a task that is done takes no room from one that computes. */
    @Test
    void aTaskThatWaitsLeavesRoomForOneThatComputes() throws Exception {
        Ahead.threads(true);
        try (Shard zero = shard(0);
                Shard one = shard(1);
                Ahead.Task first = Ahead.enter("a training", sampler("training.microBatch=1"), 99, true);
                Ahead.Task slow = Ahead.enter("a training", sampler("training.microBatch=1"), 99, true)) {
            Packet round = Packets.order(new LearnerState(new float[3], new float[0], 0), 4, 0);
            Worker.Coming<Packet> coming = new Worker.Coming<>(round, List.of(), List.of(0, 1));
            begun(first, round, coming, 0, zero);
            begun(slow, round, coming, 1, one);
            first.computes(0, 3, 2, 2); // its last batch
            first.prepare(coming, () -> false);
            for (int i = 1; i < 8; i++) {
                slow.computes(1, (i - 1) / 2, 1 + (i - 1) % 2, 2);
                slow.take(1, i / 2, i % 2, AheadTest::unwanted);
            }
            first.take(0, 4, 0, AheadTest::unwanted);
        }
    }

    @Test
    void threadsEndWithTheLastTaskAlsoInTheMiddleOfABatch() throws Exception {
        Ahead.threads(true);
        try (Shard zero = shard(0)) {
            Sampler large = sampler("training.batchSize=400000", "training.microBatch=100000");
            Ahead.Task task = Ahead.enter("a training", large, 9, true);
            begun(task, order(0), coming(0, 0), 0, zero);
            assertThat(task.prepare(coming(0, 0), () -> false)).isTrue();
            until(AheadTest::threadsPrepare);
            assertThat(Ahead.held()).isEqualTo(1);
            task.close();
            assertThat(Ahead.held()).isZero();
            until(() -> !threadsPrepare());
        }
    }

    @Test
    void aThreadThatIsInterruptedReadsNoFurther() {
        try (Shard zero = shard(0)) {
            List<Batch> batches = sampler().batches(0, zero, 0);
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> batches.get(0)).isInstanceOf(CancellationException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(batches.get(0).size()).isEqualTo(2);
        }
    }
}
