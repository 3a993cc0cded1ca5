package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.grft.UserError;
import dev.grft.spark.verbs.Tiny;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Running tasks tell the driver of their progress, here by five heartbeats a second. */
class PulseTest {
    private static final double TIMEOUT = 2;

    private static final List<Long> TOLD = new CopyOnWriteArrayList<>();

    private static JavaSparkContext context;

    @BeforeAll
    static void start() {
        Tiny.noSpark();
        SparkSession spark = SparkSession.builder()
                .master("local[2]")
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.executor.heartbeatInterval", "200ms")
                .getOrCreate();
        context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        job(1, 1); // the first one takes longer
    }

    @AfterAll
    static void stop() {
        Tiny.noSpark();
    }

    /** A job of one task of some twentieths of a second, which handles an image in each of the first ones, and nothing after. */
    private static long job(int twentieths, int images) {
        return job(twentieths, images, Pulse.of(context.sc()));
    }

    private static long job(int twentieths, int images, Pulse pulse) {
        return context.parallelize(List.of(1), 1)
                .map(one -> {
                    for (int i = 0; i < twentieths; i++) {
                        if (TaskContext.get().isInterrupted()) {
                            throw new TaskKilledException();
                        }
                        Thread.sleep(50);
                        if (i < images) {
                            pulse.beat(1);
                        }
                    }
                    return one;
                })
                .count();
    }

    /** A job of one task that handles 20 images and waits twice until the driver has been told of those so far. */
    private static long jobThatWaitsToBeTold(Pulse pulse) {
        return context.parallelize(List.of(1), 1)
                .map(one -> {
                    for (int i = 0; i < 20; i++) {
                        pulse.beat(1);
                        while ((i == 6 && TOLD.isEmpty()) || (i == 13 && TOLD.size() < 2)) {
                            Thread.sleep(20);
                        }
                    }
                    return one;
                })
                .count();
    }

    @Test
    @Timeout(60)
    void theProgressOfAPassIsToldWhileItsTaskRuns() {
        TOLD.clear();

        long result = Pulse.counted(context.sc(), 21, TOLD::add, PulseTest::jobThatWaitsToBeTold);

        assertThat(result).isEqualTo(1);
        assertThat(TOLD).hasSizeGreaterThan(2).allMatch(images -> images > 0);
        assertThat(TOLD.stream().mapToLong(images -> images).sum())
                .as("one counts no image")
                .isEqualTo(21);
    }

    @Test
    void imagesThatAreHandledTwiceAreToldOnce() {
        List<Long> told = new CopyOnWriteArrayList<>();

        Pulse.counted(context.sc(), 7, told::add, pulse -> job(10, 10, pulse));

        assertThat(told.stream().mapToLong(images -> images).sum()).isEqualTo(7);
    }

    @Test
    void aTaskMayTakeLongerThanTheTimeoutWhileItHandlesImages() {
        try (Watch watch = new Watch(context, TIMEOUT)) {
            assertThat(job(60, 60)).isEqualTo(1); // 3 s
            assertThat(watch).isNotNull();
        }
    }

    @Test
    void aTaskThatHandlesNoMoreImagesIsEndedTheTimeoutLater() {
        long start = System.nanoTime();
        try (Watch watch = new Watch(context, TIMEOUT)) {
            Exception failure = catchThrowableOfType(Exception.class, () -> job(1200, 30)); // 1.5 s of images

            assertThat(watch.meaning(failure))
                    .isInstanceOf(UserError.class)
                    .hasMessage("a job of Spark: no task has made progress for engine.timeoutSeconds, 2.0 s;"
                            + " look at the executors, or raise it");
            assertThat((System.nanoTime() - start) / 1e9).isBetween(3.4, 30.0);
        }
    }

    @Test
    @Tag("thorough")
    void aTaskMayTakeLongerThanTheTimeoutWhileItReadsAShuffle() {
        try (Watch watch = new Watch(context, TIMEOUT)) {
            List<Integer> fetched = context.parallelize(List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 10)
                    .repartition(1)
                    .map(one -> {
                        Thread.sleep(300);
                        return one;
                    })
                    .collect(); // 3 s
            assertThat(fetched).hasSize(10);
            assertThat(watch).isNotNull();
        }
    }

    @Test
    @Tag("thorough")
    void theImagesOfSomebodyElsesJobAreNoProgress() {
        CompletableFuture<Long> other = CompletableFuture.supplyAsync(() -> job(1200, 1200));
        try (Watch watch = new Watch(context, TIMEOUT)) {
            long start = System.nanoTime();
            Exception failure = catchThrowableOfType(Exception.class, () -> job(1200, 0));

            assertThat(watch.meaning(failure))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining("no task has made progress");
            assertThat((System.nanoTime() - start) / 1e9).isLessThan(30); // the other takes 60 s
        }
        assertThat(other).as("the other is still at work").isNotDone();
        context.cancelAllJobs();
    }
}
