package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Shard;
import dev.grft.train.GradientSource;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Gradients from executors, one Spark job a round: the trained vector goes out by broadcast, each shard computes its part,
 * the parts come back and are added up in the order of the shards. A task that is run again returns the same bits.
 */
public final class Rounds implements GradientSource {
    private final JavaSparkContext spark;
    private final JavaRDD<Shard> shards;
    private final Sampler sampler;
    private final Replicas.Recipe recipe;
    private final long steps;

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
    }

    @Override
    public StepGradient gradient(long step, float[] trained) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        try (Exchange<float[], StepGradient> exchange = Exchange.of(spark, trained)) {
            return StepGradient.sum(exchange.results(collect(
                    "step " + sampler.stepsDone(step + 1),
                    shards.mapPartitionsWithIndex(
                            (shard, part) -> {
                                if (batches.share(shard) == 0) {
                                    return List.<Exchange.Part<StepGradient>>of()
                                            .iterator();
                                }
                                long start = System.nanoTime();
                                Batch batch = batches.batch(shard, part.next(), step);
                                double waited = seconds(start);
                                return List.of(exchange.answer(
                                                shard,
                                                vector -> Replicas.with(network, replica -> {
                                                    replica.load(vector);
                                                    return replica.gradient(batch)
                                                            .after(waited);
                                                })))
                                        .iterator();
                            },
                            true))));
        }
    }

    @Override
    public LocalSteps localSteps(LearnerState from, int count) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        Pulse pulse = Pulse.of(spark.sc());
        try (Exchange<LearnerState, LocalSteps> exchange = Exchange.of(spark, from)) {
            return LocalSteps.mean(exchange.results(collect(
                    "steps " + sampler.stepsDone(from.step() + 1) + " to " + sampler.stepsDone(from.step() + count),
                    shards.mapPartitionsWithIndex(
                            (shard, part) -> {
                                long begin = System.nanoTime();
                                Shard all = part.next();
                                double[] waited = {seconds(begin)};
                                return List.of(exchange.answer(
                                                shard,
                                                state -> Replicas.with(
                                                        network,
                                                        replica -> replica.steps(state, count, i -> {
                                                                    long asked = System.nanoTime();
                                                                    Batch batch =
                                                                            batches.batch(shard, all, state.step() + i);
                                                                    waited[0] += seconds(asked);
                                                                    pulse.beat(batch.size());
                                                                    return batch;
                                                                })
                                                                .after(waited[0]))))
                                        .iterator();
                            },
                            true))));
        }
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
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
