package dev.grft.cost;

import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;

/**
 * How the batch of a step is divided, and what comes back of it.
 *
 * @param batch examples of a step
 * @param shards parts of the step
 * @param examplesAtOnce examples that a task computes at once
 * @param parts whether a task adds up gradients of its parts
 * @param standing whether by standing tasks, in place of a job for each step
 * @param syncEvery steps of a round; more than one are local steps
 */
record Division(int batch, int shards, int examplesAtOnce, boolean parts, boolean standing, int syncEvery) {
    /** Vectors that a shard returns after local steps: parameters and the updater's state. */
    static final int LOCAL_VECTORS = 3;

    static Division of(Settings settings) {
        TrainingSettings training = settings.training();
        return new Division(
                training.batchSize(),
                training.shards(),
                training.examplesAtOnce(),
                training.examplesAtOnce() < training.examplesOfShard()
                        || settings.data().balance().equals("sampler"),
                settings.engine().standing(),
                training.syncEvery());
    }

    /** Returns the vectors that a shard returns: a gradient, or what local steps have made. */
    int returned() {
        return returned(syncEvery);
    }

    /** Returns the same of so many steps in a round. */
    static int returned(int syncEvery) {
        return syncEvery == 1 ? 1 : LOCAL_VECTORS;
    }

    /** Returns the same step in so many shards. */
    Division inShards(int number) {
        return new Division(batch, number, examplesAtOnce, parts, standing, syncEvery);
    }

    /** Returns the examples of the largest shard. */
    int examplesOfShard() {
        return (batch + shards - 1) / shards;
    }
}
