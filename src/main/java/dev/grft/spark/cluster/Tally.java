package dev.grft.spark.cluster;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
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
import org.apache.spark.util.CollectionAccumulator;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;
import scala.collection.JavaConverters;

/**
 * What the tasks of one job have made of images by now: how many they have handled, and which are broken. Running tasks report with
 * the heartbeats of their executors. A task that is run again counts its images once.
 */
public final class Tally extends SparkListener implements AutoCloseable {
    private final SparkContext spark;
    private final LongAccumulator handled;
    private final CollectionAccumulator<Tuple2<String, String>> broken;
    private final Listener listener;
    private final Map<Long, Integer> partitions = new HashMap<>(); // of the tasks that run
    private final Map<Integer, Long> handledOf = new HashMap<>(); // by partition
    private final SortedMap<String, String> reasons = new TreeMap<>(); // of the broken images, by name

    /** What is done whenever there is something new. */
    public interface Listener {
        /**
         * Takes what there is by now.
         *
         * @param handled how many images, broken ones too
         */
        void at(long handled, Tally tally);
    }

    /** What a task tells of its images. */
    public static final class Counter implements Serializable {
        private static final long serialVersionUID = 1L;

        private final LongAccumulator handled;
        private final CollectionAccumulator<Tuple2<String, String>> broken;

        private Counter(LongAccumulator handled, CollectionAccumulator<Tuple2<String, String>> broken) {
            this.handled = handled;
            this.broken = broken;
        }

        /**
         * Counts an image.
         *
         * @param reason why it is broken; null if it is not
         */
        public void handled(String name, @Nullable String reason) {
            if (reason != null) {
                broken.add(new Tuple2<>(name, reason));
            }
            handled.add(1);
        }
    }

    /** Returns nothing yet. */
    public Tally(SparkContext spark, Listener listener) {
        this.spark = spark;
        this.handled = spark.longAccumulator(Pulse.NAME);
        this.broken = new CollectionAccumulator<>();
        this.listener = listener;
        spark.register(broken); // without a name, or each task's page would show them all
        spark.addSparkListener(this);
    }

    /** Returns what tasks take along. */
    public Counter counter() {
        return new Counter(handled, broken);
    }

    /** Returns how many images the tasks that have ended have handled. */
    public long handled() {
        return handled.value();
    }

    /** Returns the reasons of all broken images that are known by now, by name; a copy. */
    public synchronized SortedMap<String, String> broken() {
        add(broken.value());
        return new TreeMap<>(reasons);
    }

    private synchronized void add(Collection<Tuple2<String, String>> some) {
        for (Tuple2<String, String> one : new ArrayList<>(some)) {
            reasons.put(one._1(), one._2());
        }
    }

    @Override
    public synchronized void onTaskStart(SparkListenerTaskStart start) {
        partitions.put(start.taskInfo().taskId(), start.taskInfo().partitionId());
    }

    @Override
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.taskInfo() != null) {
            add(broken.value());
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
            } else if (one.id() == broken.id() && update instanceof Collection<?> some) {
                add((Collection<Tuple2<String, String>>) some);
                ours = true;
            }
        }
        if (ours) {
            listener.at(handledOf.values().stream().mapToLong(Long::longValue).sum(), this);
        }
    }

    @Override
    public void close() {
        if (!spark.isStopped()) {
            spark.removeSparkListener(this);
        }
    }
}
