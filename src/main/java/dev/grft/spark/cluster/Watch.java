package dev.grft.spark.cluster;

import dev.grft.UserError;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.jspecify.annotations.Nullable;

/**
 * Watches the jobs that the thread which made it starts on Spark, and ends them when they no longer get on or when the application
 * is to stop. The thread then gets Spark's exception, of which {@link #meaning} tells what it means. Jobs of others are left alone.
 */
public final class Watch extends SparkListener implements AutoCloseable {
    private static final String GROUP = "spark.jobGroup.id";
    private static final String DESCRIPTION = "spark.job.description";
    private static final List<String> OF_GROUP = List.of(GROUP, DESCRIPTION, "spark.job.interruptOnCancel");

    private final JavaSparkContext spark;
    private final double timeoutSeconds;
    private final String group = "grft-" + UUID.randomUUID();
    private final Map<String, String> before = new HashMap<>(); // the group of whoever called
    private final Map<Integer, String> active = new ConcurrentHashMap<>(); // what each job is for, by number
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "grft-watch");
        thread.setDaemon(true);
        return thread;
    });
    private volatile long progress = System.nanoTime();
    private volatile @Nullable String stuck;
    private volatile @Nullable String stopping;
    private volatile @Nullable UserError failed;

    /**
     * Watches from now on.
     *
     * @param timeoutSeconds how long a job may go without an end of any of its tasks
     */
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    public Watch(JavaSparkContext spark, double timeoutSeconds) {
        this.spark = spark;
        this.timeoutSeconds = timeoutSeconds;
        OF_GROUP.forEach(key -> before.put(key, spark.getLocalProperty(key)));
        spark.setJobGroup(group, null, false);
        spark.sc().addSparkListener(this);
        long every = (long) (1000 * Math.min(1, timeoutSeconds / 4)) + 1;
        timer.scheduleAtFixedRate(this::look, every, every, TimeUnit.MILLISECONDS);
    }

    /** Ends the job at work, and every later one as soon as it starts. */
    public void stop(String why) {
        stopping = why;
        cancel();
    }

    /** Does so after a time. */
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    public void stopAfter(double seconds, String why) {
        timer.schedule(() -> stop(why), (long) (seconds * 1000), TimeUnit.MILLISECONDS);
    }

    /** Ends the job at work, because of what the user has to mend first. */
    public void fail(UserError why) {
        failed = why;
        cancel();
    }

    @Override
    public void onJobStart(SparkListenerJobStart start) {
        if (start.properties() != null && group.equals(start.properties().getProperty(GROUP))) {
            progress = System.nanoTime();
            active.put(start.jobId(), start.properties().getProperty(DESCRIPTION, "a job of Spark"));
            if (stopping != null || failed != null) {
                cancel();
            }
        }
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.taskInfo() != null && end.taskInfo().successful()) {
            progress = System.nanoTime();
        }
    }

    @Override
    public void onJobEnd(SparkListenerJobEnd end) {
        active.remove(end.jobId());
    }

    private void look() {
        if (stuck == null && (System.nanoTime() - progress) / 1e9 > timeoutSeconds) {
            for (String what : active.values()) {
                stuck = what;
                cancel();
                return;
            }
        }
    }

    private void cancel() {
        if (!spark.sc().isStopped()) {
            spark.cancelJobGroup(group);
        }
    }

    /** Returns what a failure means, as an exception to throw: the reason if this watch has ended a job. */
    public RuntimeException meaning(Exception failure) {
        UserError mend = failed;
        if (mend != null) {
            return mend;
        }
        String why = stopping;
        if (why != null) {
            return new Stopped(why, failure);
        }
        String what = stuck;
        if (what != null) {
            return timeout(what, failure);
        }
        RuntimeException found = Causes.rethrown(failure);
        if (found instanceof UserError || found instanceof LostCluster) {
            return found;
        }
        return spark.sc().isStopped() || Causes.isLoss(found)
                ? new LostCluster("the cluster was lost: " + Causes.first(found), found)
                : found;
    }

    private RuntimeException timeout(String what, Throwable failure) {
        String limit = String.format(Locale.ROOT, "for engine.timeoutSeconds, %s s", timeoutSeconds);
        return spark.sc().statusTracker().getExecutorInfos().length <= 1 && !spark.isLocal() // one is the driver
                ? new LostCluster(
                        what + ": no executor has come " + limit + "; is the cluster up, and has it room for one of"
                                + " spark.executor.cores and spark.executor.memory?",
                        failure)
                : new UserError(
                        what + ": no task has ended " + limit + "; look at the executors, or raise it", failure);
    }

    @Override
    public void close() {
        timer.shutdownNow();
        if (!spark.sc().isStopped()) {
            spark.sc().removeSparkListener(this);
            OF_GROUP.forEach(key -> spark.setLocalProperty(key, before.get(key)));
        }
    }
}
