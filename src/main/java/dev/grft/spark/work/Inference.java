package dev.grft.spark.work;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Images;
import dev.grft.train.Network;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.storage.StorageLevel;

/** The forward passes of a model with a delta over images on the executors, see {@link Pass}. */
public final class Inference {
    /** The application that a pass runs in. */
    public record Engine(JavaSparkContext context, Device device, Settings settings) {}

    /** The output of a network for one image. */
    public static final class Output implements Serializable {
        private static final long serialVersionUID = 1L;

        public final long id;
        public final String name;
        public final int label;
        public final float[] values; // [K] probabilities or [D] features

        private Output(Example example, float[] values) {
            this.id = example.id();
            this.name = example.name();
            this.label = example.label();
            this.values = values;
        }
    }

    private final Engine engine;
    private final Preprocess preprocess;
    private final Sending sending;
    private final int batchSize;

    /** Sends the tasks what they look with; once for each pass. */
    private interface Sending {
        Sight send(boolean features);
    }

    private static Replicas.Recipe recipe(Engine engine, ModelBroadcast model, Tuning tuning) {
        return new Replicas.Recipe(
                engine.context(),
                model,
                tuning,
                Network.configuration(
                        tuning.layout(model.config()), engine.settings().training(), Penalty.NONE, 1, 1),
                false,
                engine.device());
    }

    private Inference(Engine engine, Preprocess preprocess, Sending sending, int batchSize) {
        this.engine = engine;
        this.preprocess = preprocess;
        this.sending = sending;
        this.batchSize = batchSize;
    }

    private Inference(Engine engine, ModelBroadcast model, Preprocess preprocess, Tuning tuning, float[] trained) {
        this(
                engine,
                preprocess,
                features -> new Sight.One(
                        recipe(engine, model, tuning), true, Sent.of(engine.context(), trained), features),
                engine.settings().evaluation().batchSize());
    }

    /**
     * Returns a network that is being trained, at the present numbers: the executors' replicas are used again, with batches
     * of which they keep no more than of those they are trained with.
     */
    public static Inference of(Engine engine, Preprocess preprocess, Replicas.Recipe recipe, float[] trained) {
        int most = Math.min(
                engine.settings().evaluation().batchSize(),
                engine.settings().training().examplesOfShard());
        return new Inference(
                engine,
                preprocess,
                features -> new Sight.One(recipe, false, Sent.of(engine.context(), trained), features),
                most);
    }

    /** Returns the pretrained model with a head of zeros: for its features. */
    public static Inference headOnly(Engine engine, ModelBroadcast model, Preprocess preprocess) {
        SliceTuning tuning = SliceTuning.headOnly();
        return new Inference(
                engine,
                model,
                preprocess,
                tuning,
                new float[tuning.layout(model.config()).size()]);
    }

    /** Returns a model with a delta. */
    public static Inference of(Engine engine, ModelBroadcast model, Preprocess preprocess, Delta delta) {
        Tuning tuning = Tuning.of(delta);
        return new Inference(engine, model, preprocess, tuning, tuning.trained(tuning.layout(model.config()), delta));
    }

    /**
     * Returns a model with several deltas: an output has the probabilities of all of them, one after the other.
     *
     * @param deltas one or more
     */
    public static Inference of(Engine engine, ModelBroadcast model, Preprocess preprocess, List<Delta> deltas) {
        return new Inference(
                engine,
                preprocess,
                features -> several(engine, model, deltas),
                engine.settings().evaluation().batchSize());
    }

    private static Sight several(Engine engine, ModelBroadcast model, List<Delta> deltas) {
        Sight.Several sight = new Sight.Several(model, engine.device());
        for (Delta delta : deltas) {
            int classes = delta.labels().size();
            Tuning tuning = Tuning.of(delta);
            float[] trained = tuning.trained(tuning.layout(model.config().withClasses(classes)), delta);
            sight.add(tuning, classes, Sent.of(engine.context(), trained));
        }
        return sight;
    }

    /** What the executors make of an output at once, batch by batch. */
    public interface Of<T> extends Serializable {
        T of(Output output);
    }

    /** Hands the features of all images over, in no particular order. */
    public void features(Images images, Progress.Meter meter, Consumer<Output> each) {
        pass(images, meter, true, output -> output, each);
    }

    /** Hands over what measures need of the probabilities of all images, in no particular order. */
    public void judgments(Images images, Progress.Meter meter, Consumer<Judgment> each) {
        pass(images, meter, false, Judgment::new, each);
    }

    /**
     * Computes something of the probabilities of all images and leaves it where it is until {@code use} of it is over.
     *
     * @param of makes it; the probabilities themselves are not kept
     */
    public <T> void withProbabilities(Images images, Progress.Meter meter, Of<T> of, Consumer<JavaRDD<T>> use) {
        Sight sight = sending.send(false);
        Pulse pulse = Pulse.of(engine.context().sc());
        List<JavaRDD<T>> chunks = new ArrayList<>();
        try {
            Pass.over(images.count(), batchSize, meter, (from, count) -> {
                JavaRDD<T> chunk =
                        outputs(images, from, count, sight, of, pulse).persist(StorageLevel.MEMORY_AND_DISK());
                chunks.add(chunk);
                return Causes.unwrapped(chunk::count);
            });
            use.accept(union(chunks));
        } finally {
            chunks.forEach(chunk -> chunk.unpersist(false));
            sight.close();
        }
    }

    @SuppressWarnings("unchecked") // Java cannot make an array of a generic type
    private <T> JavaRDD<T> union(List<JavaRDD<T>> chunks) {
        return engine.context().union(chunks.toArray(JavaRDD[]::new));
    }

    private <T> void pass(Images images, Progress.Meter meter, boolean features, Of<T> of, Consumer<T> each) {
        Sight sight = sending.send(features);
        Pulse pulse = Pulse.of(engine.context().sc());
        try {
            Pass.over(images.count(), batchSize, meter, (from, count) -> {
                List<T> chunk = Causes.unwrapped(outputs(images, from, count, sight, of, pulse)::collect);
                chunk.forEach(each);
                return chunk.size();
            });
        } finally {
            sight.close();
        }
    }

    /** Returns what the network says of the images of each shard at positions from {@code from} on, at most {@code count}. */
    private <T> JavaRDD<T> outputs(Images images, int from, int count, Sight sight, Of<T> of, Pulse pulse) {
        Preprocess prepared = preprocess; // tasks take this along, not this object
        int size = batchSize;
        return engine.device()
                .computes(images.shards()
                        .mapPartitions(
                                part -> {
                                    List<Example> some = part.next().range(from, count);
                                    return some.isEmpty()
                                            ? List.<T>of().iterator()
                                            : sight.with(network ->
                                                            outputs(counted(network, pulse), some, prepared, size, of))
                                                    .iterator();
                                },
                                true));
    }

    private static Function<Batch, float[][]> counted(Function<Batch, float[][]> network, Pulse pulse) {
        return batch -> {
            float[][] seen = network.apply(batch);
            pulse.beat(batch.size());
            return seen;
        };
    }

    /** Returns what can look at single batches, on the executors. */
    public Looking looking() {
        return new Looking(preprocess, sending.send(false), batchSize);
    }

    /** A model with a delta, in a task. */
    public static final class Looking implements Serializable {
        private static final long serialVersionUID = 1L;

        public final Preprocess preprocess;
        public final int batchSize;
        private final Sight sight;

        private Looking(Preprocess preprocess, Sight sight, int batchSize) {
            this.preprocess = preprocess;
            this.sight = sight;
            this.batchSize = batchSize;
        }

        /** Returns the probabilities of some examples, in their order. */
        public List<Output> at(List<Example> some) {
            return sight.with(network -> outputs(network, some, preprocess, batchSize, output -> output));
        }
    }

    private static <T> List<T> outputs(
            Function<Batch, float[][]> network, List<Example> some, Preprocess preprocess, int batchSize, Of<T> of) {
        List<T> outputs = new ArrayList<>(some.size());
        Pass.batches(some, batchSize, chosen -> {
            float[][] values = network.apply(Batch.of(chosen, preprocess));
            for (int b = 0; b < values.length; b++) {
                outputs.add(of.of(new Output(chosen.get(b), values[b])));
            }
        });
        return outputs;
    }
}
