package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.UserError;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory that ran out is for the user to mend, wherever it was; the messages are Spark's, YARN's and Kubernetes'. */
class OutOfMemoryTest {
    private static RuntimeException aborted(int times, String where, String what) {
        return Causes.rethrown(
                new SparkException("Job aborted due to stage failure: Task 0 in stage 1.0 failed " + times
                        + " times, most recent failure: Lost task 0.3 in stage 1.0 (TID 7) (" + where + "): " + what
                        + "\n\tat dev.grft.spark.work.Rounds\nDriver stacktrace:"));
    }

    @Test
    void ofTheDriverNamesItsHeap() {
        assertThat(Causes.rethrown(new IllegalStateException(new OutOfMemoryError("Java heap space"))))
                .isInstanceOf(UserError.class)
                .hasMessage("the driver is out of memory (Java heap space), "
                        + String.format(
                                java.util.Locale.ROOT,
                                "its heap has %.0f MB; raise --driver-memory",
                                Runtime.getRuntime().maxMemory() / 1e6));
        assertThat(aborted(1, "localhost executor driver", "java.lang.OutOfMemoryError: Java heap space"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("the driver is out of memory (Java heap space), its heap has");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "java.lang.OutOfMemoryError: Java heap space",
                "java.lang.IllegalStateException: in a task\nCaused by: java.lang.OutOfMemoryError: GC overhead limit exceeded",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Command exited with code 52",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: The executor with id 3 exited"
                        + " with exit code 52(JVM OOM).",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container from a bad node:"
                        + " container_1 on host: n1. Exit status: 52. Diagnostics: [2026-01-01]"
            })
    void ofAnExecutorsHeapNamesExecutorMemory(String said) {
        assertThat(aborted(4, "10.0.0.1 executor 3", said))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("an executor is out of memory (")
                .hasMessageEndingWith("; raise --executor-memory (spark.executor.memory)");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "java.lang.OutOfMemoryError: Physical memory usage is too high: physicalBytes (6G) > maxPhysicalBytes (5G)",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container killed by YARN for"
                        + " exceeding physical memory limits. 6.1 GB of 6 GB physical memory used.",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Command exited with code 137",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: The executor with id 3 exited"
                        + " with exit code 137(SIGKILL, possible container OOM).",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container from a bad node:"
                        + " container_1 on host: n1. Exit status: 137. Diagnostics: Killed"
            })
    void ofAnExecutorBesideItsHeapNamesTheOverhead(String said) {
        assertThat(aborted(4, "10.0.0.1 executor 3", said))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("executors are out of memory (")
                .hasMessageContaining("; raise spark.executor.memoryOverhead, or use fewer spark.executor.cores");
    }

    @Test
    void ofAGpuNamesWhatItHas() {
        assertThat(
                        aborted(
                                4,
                                "10.0.0.1 executor 3",
                                "java.lang.RuntimeException: "
                                        + "CUDA out of memory. Tried to allocate 2.30 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.44 GiB is free."))
                .isInstanceOf(UserError.class)
                .hasMessage("a GPU is out of memory (2.30 GiB more of the GPU's 79.10 GiB); use smaller batches or"
                        + " engine.recompute=true, or give it fewer tasks (spark.task.resource.gpu.amount)");
    }

    @ParameterizedTest
    @CsvSource({"2, 137", "4, 1", "4, 143", "4, 152"})
    void anExecutorThatWasKilledOnceOrEndedOtherwiseIsALoss(int times, int code) {
        RuntimeException failure = aborted(
                times,
                "10.0.0.1 executor 3",
                "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Command exited with code "
                        + code);
        assertThat(failure).isNotInstanceOf(UserError.class);
        assertThat(Causes.isLoss(failure)).isTrue();
    }

    /** Spot nodes that are taken away look the same, but do not come in a row. */
    @Test
    void executorsThatWereKilledCountForAnHour() {
        String killed = "Command exited with code 137";
        OutOfMemory.Losses losses = new OutOfMemory.Losses();
        long begin = Long.MAX_VALUE - 5; // of nanoTime, which may pass over its end
        for (int minutes : new int[] {0, 40, 80, 120, 160}) {
            losses.add(killed, begin + TimeUnit.MINUTES.toNanos(minutes));
            assertThat(losses.error(new IllegalStateException())).isNull();
        }

        losses.add(killed, begin + TimeUnit.MINUTES.toNanos(161));

        assertThat(losses.error(new IllegalStateException()))
                .hasMessageStartingWith("executors are out of memory (killed with code 137 3 times in an hour)");
    }

    @Test
    void moreThanTheDriverMayGatherNamesTheSetting() {
        assertThat(Causes.rethrown(new SparkException(
                        "Job aborted due to stage failure: Total size of serialized results of 4 tasks"
                                + " (1315.6 MiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)")))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "Total size of serialized results of 4 tasks (1315.6 MiB) is bigger than spark.driver.maxResultSize"
                                + " (1024.0 MiB); raise it, or set it to 0 for no limit");
    }
}
