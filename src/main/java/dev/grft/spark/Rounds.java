package dev.grft.spark;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.train.GradientSource;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * Gradients from executors, one Spark job a round: the trained vector goes out by broadcast, each shard computes its part,
 * the parts come back and are added up in the order of the shards. A task that is run again returns the same bits.
 */
final class Rounds implements GradientSource {
    private final JavaSparkContext spark;
    private final JavaRDD<Example> examples;
    private final Sampler sampler;
    private final Replicas.Recipe recipe;
    private final double timeoutSeconds;

    Rounds(
            JavaSparkContext spark,
            JavaRDD<Example> examples,
            Sampler sampler,
            Replicas.Recipe recipe,
            double timeoutSeconds) {
        this.spark = spark;
        this.examples = examples;
        this.sampler = sampler;
        this.recipe = recipe;
        this.timeoutSeconds = timeoutSeconds;
    }

    @Override
    public StepGradient gradient(long step, float[] trained) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        Broadcast<float[]> vector = spark.broadcast(trained);
        try {
            return StepGradient.sum(collect(
                    "step " + (step + 1),
                    examples.mapPartitionsWithIndex(
                            (shard, part) -> {
                                if (batches.share(shard) == 0) {
                                    return List.<StepGradient>of().iterator();
                                }
                                var batch = batches.batch(shard, list(part), step);
                                StepGradient gradient = Replicas.with(network, replica -> {
                                    replica.load(vector.value());
                                    return replica.gradient(batch);
                                });
                                return List.of(gradient).iterator();
                            },
                            true)));
        } finally {
            vector.destroy();
        }
    }

    @Override
    public LocalSteps localSteps(LearnerState from, int count) {
        Sampler batches = sampler;
        Replicas.Recipe network = recipe;
        Broadcast<LearnerState> start = spark.broadcast(from);
        try {
            return LocalSteps.mean(collect(
                    "steps " + (from.step() + 1) + " to " + (from.step() + count),
                    examples.mapPartitionsWithIndex(
                            (shard, part) -> {
                                List<Example> all = list(part);
                                LearnerState state = start.value();
                                LocalSteps steps = Replicas.with(
                                        network,
                                        replica -> replica.steps(
                                                state, count, i -> batches.batch(shard, all, state.step() + i)));
                                return List.of(steps).iterator();
                            },
                            true)));
        } finally {
            start.destroy();
        }
    }

    /** Returns the parts in the order of the shards. */
    private <T> List<T> collect(String what, JavaRDD<T> parts) {
        spark.setJobDescription("Training, " + what);
        JavaFutureAction<List<T>> job = parts.collectAsync();
        try {
            return timeoutSeconds > 0 ? job.get((long) (timeoutSeconds * 1000), TimeUnit.MILLISECONDS) : job.get();
        } catch (TimeoutException e) {
            job.cancel(true);
            throw new UserError(
                    "training: " + what + " took longer than engine.timeoutSeconds, " + timeoutSeconds
                            + " s; look at the executors, or raise it",
                    e);
        } catch (InterruptedException e) {
            job.cancel(true);
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted in " + what, e);
        } catch (ExecutionException e) {
            throw Causes.rethrown(e);
        } finally {
            spark.setJobDescription(null);
        }
    }

    static List<Example> list(Iterator<Example> part) {
        List<Example> all = new ArrayList<>();
        part.forEachRemaining(all::add);
        return all;
    }
}
