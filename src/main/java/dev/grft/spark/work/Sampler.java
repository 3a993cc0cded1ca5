package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Order;
import dev.grft.data.Preprocess;
import dev.grft.spark.images.Shard;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Chooses the examples of a shard that belong to a step. The number of shards is fixed by configuration, so the batch of a step
 * and its parts are the same on any number of executors.
 */
public final class Sampler implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Preprocess preprocess;
    private final Augment augment;
    private final long seed;
    private final int batchSize;
    private final int shards;
    private final long first;

    /** Returns the sampler of a training that begins after {@code first} steps, whose examples it does not take again. */
    public Sampler(Preprocess preprocess, Augment augment, long seed, int batchSize, int shards, long first) {
        this.preprocess = preprocess;
        this.augment = augment;
        this.seed = seed;
        this.batchSize = batchSize;
        this.shards = shards;
        this.first = first;
    }

    /** Returns the number of steps of the whole training when so many of this sampler's are done. */
    long stepsDone(long steps) {
        return first + steps;
    }

    /** Returns what a step is made of, for people. */
    @Override
    public String toString() {
        return shards + " shards of " + (batchSize % shards == 0 ? "" : "about ") + Math.max(1, batchSize / shards)
                + " images";
    }

    /** Returns how many examples of each step's batch come from a shard; those of all shards sum to the batch size. */
    int share(int shard) {
        return (int) ((long) batchSize * (shard + 1) / shards - (long) batchSize * shard / shards);
    }

    /**
     * Returns a shard's part of a step's batch: the next examples of the shard's own endless order.
     *
     * @param number of the shard
     * @param step from 0
     */
    Batch batch(int number, Shard shard, long step) {
        List<Example> examples = shard.examples();
        if (examples.isEmpty()) {
            throw UserError.of(
                    "training.shards is %d, but shard %d has no image; use fewer shards than images", shards, number);
        }
        int share = share(number);
        Order order = shard.order(seed, number);
        List<Example> chosen = new ArrayList<>(share);
        long[] epochs = new long[share];
        for (int i = 0; i < share; i++) {
            long position = (first + step) * share + i;
            chosen.add(examples.get(order.index(position)));
            epochs[i] = order.epoch(position);
        }
        return Batch.augmented(chosen, preprocess, augment, epochs, 1);
    }
}
