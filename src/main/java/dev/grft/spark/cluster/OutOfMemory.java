package dev.grft.spark.cluster;

import dev.grft.UserError;
import dev.grft.vit.kernels.torch.Gpu;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Memory that ran out: on the driver or an executor, in Java's heap or beside it. The user can mend all of these, and running the same
 * command again does not help.
 *
 * <p>While it is open, it also reports threads of this process that die of it. The job of such a thread of Spark would never end.
 */
public final class OutOfMemory implements Thread.UncaughtExceptionHandler, AutoCloseable {
    /** Spark keeps the trace of a task's error as text. */
    private static final Pattern IN_TASK = Pattern.compile("(?s)Lost task.*?OutOfMemoryError(?:: ([^\n]*))?");

    private static final Pattern IN_DRIVER = Pattern.compile("executor driver\\)");

    /** The JVM of an executor has ended itself; 52 is Spark's code for that. */
    private static final Pattern ENDED =
            Pattern.compile("(?i)(?:exited with code|exit code|exit status|exit code is):? 52\\b");

    /** YARN or Kubernetes have killed an executor because of its memory. */
    private static final Pattern OVER_LIMIT = Pattern.compile(
            "beyond (?:the )?'?(?:PHYSICAL|VIRTUAL)'? memory limit|exceeding (?:physical |virtual )?memory limits"
                    + "|OOMKilled|running beyond (?:physical|virtual) memory");

    /** Executors were killed without a word, which the kernel does when memory runs out, as often as Spark allows. */
    private static final Pattern KILLED = Pattern.compile(
            "failed (\\d+) times.*(?i:exited with code|exit code|exit status|exit code is):? 137\\b", Pattern.DOTALL);

    /** One executor was killed so. */
    private static final Pattern KILLED_ONCE =
            Pattern.compile("(?i)(?:exited with code|exit code|exit status|exit code is):? 137\\b");

    private static final int AGAIN_AND_AGAIN = 3;

    /** Spot nodes are taken away now and then; memory that is too small costs executors in a row. */
    private static final long ROW_NANOS = TimeUnit.HOURS.toNanos(1);

    /** What says that memory outside the heap is meant: JavaCPP's allocations. */
    private static final Pattern NATIVE = Pattern.compile("(?i)physical|native memory|totalBytes|Pointer");

    private final Thread.@Nullable UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
    private volatile Consumer<UserError> receiver = error -> {};

    /** Watches all threads of this process that have no handler of their own. */
    public OutOfMemory() {
        Thread.setDefaultUncaughtExceptionHandler(this);
    }

    /** Sets what receives the error when one of them dies of it. */
    public void report(Consumer<UserError> receiver) {
        this.receiver = receiver;
    }

    @Override
    public void uncaughtException(Thread thread, Throwable failure) {
        UserError error = of(failure);
        if (error != null) {
            receiver.accept(error);
        }
        if (before != null) {
            before.uncaughtException(thread, failure);
        } else {
            System.err.println("exception in the thread " + thread.getName() + ": " + failure);
        }
    }

    @Override
    public void close() {
        Thread.setDefaultUncaughtExceptionHandler(before);
    }

    /** Returns the error for the user if a failure comes of memory that ran out; null for any other. */
    public static @Nullable UserError of(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage());
            if (cause instanceof OutOfMemoryError) {
                return onDriver(message, failure);
            }
            String ofGpu = Gpu.outOfMemory(message);
            if (ofGpu != null) {
                return new UserError(
                        "a GPU is out of memory (" + ofGpu
                                + "); use smaller batches or engine.recompute=true, or give it fewer tasks"
                                + " (spark.task.resource.gpu.amount)",
                        failure);
            }
            Matcher inTask = IN_TASK.matcher(message);
            if (inTask.find()) {
                String what = inTask.group(1) == null ? "OutOfMemoryError" : inTask.group(1);
                return IN_DRIVER.matcher(message).find() ? onDriver(what, failure) : onExecutor(what, failure);
            }
            UserError loss = ofLoss(message, failure);
            if (loss != null) {
                return loss;
            }
            Matcher killed = KILLED.matcher(message);
            if (killed.find() && Integer.parseInt(killed.group(1)) >= AGAIN_AND_AGAIN) {
                return beyondLimit("killed with code 137 " + killed.group(1) + " times", failure);
            }
        }
        return null;
    }

    /**
     * The executors that memory has cost. A cluster that gives an application up after so many losses does not say what they were.
     */
    static final class Losses {
        private final Deque<Long> killed = new ArrayDeque<>(); // when, without a word, in the last hour
        private @Nullable String last; // why, unless the application went on

        /**
         * Takes what Spark says of an executor that is gone.
         *
         * @param now of {@link System#nanoTime}
         */
        synchronized void add(String reason, long now) {
            while (!killed.isEmpty() && now - killed.getFirst() > ROW_NANOS) {
                killed.removeFirst();
            }
            if (KILLED_ONCE.matcher(reason).find()) {
                killed.add(now);
            }
            if (of(reason, new IllegalStateException(reason)) != null) {
                last = reason;
            }
        }

        /** Notes that a job has ended well: whatever was lost did not matter. */
        synchronized void over() {
            last = null;
        }

        /** Returns the error for the user if memory has cost the executors; else null. */
        synchronized @Nullable UserError error(Throwable failure) {
            return last == null ? null : of(last, failure);
        }

        private @Nullable UserError of(String reason, Throwable failure) {
            UserError told = ofLoss(reason, failure);
            return told == null
                            && killed.size() >= AGAIN_AND_AGAIN
                            && KILLED_ONCE.matcher(reason).find()
                    ? beyondLimit("killed with code 137 " + killed.size() + " times in an hour", failure)
                    : told;
        }
    }

    /** Returns the error of an executor that has ended itself, or that was killed with a word; null for any other. */
    private static @Nullable UserError ofLoss(String message, Throwable failure) {
        if (ENDED.matcher(message).find()) {
            return onExecutor("Java heap space", failure);
        }
        return OVER_LIMIT.matcher(message).find() ? beyondLimit("killed by the cluster", failure) : null;
    }

    private static UserError onDriver(String what, Throwable failure) {
        return new UserError(
                NATIVE.matcher(what).find()
                        ? "the driver is out of memory (" + what
                                + "), beside its heap; use fewer tasks (--master 'local[1]'),"
                                + " smaller batches or engine.recompute=true"
                        : "the driver is out of memory (" + what + "), its heap has "
                                + megabytes(Runtime.getRuntime().maxMemory()) + "; raise --driver-memory",
                failure);
    }

    private static UserError onExecutor(String what, Throwable failure) {
        return NATIVE.matcher(what).find()
                ? beyondLimit(what, failure)
                : new UserError(
                        "an executor is out of memory (" + what + "); raise --executor-memory (spark.executor.memory)",
                        failure);
    }

    private static UserError beyondLimit(String what, Throwable failure) {
        return new UserError(
                "executors are out of memory (" + what
                        + "), beside their heap; raise spark.executor.memoryOverhead, or use"
                        + " fewer spark.executor.cores, smaller batches or engine.recompute=true",
                failure);
    }

    private static String megabytes(long bytes) {
        return String.format(Locale.ROOT, "%.0f MB", bytes / 1e6);
    }
}
