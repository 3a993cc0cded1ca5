package dev.grft.spark.cluster;

import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongConsumer;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.util.LongAccumulator;
import scala.collection.JavaConverters;

/**
 * Counts the images that a task has handled while it runs. Spark sends the count to the driver with the executor's heartbeats,
 * where a {@link Watch} takes it as progress; Spark's pages show it for each stage and task.
 *
 * <p>A task that is run again counts its images again, so the sum is no result.
 */
public final class Pulse implements Serializable {
    /** What the count is called in Spark's pages. */
    static final String NAME = "images handled";

    private static final long serialVersionUID = 1L;

    private final LongAccumulator images;

    private Pulse(LongAccumulator images) {
        this.images = images;
    }

    /** Returns a count for the tasks of one pass over images; tasks take it along. */
    public static Pulse of(SparkContext spark) {
        return new Pulse(spark.longAccumulator(NAME));
    }

    /**
     * Returns what jobs over some images return.
     *
     * @param total how many images there are
     * @param progress takes how many more have been handled, as tasks end and as executors report; all of them in the end
     * @param jobs runs the jobs, whose tasks take the count along
     */
    public static <T> T counted(SparkContext spark, long total, LongConsumer progress, Function<Pulse, T> jobs) {
        Pulse pulse = of(spark);
        Told told = new Told(pulse.images.id(), total, progress);
        spark.addSparkListener(told);
        try {
            T result = jobs.apply(pulse);
            told.tell(total);
            return result;
        } finally {
            spark.removeSparkListener(told);
        }
    }

    /** Tells of progress while jobs run. */
    private static final class Told extends SparkListener {
        private final long count; // id of the accumulator
        private final long total;
        private final LongConsumer progress;
        private final Map<Long, Long> handled = new HashMap<>(); // by each task
        private long told;

        Told(long count, long total, LongConsumer progress) {
            this.count = count;
            this.total = total;
            this.progress = progress;
        }

        @Override
        @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
        public void onTaskEnd(SparkListenerTaskEnd end) {
            if (end.taskInfo() != null) {
                look(
                        end.taskInfo().taskId(),
                        JavaConverters.seqAsJavaList(
                                end.taskInfo().accumulables().toSeq()));
            }
        }

        @Override
        @SuppressWarnings("deprecation") // JavaConverters, as above
        public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
            for (var task : JavaConverters.seqAsJavaList(update.accumUpdates())) {
                look((Long) task._1(), JavaConverters.seqAsJavaList(task._4()));
            }
        }

        private void look(long task, List<AccumulableInfo> counts) {
            for (AccumulableInfo one : counts) {
                if (one.id() == count
                        && one.update().isDefined()
                        && one.update().get() instanceof Number number) {
                    handled.put(task, number.longValue());
                    tell(handled.values().stream().mapToLong(Long::longValue).sum());
                }
            }
        }

        /** Tells what is new. Images that are handled again, by a task that is run again, may be beyond the total. */
        synchronized void tell(long all) {
            long more = Math.min(all, total) - told;
            if (more > 0) {
                told += more;
                progress.accept(more);
            }
        }
    }

    /** Counts images that this task has handled. */
    public void beat(long handled) {
        images.add(handled);
        ExecutorGauges.images(handled);
    }
}
