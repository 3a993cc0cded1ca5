package dev.grft.spark.work;

import dev.grft.data.Example;
import dev.grft.report.Progress;
import java.util.List;
import java.util.function.Consumer;

/**
 * One pass over a set of images. It is cut into Spark jobs of some batches of each shard: progress shows, and a lost task
 * costs little.
 */
final class Pass {
    /** Batches of one shard in one job: a constant, because sums depend on where they are cut. */
    static final int BATCHES = 16;

    /** Maximum number of jobs of a pass whose jobs go on from each other's result: each makes the lineage of the next longer. */
    static final int PIECES = 16;

    private Pass() {}

    /** One Spark job over a part of each shard. */
    interface Job {
        /**
         * Computes the examples of each shard at positions from {@code from} on, at most {@code count}.
         *
         * @return how many images there were, in all shards
         */
        long run(int from, int count);
    }

    /**
     * Runs jobs until all images are done.
     *
     * @param images how many there are, in all shards
     */
    static void over(long images, int batchSize, Progress.Meter meter, Job job) {
        int count = BATCHES * batchSize;
        long done = 0;
        for (int from = 0; done < images; from += count) {
            long size = job.run(from, count);
            done += size;
            meter.add(size, "");
        }
    }

    /**
     * Returns how many examples of each shard such a job takes, whole batches.
     *
     * @param largest examples of the largest shard
     */
    static int piece(int largest, int batchSize) {
        int batches = largest / batchSize + 1;
        return batchSize * Math.max(BATCHES, (batches + PIECES - 1) / PIECES);
    }

    /** Hands over batches of some examples, in their order; each example is read from its shard once. */
    static void batches(List<Example> examples, int batchSize, Consumer<List<Example>> use) {
        for (int at = 0; at < examples.size(); at += batchSize) {
            use.accept(List.copyOf(examples.subList(at, Math.min(examples.size(), at + batchSize))));
        }
    }
}
