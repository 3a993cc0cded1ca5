package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.grft.UserError;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
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
    void theNoteNamesCoresAndMemoryOfAnExecutor() {
        SparkConf conf = new SparkConf(false).set("spark.executor.cores", "4");
        assertThat(Watch.noExecutor(conf, "reading the images", "for 30.0 s"))
                .isEqualTo(
                        "reading the images: no executor has come for 30.0 s; is the cluster up, and has it room for one"
                                + " of 4 cores (spark.executor.cores) and 1g of memory (spark.executor.memory)?");
    }

    @Test
    void aMasterThatNeverAnsweredIsNamed() {
        RuntimeException found = new IllegalStateException("Cannot call methods on a stopped SparkContext");
        assertThat(Watch.loss("spark://host:7077", "spark-application-1764471600000", found))
                .isEqualTo("no master answers at spark://host:7077; see that it is up and that --master is right");
        assertThat(Watch.loss("spark://host:7077", "app-20261130000000-0001", found))
                .startsWith("Cannot call methods");
        assertThat(Watch.loss("yarn", "spark-application-1764471600000", found)).startsWith("Cannot call methods");
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
        try (Watch watch = new Watch(context, 3)) {
            assertThat(job(35, 70)).isEqualTo(2); // 3.5 s, of which not much more than 1.75 s without an end
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
                            while (context.statusTracker().getActiveJobIds().length == 0) {
                                Thread.onSpinWait();
                            }
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

    private static void lose(Watch watch, String... reasons) {
        for (String reason : reasons) {
            watch.onExecutorRemoved(new SparkListenerExecutorRemoved(0, "3", reason));
        }
    }

    private static RuntimeException givenUp(Watch watch) {
        return watch.meaning(new SparkException("Max number of executor failures (3) reached"));
    }

    /** YARN and Spark on Kubernetes end an application after so many failures, and say nothing of what they were. */
    @Test
    void aClusterThatIsGivenUpBecauseExecutorsRanOutOfMemoryIsTheUsersToMend() {
        try (Watch watch = new Watch(context, 60)) {
            lose(
                    watch,
                    "Container killed by YARN for exceeding physical memory limits. 6.1 GB of 6 GB physical memory"
                            + " used.",
                    "Remote RPC client disassociated.");
            assertThat(givenUp(watch))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith(
                            "executors are out of memory (killed by the cluster), beside their heap; raise"
                                    + " spark.executor.memoryOverhead");
            lose(watch, "Container from a bad node: container_1 on host: n1. Exit status: 52. Diagnostics: [2026]");
            assertThat(givenUp(watch))
                    .isInstanceOf(UserError.class)
                    .hasMessage("an executor is out of memory (Java heap space); raise --executor-memory"
                            + " (spark.executor.memory)");
            lose(
                    watch,
                    "Container from a bad node: container_1 on host: n1. Exit status: 143. Diagnostics: is running"
                            + " beyond the 'PHYSICAL' memory limit.");
            assertThat(givenUp(watch)).hasMessageStartingWith("executors are out of memory (killed by the cluster)");
        }
    }

    @Test
    void executorsThatWereKilledWithoutAWordCountFromTheThirdOn() {
        try (Watch watch = new Watch(context, 60)) {
            String killed = "The executor with id 3 exited with exit code 137(SIGKILL, possible container OOM).";
            lose(watch, killed, killed);
            assertThat(givenUp(watch)).isInstanceOf(LostCluster.class);
            lose(watch, killed);
            assertThat(givenUp(watch))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith(
                            "executors are out of memory (killed with code 137 3 times in an hour), beside their heap");
        }
    }

    @Test
    void aClusterThatIsLostOtherwiseOrLaterIsLost() {
        try (Watch watch = new Watch(context, 60)) {
            lose(watch, "Command exited with code 1", "worker lost: 10.0.0.1:7077", "Executor heartbeat timed out");
            assertThat(givenUp(watch)).isInstanceOf(LostCluster.class);
            lose(watch, "Command exited with code 52");
            assertThat(job(0, 0)).isEqualTo(2); // the executors have recovered
            Tiny.untilHeard(context.sc());
            assertThat(givenUp(watch)).isInstanceOf(LostCluster.class);
        }
    }
}
