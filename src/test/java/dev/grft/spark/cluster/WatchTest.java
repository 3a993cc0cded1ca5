package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.grft.UserError;
import dev.grft.spark.verbs.OnSpark;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkException;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WatchTest extends OnSpark {
    /** A job of two tasks that end after so many twentieths of a second, if they are not killed before. */
    private static long job(int first, int second) {
        return context.parallelize(List.of(first, second), 2)
                .map(twentieths -> {
                    for (int i = 0; i < twentieths; i++) {
                        if (TaskContext.get().isInterrupted()) {
                            throw new TaskKilledException();
                        }
                        Thread.sleep(50);
                    }
                    return twentieths;
                })
                .count();
    }

    private static Exception failure(int first, int second) {
        return catchThrowableOfType(Exception.class, () -> job(first, second));
    }

    @Test
    void aThreadOfSparkThatDiesOfMemoryEndsTheJobThatWaitsForIt() throws Exception {
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        try (Watch watch = new Watch(context, 60);
                OutOfMemory threads = new OutOfMemory()) {
            threads.report(watch::fail);
            Thread getter = new Thread(() -> {
                throw new OutOfMemoryError("Java heap space");
            });
            getter.start();
            getter.join();

            Exception late = failure(600, 600);
            assertThat(watch.meaning(late))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("the driver is out of memory (Java heap space), its heap has ")
                    .hasMessageEndingWith("; raise --driver-memory");
        }
        assertThat(Thread.getDefaultUncaughtExceptionHandler()).isSameAs(before);
    }

    @Test
    void aJobWithoutTheEndOfATaskIsEndedAndSaysWhy() {
        try (Watch watch = new Watch(context, 0.5)) {
            context.setJobDescription("step 3/9 of train");

            assertThat(watch.meaning(failure(1, 600)))
                    .isInstanceOf(UserError.class)
                    .hasMessage("step 3/9 of train: no task has made progress for"
                            + " engine.timeoutSeconds, 0.5 s; look at the executors, or raise it");
        } finally {
            context.setJobDescription(null);
        }
    }

    @Test
    void aJobMayTakeLongerIfItsTasksEnd() {
        try (Watch watch = new Watch(context, 1)) {
            assertThat(job(12, 24)).isEqualTo(2); // 1.2 s, of which never 1 s without an end
            assertThat(watch).isNotNull();
        }
    }

    @Test
    void oneThatIsToStopEndsTheJobAtWorkAndEveryLaterOne() {
        try (Watch watch = new Watch(context, 60)) {
            watch.stopAfter(0.3, "time is over");

            assertThat(watch.meaning(failure(600, 600)))
                    .isInstanceOf(Stopped.class)
                    .hasMessage("time is over");
            assertThat(failure(600, 600)).isInstanceOf(SparkException.class).hasMessageContaining("cancelled");
        }
        assertThat(job(0, 0)).as("afterwards").isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whoeverCancelsTheGroupOrATagOfTheCallerCancelsItsJobs(boolean group) {
        context.setJobGroup("cell-7", "my notebook", true);
        context.addJobTag("mine");
        try {
            try (Watch watch = new Watch(context, 60)) {
                CompletableFuture<Void> cancelled = CompletableFuture.runAsync(
                        () -> {
                            if (group) {
                                context.cancelJobGroup("cell-7");
                            } else {
                                context.cancelJobsWithTag("mine");
                            }
                        },
                        CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));
                assertThat(watch.meaning(failure(200, 200)))
                        .isInstanceOf(Stopped.class)
                        .hasMessageStartingWith("its job was cancelled: Job ");
                assertThat(cancelled).succeedsWithin(10, TimeUnit.SECONDS);
            }
            assertThat(context.getLocalProperty("spark.jobGroup.id")).isEqualTo("cell-7");
            assertThat(context.getLocalProperty("spark.job.description")).isEqualTo("my notebook");
            assertThat(context.getJobTags()).containsExactly("mine");
        } finally {
            context.clearJobGroup();
            context.clearJobTags();
        }
    }

    @Test
    void jobsOfOthersAreLeftAlone() throws Exception {
        CompletableFuture<Long> other = CompletableFuture.supplyAsync(() -> job(10, 10));
        try (Watch watch = new Watch(context, 60)) {
            watch.stop("time is over");

            assertThat(other.get(60, TimeUnit.SECONDS)).isEqualTo(2);
        }
    }

    @Test
    void theUsersMistakeAndALostClusterAreToldApart() {
        try (Watch watch = new Watch(context, 60)) {
            UserError mistake = new UserError("a.png: is broken");
            assertThat(watch.meaning(mistake)).isSameAs(mistake);
            assertThat(watch.meaning(new SparkException("Job aborted due to stage failure: Task 1 failed 4 times,"
                            + " most recent failure: Lost task 1.3 (executor 7): ExecutorLostFailure (executor 7 exited"
                            + " caused by one of the running tasks)\nDriver stacktrace:")))
                    .isInstanceOf(LostCluster.class)
                    .hasMessageStartingWith("the cluster was lost: Job aborted")
                    .hasMessageNotContaining("Driver stacktrace");
            IllegalStateException ours = new IllegalStateException("a bug");
            assertThat(watch.meaning(ours)).isSameAs(ours);
        }
    }
}
