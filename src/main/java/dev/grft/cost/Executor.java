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
     * Returns the seconds of a step that the slowest executor waits for images beside. With a job for each step nothing is prepared when the
     * step begins, and a task prepares a shard before it computes it; tasks that share a GPU compute there one at a time, while others prepare.
     * Standing tasks prepare the first batch of a round while they wait for it, and on a GPU each batch while others compute.
     *
     * @param ofShard operations
     * @param rest seconds of a round in which nothing computes
     */
    double feeding(int executors, Division division, double ofShard, double rest) {
        int examples = division.examplesOfShard();
        int parts = gpu ? (examples + division.examplesAtOnce() - 1) / division.examplesAtOnce() : 1;
        double prepares = examples / feed.step();
        double computes = ofShard / (gflops * 1e9);
        long inTurn = shardsInTurn(executors, division.shards());
        if (!gpu) {
            double first = Math.min(examples, division.examplesAtOnce()) / feed.step();
            return inTurn * prepares - (division.standing() ? Math.min(first, rest) / division.syncEvery() : 0);
        }
        long sharing = Math.max(1, Math.min(Math.min(tasks, feed.cores()), inTurn));
        if (!division.standing()) {
            return turns(inTurn, sharing, prepares, computes);
        }
        int every = division.syncEvery();
        double within = ahead(inTurn * parts, sharing, prepares / parts, computes / parts, 0);
        double between = ahead(inTurn * parts, sharing, prepares / parts, computes / parts, rest);
        return ((every - 1) * within + between) / every;
    }

    /** Returns how long a GPU waits if tasks prepare one shard each, then compute it, and begin with nothing prepared. */
    private static double turns(long shards, long tasks, double prepares, double computes) {
        long rounds = (shards - 1) / tasks; // of which each task computes a shard, before the last round
        long last = shards - rounds * tasks;
        double cycle = Math.max(prepares + computes, tasks * computes);
        return Math.max(0, prepares + rounds * cycle + last * computes - shards * computes);
    }

    /** Returns how long a GPU waits if threads prepare one batch for each task while the batches before compute, the last ones with a rest behind. */
    private static double ahead(long batches, long tasks, double prepares, double computes, double rest) {
        long rounds = (batches - 1) / tasks;
        long last = batches - rounds * tasks;
        double step = rounds * Math.max(prepares, tasks * computes) + Math.max(prepares, last * computes + rest);
        return Math.max(0, step - batches * computes - rest);
    }
}
