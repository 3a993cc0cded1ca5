package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.spark.cluster.ExecutorGauges;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Shard;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** A shard's part of the batches of steps, which notes how long its task waits for them, and counts the images. */
final class StepInput {
    private final Sampler batches;
    private final int number;
    private final Shard shard;
    private final Pulse pulse;
    private final Ahead.@Nullable Task ahead;
    private final long started = System.nanoTime();
    private double seconds;

    /**
     * Returns the input of a shard.
     *
     * @param part has the shard, which is made or found when it is asked for
     * @param ahead has what was prepared before; null if nothing is
     */
    StepInput(Sampler batches, int number, Iterator<Shard> part, Pulse pulse, Ahead.@Nullable Task ahead) {
        this.batches = batches;
        this.number = number;
        this.pulse = pulse;
        this.ahead = ahead;
        this.shard = part.next();
        if (ahead != null) {
            ahead.begins(number, shard);
        }
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

    /** Returns the batches of a step, each read when {@code hasNext} comes to it, if it was not prepared before. */
    Iterator<Batch> of(long step) {
        List<Batch> all = batches.batches(number, shard, step);
        return new Iterator<>() {
            private int next;
            private @Nullable Batch read;

            @Override
            public boolean hasNext() {
                if (read == null && next < all.size()) {
                    long start = System.nanoTime();
                    read = ahead == null ? all.get(next) : ahead.take(number, step, next, () -> all.get(next));
                    waited(start);
                }
                return read != null;
            }

            @Override
            public Batch next() {
                if (!hasNext() || read == null) {
                    throw new NoSuchElementException();
                }
                Batch batch = read;
                read = null;
                next++;
                pulse.beat(batch.size());
                if (ahead != null) {
                    ahead.computes(number, step, next, all.size());
                }
                return batch;
            }
        };
    }
}
