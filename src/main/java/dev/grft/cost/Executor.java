package dev.grft.cost;

import dev.grft.Checks;
import dev.grft.UserError;

/**
 * An executor and its network.
 *
 * @param gflops 10^9 operations a second that the large products reach: of one task on CPUs, all tasks at work; or of a GPU
 * @param gpu whether an executor has one GPU, which its tasks share
 * @param tasks of an executor at a time
 * @param gigabits 10^9 bits a second of each machine's network; infinite within one machine
 * @param feed what cores do with images
 * @param round what a round costs beside
 */
public record Executor(double gflops, boolean gpu, int tasks, double gigabits, Feed feed, Round round) {
    /** No device is faster than this, 10^9 operations a second. */
    private static final double MOST_GFLOPS = 1e7;

    private static final int MOST_TASKS = 10_000;

    public Executor {
        double given = gpu ? gflops / 1e3 : gflops;
        String rate = gpu ? "--tflops" : "--gflops";
        Checks.require(gflops > 0, rate, "> 0", given);
        if (gflops > MOST_GFLOPS) {
            throw UserError.of(
                    "%s is in 10^%d operations a second of %s, and none reaches more than %,.0f; got %s",
                    rate, gpu ? 12 : 9, gpu ? "one GPU" : "one task", gpu ? MOST_GFLOPS / 1e3 : MOST_GFLOPS, given);
        }
        Checks.require(
                tasks >= 1 && tasks <= MOST_TASKS, "--tasks", "in [1, " + MOST_TASKS + "] for one executor", tasks);
        Checks.require(gigabits > 0, "--gigabits", "> 0", gigabits);
    }

    /** Returns an executor that computes on CPUs, without the time that images take. */
    public Executor(double gflops, int tasks, double gigabits) {
        this(gflops, false, tasks, gigabits, Feed.NONE, Round.COUNTED);
    }

    /** Returns the operations a second of a whole executor. */
    double operations() {
        return gflops * 1e9 * lanes();
    }

    /** Returns the images a second that the executor decodes before the first step. */
    double decodes() {
        return feed.decoding() * feed.decoders();
    }

    /** Returns the images a second that the executor labels in predict: its cores decode a batch, then its device computes it. */
    double labels(double operationsOfImage) {
        return 1 / (operationsOfImage / operations() + 1 / (feed.decoding() * feed.cores()));
    }

    /** Returns the same executor of which so many tasks share the GPU, with a core each. */
    Executor shared(int sharing) {
        Feed with = new Feed(Math.max(sharing, feed.cores()), sharing, feed.decoding(), feed.step());
        return new Executor(gflops, gpu, sharing, gigabits, with, round);
    }

    /** Returns how many shards an executor computes at a time. */
    int lanes() {
        return gpu ? 1 : tasks;
    }

    /** Returns how many shards the busiest lane computes one after the other: a task, or a GPU. */
    private long shardsInTurn(int executors, int shards) {
        long lanes = (long) executors * lanes();
        return (shards + lanes - 1) / lanes;
    }

    /** Returns the seconds in which the slowest executor computes a step of so many operations for each shard. */
    double computing(int executors, int shards, double ofShard) {
        return shardsInTurn(executors, shards) * ofShard / (gflops * 1e9);
    }

    /**
     * Returns the seconds that the slowest executor waits for images beside. A step begins with nothing prepared, and a task prepares a shard
     * before it computes it. Tasks that share a GPU compute there one at a time, while others prepare.
     */
    double feeding(int executors, int shards, int examples, double ofShard) {
        double prepares = examples / feed.step();
        long inTurn = shardsInTurn(executors, shards);
        if (!gpu) {
            return inTurn * prepares;
        }
        double computes = ofShard / (gflops * 1e9);
        long sharing = Math.max(1, Math.min(Math.min(tasks, feed.cores()), inTurn));
        long rounds = (inTurn - 1) / sharing; // of which each task computes a shard, before the last round
        long last = inTurn - rounds * sharing;
        double cycle = Math.max(prepares + computes, sharing * computes);
        return Math.max(0, prepares + rounds * cycle + last * computes - inTurn * computes);
    }
}
