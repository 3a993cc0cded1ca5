package dev.grft.spark.cluster;

import dev.grft.UserError;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.JobSucceeded$;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.StageInfo;
import org.apache.spark.util.AccumulatorContext;
import org.apache.spark.util.AccumulatorV2;
import org.jspecify.annotations.Nullable;
import scala.Option;
import scala.collection.JavaConverters;

/**
 * Watches the jobs that the thread which made it starts on Spark, and ends them when they stop making progress or when the application
 * is to stop. The thread then gets Spark's exception, of which {@link #meaning} tells what it means. Jobs of others are left alone.
 *
 * <p>A job makes progress when one of its tasks ends, and when a running task has handled more images (see {@link Pulse}) or has read or
 * written more data. Running tasks report with the heartbeats of their executors, every 10 s by default
 * ({@code spark.executor.heartbeatInterval}).
 */
public final class Watch extends SparkListener implements AutoCloseable {
    private static final String TAGS = "spark.job.tags"; // of a job, separated by commas
    private static final String DESCRIPTION = "spark.job.description";
    private static final String SPARKS = "internal.metrics."; // what Spark itself counts in a task
    private static final String INTERRUPTS = "spark.job.interruptOnCancel";
    private static final double PATIENCE_SECONDS = 30;
    private static final List<String> CHANGED = List.of(DESCRIPTION, INTERRUPTS);

    /** What Spark says of a job that was cancelled, by its group, a tag, its number, or all jobs. */
    private static final Pattern CANCELLED = Pattern.compile("Job \\d+ cancelled[^\n]*");

    private final JavaSparkContext spark;
    private final double timeoutSeconds;
    private final String tag = "grft-" + UUID.randomUUID(); // no group: that is the caller's, which may cancel it
    private final Map<String, String> before = new HashMap<>(); // properties of the caller
    private final Map<Integer, Job> active = new ConcurrentHashMap<>(); // by number
    private final Map<Long, Long> done = new ConcurrentHashMap<>(); // of each running task, as it was last reported
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "grft-watch");
        thread.setDaemon(true);
        return thread;
    });
    private final OutOfMemory.Losses losses = new OutOfMemory.Losses();
    private volatile long progress = System.nanoTime();
    private volatile @Nullable String stuck;
    private volatile @Nullable String stopping;
    private volatile @Nullable UserError failed;
    private volatile Runnable whenStopped = () -> {};
    private volatile Consumer<String> whenWaiting = note -> {};
    private boolean waiting; // whether that was reported; only the timer reads it

    /** What a job is for, and its stages. */
    private record Job(String what, Set<Integer> stages) {}

    /**
     * Watches from now on.
     *
     * @param timeoutSeconds how long a job may go without progress
     */
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    public Watch(JavaSparkContext spark, double timeoutSeconds) {
        this.spark = spark;
        this.timeoutSeconds = timeoutSeconds;
        CHANGED.forEach(key -> before.put(key, spark.getLocalProperty(key)));
        spark.setLocalProperty(DESCRIPTION, null);
        spark.setLocalProperty(INTERRUPTS, "false"); // native code does not notice
        spark.addJobTag(tag);
        spark.sc().addSparkListener(this);
        long every = (long) (1000 * Math.min(1, timeoutSeconds / 4)) + 1;
        timer.scheduleAtFixedRate(this::look, every, every, TimeUnit.MILLISECONDS);
    }

    /** Ends the job at work, and every later one as soon as it starts. */
    public void stop(String why) {
        stopping = why;
        cancel();
        whenStopped.run();
    }

    /** Says what else to do once the work is to stop, in whatever thread. */
    public void whenStopped(Runnable more) {
        whenStopped = more;
        if (stopping != null) {
            more.run();
        }
    }

    /** Sets what to call with a note, once, when a job has waited half a minute for its first executor. */
    public void whenWaiting(Consumer<String> told) {
        whenWaiting = told;
    }

    /** Ends the work of a thread that waits for something else than a job, if it is to end. */
    public void check() {
        if (stopping != null || failed != null) {
            throw meaning(new CancellationException());
        }
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
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    public void onJobStart(SparkListenerJobStart start) {
        if (start.properties() != null
                && List.of(start.properties().getProperty(TAGS, "").split(",")).contains(tag)) {
            progress = System.nanoTime();
            active.put(
                    start.jobId(),
                    new Job(
                            start.properties().getProperty(DESCRIPTION, "a job of Spark"),
                            JavaConverters.seqAsJavaList(start.stageInfos()).stream()
                                    .map(StageInfo::stageId)
                                    .collect(Collectors.toUnmodifiableSet())));
            if (stopping != null || failed != null) {
                cancel();
            }
        }
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.taskInfo() != null) {
            done.remove(end.taskInfo().taskId());
            if (end.taskInfo().successful() && isOurs(end.stageId())) {
                progress = System.nanoTime();
            }
        }
    }

    @Override
    @SuppressWarnings("deprecation") // JavaConverters, as above
    public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
        for (var task : JavaConverters.seqAsJavaList(update.accumUpdates())) {
            if (isOurs((Integer) task._2())) {
                long now = JavaConverters.seqAsJavaList(task._4()).stream()
                        .mapToLong(Watch::done)
                        .sum();
                Long before = done.put((Long) task._1(), now);
                if (now > (before == null ? 0 : before)) {
                    progress = System.nanoTime();
                }
            }
        }
    }

    /** Returns how much a running task has done by one of its counts: images handled, records or bytes read or written. */
    private static long done(AccumulableInfo count) {
        String name = name(count);
        boolean counts = name.equals(Pulse.NAME)
                || (name.startsWith(SPARKS) && (name.endsWith("Read") || name.endsWith("Written")));
        return counts && count.update().isDefined() && count.update().get() instanceof Number number
                ? number.longValue()
                : 0;
    }

    /** Returns what a count is called; in local mode Spark leaves out the names of its own ones. */
    private static String name(AccumulableInfo count) {
        if (count.name().isDefined()) {
            return count.name().get();
        }
        Option<AccumulatorV2<?, ?>> known = AccumulatorContext.get(count.id());
        return known.isDefined() && known.get().name().isDefined()
                ? known.get().name().get()
                : "";
    }

    private boolean isOurs(int stage) {
        return active.values().stream().anyMatch(job -> job.stages.contains(stage));
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        losses.add(removed.reason(), System.nanoTime());
    }

    @Override
    public void onJobEnd(SparkListenerJobEnd end) {
        active.remove(end.jobId());
        if (end.jobResult().equals(JobSucceeded$.MODULE$)) {
            losses.over();
        }
        if (active.isEmpty()) {
            done.clear(); // the ends of tasks that were cancelled may not be reported
        }
    }

    private void look() {
        double seconds = (System.nanoTime() - progress) / 1e9;
        for (Job job : active.values()) {
            if (stuck == null && seconds > timeoutSeconds) {
                stuck = job.what;
                cancel();
            } else if (!waiting && seconds > PATIENCE_SECONDS && hasNoExecutor()) {
                waiting = true;
                whenWaiting.accept(noExecutor(spark.getConf(), job.what, "for " + PATIENCE_SECONDS + " s"));
            }
        }
    }

    private void cancel() {
        if (!spark.sc().isStopped()) {
            spark.cancelJobsWithTag(tag);
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
        Matcher cancelled = CANCELLED.matcher(String.valueOf(failure.getMessage()));
        if (cancelled.find() && !spark.sc().isStopped()) {
            return new Stopped("its job was cancelled: " + cancelled.group(), failure);
        }
        RuntimeException found = Causes.rethrown(failure);
        if (found instanceof UserError || found instanceof LostCluster) {
            return found;
        }
        if (!spark.sc().isStopped() && !Causes.isLoss(found)) {
            return found;
        }
        UserError memory = losses.error(found);
        return memory == null
                ? new LostCluster(
                        "the cluster was lost: "
                                + loss(spark.master(), spark.sc().applicationId(), found),
                        found)
                : memory;
    }

    static String loss(String master, String applicationId, RuntimeException found) {
        boolean registered = !applicationId.startsWith("spark-application-"); // Spark's own for want of one
        return master.startsWith("spark:") && !registered
                ? "no master answers at " + master + "; see that it is up and that --master is right"
                : Causes.first(found);
    }

    private RuntimeException timeout(String what, Throwable failure) {
        String limit = String.format(Locale.ROOT, "for engine.timeoutSeconds, %s s", timeoutSeconds);
        return hasNoExecutor()
                ? new LostCluster(noExecutor(spark.getConf(), what, limit), failure)
                : new UserError(
                        what + ": no task has made progress " + limit + "; look at the executors, or raise it",
                        failure);
    }

    private boolean hasNoExecutor() {
        return !spark.isLocal() && spark.sc().statusTracker().getExecutorInfos().length <= 1; // one is the driver
    }

    /** Returns what to look at if no executor comes, with what one of them needs. */
    static String noExecutor(SparkConf conf, String what, String limit) {
        return what + ": no executor has come " + limit + "; is the cluster up, and has it room for one of "
                + conf.get("spark.executor.cores", "all") + " cores (spark.executor.cores) and "
                + conf.get("spark.executor.memory", "1g") + " of memory (spark.executor.memory)?";
    }

    @Override
    public void close() {
        timer.shutdownNow();
        if (!spark.sc().isStopped()) {
            spark.sc().removeSparkListener(this);
            spark.removeJobTag(tag);
            CHANGED.forEach(key -> spark.setLocalProperty(key, before.get(key)));
        }
    }
}
