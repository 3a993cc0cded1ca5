package dev.grft.spark.cluster;

import dev.grft.data.BrokenImages;
import dev.grft.data.BrokenImages.Broken;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.util.AccumulatorV2;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;
import scala.collection.JavaConverters;

/**
 * What the tasks of one job have made of images by now: how many they have handled, how many of these are broken, and the names of
 * some. Running tasks report with the heartbeats of their executors. A task that is run again counts its images once.
 */
public final class Tally extends SparkListener implements AutoCloseable {
    /** Broken images that are named at most. */
    public static final int NAMED = 10_000;

    private static final int NAMED_BY_A_TASK = 1_000;
    private static final String BROKEN = "images broken"; // in Spark's pages

    private final SparkContext spark;
    private final LongAccumulator handled;
    private final LongAccumulator broken;
    private final Named named;
    private final Listener listener;
    private final Map<Long, Integer> partitions = new HashMap<>(); // of the tasks that run
    private final Map<Integer, Long> handledOf = new HashMap<>(); // by partition
    private final Map<Integer, Long> brokenOf = new HashMap<>(); // by partition
    private final Map<Integer, Map<String, String>> namedOf = new HashMap<>(); // by partition, of tasks that run

    /** What is done whenever there is something new. */
    public interface Listener {
        /**
         * Takes what there is by now.
         *
         * @param handled how many images, broken ones too
         * @param broken how many of these are broken
         */
        void at(long handled, long broken, Tally tally);
    }

    /** What a task tells of its images. */
    public static final class Counter implements Serializable {
        private static final long serialVersionUID = 1L;

        private final LongAccumulator handled;
        private final LongAccumulator broken;
        private final Named named;

        private Counter(LongAccumulator handled, LongAccumulator broken, Named named) {
            this.handled = handled;
            this.broken = broken;
            this.named = named;
        }

        /**
         * Counts an image.
         *
         * @param reason why it is broken; null if it is not
         */
        public void handled(String name, @Nullable String reason) {
            if (reason != null) {
                broken.add(1);
                named.add(new Broken(name, reason));
            }
            handled.add(1);
        }
    }

    /** The reasons of the first broken images by their names: of a task, and of the tasks that have ended. */
    private static final class Named extends AccumulatorV2<Broken, Map<String, String>> {
        private static final long serialVersionUID = 1L;

        // Not final: a heartbeat may ask for it before it is read, since Spark registers an accumulator while it is
        // read (SPARK-20977).
        private @Nullable SortedMap<String, String> reasons;

        private SortedMap<String, String> reasons() {
            if (reasons == null) {
                reasons = new TreeMap<>();
            }
            return reasons;
        }

        @Override
        public synchronized boolean isZero() {
            return reasons().isEmpty();
        }

        @Override
        public Named copy() {
            Named copy = new Named();
            copy.add(value(), NAMED);
            return copy;
        }

        @Override
        public synchronized void reset() {
            reasons().clear();
        }

        @Override
        public void add(Broken image) {
            add(Map.of(image.name(), image.reason()), NAMED_BY_A_TASK);
        }

        @Override
        public void merge(AccumulatorV2<Broken, Map<String, String>> other) {
            add(other.value(), NAMED);
        }

        private synchronized void add(Map<String, String> some, int most) {
            SortedMap<String, String> all = reasons();
            some.forEach((name, reason) -> {
                if (all.size() < most) {
                    all.putIfAbsent(name, reason);
                }
            });
        }

        @Override
        public synchronized Map<String, String> value() {
            return Map.copyOf(reasons());
        }

        synchronized List<Broken> images() {
            List<Broken> images = new ArrayList<>();
            reasons().forEach((name, reason) -> images.add(new Broken(name, reason)));
            return images;
        }

        /** A heartbeat is written while the task goes on. */
        private synchronized void writeObject(ObjectOutputStream out) throws IOException {
            out.defaultWriteObject();
        }
    }

    /** Returns nothing yet. */
    public Tally(SparkContext spark, Listener listener) {
        this.spark = spark;
        this.handled = spark.longAccumulator(Pulse.NAME);
        this.broken = spark.longAccumulator(BROKEN);
        this.named = new Named();
        this.listener = listener;
        spark.register(named); // without a name, or each task's page would show them all
        spark.addSparkListener(this);
    }

    /** Returns what tasks take along. */
    public Counter counter() {
        return new Counter(handled, broken, named);
    }

    /** Returns how many images the tasks that have ended have handled. */
    public long handled() {
        return handled.value();
    }

    /** Returns the broken images of the tasks that have ended, of all that these have handled. */
    public BrokenImages broken() {
        return broken(named, broken.value(), handled());
    }

    /**
     * Returns the broken images that are known by now, those of running tasks too.
     *
     * @param total how many images there are
     */
    public synchronized BrokenImages brokenByNow(long total) {
        Named all = named.copy();
        namedOf.values().forEach(some -> all.add(some, NAMED));
        return broken(all, Math.max(broken.value(), sum(brokenOf)), total);
    }

    /** Spark adds what a task has counted one by one, so names may be ahead of numbers. */
    private static BrokenImages broken(Named named, long count, long total) {
        List<Broken> images = named.images();
        long most = Math.max(count, images.size());
        return new BrokenImages(images, most, Math.max(most, total));
    }

    private static long sum(Map<Integer, Long> counts) {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    @Override
    public synchronized void onTaskStart(SparkListenerTaskStart start) {
        partitions.put(start.taskInfo().taskId(), start.taskInfo().partitionId());
    }

    @Override
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.taskInfo() != null) {
            namedOf.remove(end.taskInfo().partitionId()); // merged by now if the task has succeeded
            look(
                    end.taskInfo().partitionId(),
                    JavaConverters.seqAsJavaList(end.taskInfo().accumulables().toSeq()));
            partitions.remove(end.taskInfo().taskId());
        }
    }

    @Override
    @SuppressWarnings("deprecation") // JavaConverters, as above
    public synchronized void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
        for (var task : JavaConverters.seqAsJavaList(update.accumUpdates())) {
            Integer partition = partitions.get((Long) task._1());
            if (partition != null) {
                look(partition, JavaConverters.seqAsJavaList(task._4()));
            }
        }
    }

    @SuppressWarnings("unchecked") // the accumulator of that id has such elements
    private void look(int partition, List<AccumulableInfo> counts) {
        boolean ours = false;
        for (AccumulableInfo one : counts) {
            Object update = one.update().isDefined() ? one.update().get() : null;
            if (one.id() == handled.id() && update instanceof Number number) {
                handledOf.merge(partition, number.longValue(), Math::max);
                ours = true;
            } else if (one.id() == broken.id() && update instanceof Number number) {
                brokenOf.merge(partition, number.longValue(), Math::max);
                ours = true;
            } else if (one.id() == named.id() && update instanceof Map<?, ?> some) {
                namedOf.put(partition, (Map<String, String>) some);
            }
        }
        if (ours) {
            listener.at(sum(handledOf), sum(brokenOf), this);
        }
    }

    @Override
    public void close() {
        if (!spark.isStopped()) {
            spark.removeSparkListener(this);
        }
    }
}
