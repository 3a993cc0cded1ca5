package dev.grft.spark.cluster;

import java.io.Serializable;
import org.apache.spark.SparkContext;
import org.apache.spark.util.LongAccumulator;

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

    /** Counts images that this task has handled. */
    public void beat(long handled) {
        images.add(handled);
    }
}
