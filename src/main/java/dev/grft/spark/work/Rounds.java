package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.data.Batch;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Shard;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Gradients from executors, one Spark job a round: the trained vector goes out by broadcast, each shard computes its part,
 * the parts come back and are added up over a binary tree whose leaves are the shards. A task that is run again returns the same bits.
 */
public final class Rounds implements RoundSource {
    private final JavaSparkContext spark;
    private final JavaRDD<Shard> shards;
    private final Sampler sampler;
    private final Replicas.Recipe recipe;
    private final long steps;
    private final Pulse pulse;

    /**
     * Returns gradients of these shards.
     *
     * @param steps of the whole training, for people
     */
    public Rounds(JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps) {
        this.spark = spark;
        this.shards = shards;
        this.sampler = sampler;
        this.recipe = recipe;
        this.steps = steps;
        this.pulse = Pulse.of(spark.sc());
    }

    /**
     * Returns gradients of these shards, by jobs or by standing tasks.
     *
     * @param reach of the session; after an executor could not connect, there are no standing tasks
     * @param standing whether by standing tasks, as long as all executors reach the driver
     * @param steps of the whole training, for people; standing tasks prepare nothing after them
     * @throws UserError if there can be none
     */
    public static RoundSource of(
            Reach reach,
            boolean standing,
            JavaSparkContext spark,
            JavaRDD<Shard> shards,
            Sampler sampler,
            Replicas.Recipe recipe,
            long steps) {
        Rounds jobs = new Rounds(spark, shards, sampler, recipe, steps);
        return standing && !reach.isGivenUp()
                ? new StandingOrJobs(new StandingRounds(spark, shards, sampler, recipe, steps), jobs, reach)
                : jobs;
    }

    /** Returns the trained vector, which is broadcast, and a gradient from each shard. */
    @Override
    public int vectors() {
        return 1 + shards.getNumPartitions();
    }

    @Override
    public StepGradient gradient(long step, float[] trained) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        Pulse handled = pulse;
        try (Exchange<float[], StepGradient> exchange = Exchange.of(spark, trained)) {
            return exchange.sum(
                    collect(
                            "step " + sampler.stepsDone(step + 1),
                            shards.mapPartitionsWithIndex(
                                    (shard, part) -> {
                                        StepInput input = new StepInput(batches, shard, part, handled, null);
                                        Iterator<Batch> some = input.of(step);
                                        return (some.hasNext()
                                                        ? List.of(exchange.answer(
                                                                shard,
                                                                vector -> Replicas.with(network, replica -> {
                                                                    replica.load(vector);
                                                                    return replica.gradient(some)
                                                                            .after(input.computed(1));
                                                                })))
                                                        : List.<Exchange.Part<StepGradient>>of())
                                                .iterator();
                                    },
                                    true)),
                    StepGradient::plus);
        }
    }

    @Override
    public LocalSteps localSteps(LearnerState from, int count, double clipNorm) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        Pulse handled = pulse;
        try (Exchange<LearnerState, LocalSteps> exchange = Exchange.of(spark, from)) {
            return exchange.sum(
                    collect(
                            "steps " + sampler.stepsDone(from.step() + 1) + " to "
                                    + sampler.stepsDone(from.step() + count),
                            shards.mapPartitionsWithIndex(
                                    (shard, part) -> {
                                        StepInput input = new StepInput(batches, shard, part, handled, null);
                                        return List.of(exchange.answer(
                                                        shard,
                                                        state -> Replicas.with(
                                                                network,
                                                                replica -> replica.steps(
                                                                                state,
                                                                                count,
                                                                                clipNorm,
                                                                                i -> input.of(state.step() + i))
                                                                        .after(input.computed(count)))))
                                                .iterator();
                                    },
                                    true)),
                    LocalSteps::mean);
        }
    }

    /** Returns the parts in the order of the shards. */
    private <T> List<T> collect(String what, JavaRDD<T> parts) {
        spark.setJobDescription(what + "/" + steps + " of train: " + sampler);
        try {
            return Causes.unwrapped(recipe.device.computes(parts)::collect);
        } finally {
            spark.setJobDescription(null);
        }
    }
}
