package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.spark.cluster.ExecutorGauges;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Shard;
import java.util.Iterator;

/** A shard's part of the batches of steps, which notes how long its task waits for them, and counts the images. */
final class StepInput {
    private final Sampler batches;
    private final int number;
    private final Shard shard;
    private final Pulse pulse;
    private final long started = System.nanoTime();
    private double seconds;

    /**
     * Returns the input of a shard.
     *
     * @param part has the shard, which is made or found when it is asked for
     */
    StepInput(Sampler batches, int number, Iterator<Shard> part, Pulse pulse) {
        this.batches = batches;
        this.number = number;
        this.pulse = pulse;
        this.shard = part.next();
        waited(started);
    }

    private void waited(long start) {
        seconds += (System.nanoTime() - start) / 1e9;
    }

    /** Notes that the task has made its part of some steps, and returns how long it has waited. */
    double computed(int steps) {
        ExecutorGauges.steps(
                steps, (System.nanoTime() - started) / 1e9, seconds, FrozenCache.taken(), Replicas.bytes());
        return seconds;
    }

    /** Returns the batches of a step, each read when it is asked for. */
    Iterator<Batch> of(long step) {
        Iterator<Batch> read = batches.batches(number, shard, step).iterator();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                long start = System.nanoTime();
                boolean more = read.hasNext(); // a stream's iterator reads here
                waited(start);
                return more;
            }

            @Override
            public Batch next() {
                Batch batch = read.next();
                pulse.beat(batch.size());
                return batch;
            }
        };
    }
}
