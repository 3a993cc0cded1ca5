package dev.grft.spark;

import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.train.Replica;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * Passes over all images, forward only. A pass is cut into Spark jobs of some batches of each shard, so that it can be seen
 * how far it is, and little is lost with a task.
 */
final class Passes {
    /** Batches of one shard in one job: a constant, because sums depend on where they are cut. */
    static final int BATCHES = 16;

    private Passes() {}

    /** What a network says of one image. */
    static final class Output implements Serializable {
        private static final long serialVersionUID = 1L;

        final long id;
        final String name;
        final int label;
        final float[] values; // [K] probabilities or [D] features

        Output(Example example, float[] values) {
            this.id = example.id();
            this.name = example.name();
            this.label = example.label();
            this.values = values;
        }
    }

    /** Hands the probabilities of all images over, in no particular order. */
    static void probabilities(
            JavaSparkContext spark,
            Images images,
            Preprocess preprocess,
            int batchSize,
            Replicas.Recipe recipe,
            float[] trained,
            Progress.Meter meter,
            Consumer<Output> each) {
        pass(spark, images, preprocess, batchSize, recipe, trained, meter, each, false);
    }

    /** Returns the probabilities of all images, shard by shard, by id in each. */
    static JavaRDD<Output> probabilities(
            Images images, Preprocess preprocess, int batchSize, Replicas.Recipe recipe, float[] trained) {
        return images.examples().mapPartitions(part -> {
            List<Example> all = range(part, 0, Integer.MAX_VALUE);
            return all.isEmpty()
                    ? List.<Output>of().iterator()
                    : Replicas.with(recipe, replica -> {
                                replica.load(trained);
                                return outputs(replica, all, preprocess, batchSize, false);
                            })
                            .iterator();
        });
    }

    /** Hands the features of all images over, in no particular order. */
    static void features(
            JavaSparkContext spark,
            Images images,
            Preprocess preprocess,
            int batchSize,
            Replicas.Recipe recipe,
            float[] trained,
            Progress.Meter meter,
            Consumer<Output> each) {
        pass(spark, images, preprocess, batchSize, recipe, trained, meter, each, true);
    }

    private static void pass(
            JavaSparkContext spark,
            Images images,
            Preprocess preprocess,
            int batchSize,
            Replicas.Recipe recipe,
            float[] trained,
            Progress.Meter meter,
            Consumer<Output> each,
            boolean features) {
        Broadcast<float[]> vector = spark.broadcast(trained);
        try {
            long done = 0;
            for (int from = 0; done < images.count(); from += BATCHES * batchSize) {
                int start = from;
                JavaRDD<Output> outputs = images.examples()
                        .mapPartitions(
                                part -> {
                                    List<Example> some = range(part, start, BATCHES * batchSize);
                                    return some.isEmpty()
                                            ? List.<Output>of().iterator()
                                            : Replicas.with(recipe, replica -> {
                                                        replica.load(vector.value());
                                                        return outputs(replica, some, preprocess, batchSize, features);
                                                    })
                                                    .iterator();
                                },
                                true);
                List<Output> chunk = Causes.unwrapped(outputs::collect);
                chunk.forEach(each);
                done += chunk.size();
                meter.add(chunk.size(), "");
            }
        } finally {
            vector.destroy();
        }
    }

    private static List<Output> outputs(
            Replica replica, List<Example> some, Preprocess preprocess, int batchSize, boolean features) {
        List<Output> outputs = new ArrayList<>(some.size());
        for (int at = 0; at < some.size(); at += batchSize) {
            List<Example> chosen = some.subList(at, Math.min(some.size(), at + batchSize));
            Batch batch = Batch.of(chosen, preprocess);
            float[][] values = features ? replica.features(batch) : replica.probabilities(batch);
            for (int b = 0; b < values.length; b++) {
                outputs.add(new Output(chosen.get(b), values[b]));
            }
        }
        return outputs;
    }

    /** Returns the examples of a shard at positions from {@code from} on, at most {@code count}. */
    static List<Example> range(Iterator<Example> part, int from, int count) {
        List<Example> some = new ArrayList<>();
        for (int i = 0; part.hasNext() && i - from < count; i++) {
            Example example = part.next();
            if (i >= from) {
                some.add(example);
            }
        }
        return some;
    }
}
