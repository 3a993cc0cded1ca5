package dev.grft.spark;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.train.Network;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.StorageLevel;

/**
 * A model with a delta, ready to look at images on the executors: forward only. A pass is cut into Spark jobs of
 * some batches of each shard, so that it can be seen how far it is, and little is lost with a task.
 */
final class Inference {
    /** Batches of one shard in one job: a constant, because sums depend on where they are cut. */
    static final int BATCHES = 16;

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

    /** What is done with outputs that stay on the executors. */
    interface Using {
        /** Uses them; they are gone afterwards. */
        void of(JavaRDD<Output> outputs);
    }

    private final Session session;
    private final Preprocess preprocess;
    private final Sending sending;
    private final int batchSize;

    /** Sends the tasks what they look with; once for each pass. */
    private interface Sending {
        Sight send(boolean features);
    }

    private static Replicas.Recipe recipe(Session session, ModelBroadcast model, Tuning tuning) {
        return new Replicas.Recipe(
                model,
                tuning,
                Network.configuration(
                        tuning.layout(model.config()),
                        session.settings().training(),
                        Penalty.NONE,
                        model.config().depth(),
                        1,
                        1),
                false,
                session.device());
    }

    private Inference(Session session, Preprocess preprocess, Sending sending, int batchSize) {
        this.session = session;
        this.preprocess = preprocess;
        this.sending = sending;
        this.batchSize = batchSize;
    }

    private Inference(Session session, Preprocess preprocess, Replicas.Recipe recipe, float[] trained, int batchSize) {
        this(
                session,
                preprocess,
                features -> new Sight.One(recipe, session.context().broadcast(trained), features),
                batchSize);
    }

    private Inference(Session session, Preprocess preprocess, Replicas.Recipe recipe, float[] trained) {
        this(
                session,
                preprocess,
                recipe,
                trained,
                session.settings().evaluation().batchSize());
    }

    /**
     * Returns a network that is being trained, at the present numbers: the executors' replicas are used again, with batches
     * of which they keep no more than of those they are trained with.
     */
    static Inference of(Session session, Preprocess preprocess, Replicas.Recipe recipe, float[] trained) {
        int most = Math.min(
                session.settings().evaluation().batchSize(),
                session.settings().training().examplesOfShard());
        return new Inference(session, preprocess, recipe, trained, most);
    }

    /** Returns the pretrained model with a head of zeros: for its features. */
    static Inference headOnly(Session session, int classes) {
        ModelBroadcast model = session.model(classes);
        SliceTuning tuning = SliceTuning.headOnly();
        return new Inference(
                session,
                session.preprocess(),
                recipe(session, model, tuning),
                new float[tuning.layout(model.config()).size()]);
    }

    /** Returns the pretrained model with a delta. */
    static Inference of(Session session, Delta delta) {
        return of(session, session.model(delta.labels().size()), session.preprocess(), delta);
    }

    /** Returns any model with a delta. */
    static Inference of(Session session, ModelBroadcast model, Preprocess preprocess, Delta delta) {
        Tuning tuning = Tuning.of(delta);
        return new Inference(
                session,
                preprocess,
                recipe(session, model, tuning),
                tuning.trained(tuning.layout(model.config()), delta));
    }

    /**
     * Returns the pretrained model with several deltas: an output has the probabilities of all of them, one after the other.
     *
     * @param deltas one or more
     */
    static Inference of(Session session, List<Delta> deltas) {
        ModelBroadcast model = session.model(deltas.get(0).labels().size());
        return new Inference(
                session,
                session.preprocess(),
                features -> several(session, model, deltas),
                session.settings().evaluation().batchSize());
    }

    private static Sight several(Session session, ModelBroadcast model, List<Delta> deltas) {
        Sight.Several sight = new Sight.Several(model, session.device());
        for (Delta delta : deltas) {
            int classes = delta.labels().size();
            Tuning tuning = Tuning.of(delta);
            float[] trained = tuning.trained(tuning.layout(model.config().withClasses(classes)), delta);
            sight.add(tuning, classes, session.context().broadcast(trained));
        }
        return sight;
    }

    /** Hands the features of all images over, in no particular order. */
    void features(Images images, Progress.Meter meter, Consumer<Output> each) {
        pass(images, meter, each, true);
    }

    /** Hands the probabilities of all images over, in no particular order. */
    void probabilities(Images images, Progress.Meter meter, Consumer<Output> each) {
        pass(images, meter, each, false);
    }

    /** Computes the probabilities of all images and leaves them where they are until {@code use} of them is over. */
    void withProbabilities(Images images, Progress.Meter meter, Using use) {
        Sight sight = sending.send(false);
        int count = BATCHES * batchSize;
        List<JavaRDD<Output>> chunks = new ArrayList<>();
        try {
            long done = 0;
            for (int from = 0; done < images.count(); from += count) {
                JavaRDD<Output> chunk = outputs(images, from, count, sight).persist(StorageLevel.MEMORY_AND_DISK());
                chunks.add(chunk);
                long size = Causes.unwrapped(chunk::count);
                done += size;
                meter.add(size, "");
            }
            use.of(union(chunks));
        } finally {
            chunks.forEach(chunk -> chunk.unpersist(false));
            sight.close();
        }
    }

    @SuppressWarnings("unchecked") // Java cannot make an array of a generic type
    private JavaRDD<Output> union(List<JavaRDD<Output>> chunks) {
        return session.context().union(chunks.toArray(JavaRDD[]::new));
    }

    private void pass(Images images, Progress.Meter meter, Consumer<Output> each, boolean features) {
        Sight sight = sending.send(features);
        int count = BATCHES * batchSize;
        try {
            long done = 0;
            for (int from = 0; done < images.count(); from += count) {
                List<Output> chunk = Causes.unwrapped(outputs(images, from, count, sight)::collect);
                chunk.forEach(each);
                done += chunk.size();
                meter.add(chunk.size(), "");
            }
        } finally {
            sight.close();
        }
    }

    /** Returns what the network says of the images of each shard at positions from {@code from} on, at most {@code count}. */
    private JavaRDD<Output> outputs(Images images, int from, int count, Sight sight) {
        Preprocess prepared = preprocess; // tasks take this along, not this object
        int size = batchSize;
        return session.device()
                .computes(images.shards()
                        .mapPartitions(
                                part -> {
                                    List<Example> some = part.next().range(from, count);
                                    return some.isEmpty()
                                            ? List.<Output>of().iterator()
                                            : sight.with(network -> outputs(network, some, prepared, size))
                                                    .iterator();
                                },
                                true));
    }

    /** Returns what can look at single batches, on the executors. */
    Looking looking() {
        return new Looking(preprocess, sending.send(false), batchSize);
    }

    /** A model with a delta, in a task. */
    static final class Looking implements Serializable {
        private static final long serialVersionUID = 1L;

        final Preprocess preprocess;
        final int batchSize;
        private final Sight sight;

        private Looking(Preprocess preprocess, Sight sight, int batchSize) {
            this.preprocess = preprocess;
            this.sight = sight;
            this.batchSize = batchSize;
        }

        /** Returns the probabilities of some examples, in their order. */
        List<Output> at(List<Example> some) {
            return sight.with(network -> outputs(network, some, preprocess, batchSize));
        }
    }

    private static List<Output> outputs(
            Function<Batch, float[][]> network, List<Example> some, Preprocess preprocess, int batchSize) {
        List<Output> outputs = new ArrayList<>(some.size());
        for (int at = 0; at < some.size(); at += batchSize) {
            List<Example> chosen = List.copyOf(some.subList(at, Math.min(some.size(), at + batchSize))); // read once
            Batch batch = Batch.of(chosen, preprocess);
            float[][] values = network.apply(batch);
            for (int b = 0; b < values.length; b++) {
                outputs.add(new Output(chosen.get(b), values[b]));
            }
        }
        return outputs;
    }
}
