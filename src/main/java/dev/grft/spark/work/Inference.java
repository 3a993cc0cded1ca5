package dev.grft.spark.work;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.data.Standard;
import dev.grft.data.Target;
import dev.grft.measures.Judging;
import dev.grft.measures.Judgment;
import dev.grft.measures.Judgments;
import dev.grft.measures.Measures;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Shard;
import dev.grft.train.Network;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.schedule.FixedSchedule;

/** The forward passes of a model with a delta over images on the executors: a Spark job each, over the pieces of the images. */
public final class Inference {
    /** The application that a pass runs in. */
    public record Engine(JavaSparkContext context, Device device, Settings settings) {}

    /** The output of a network for one image. */
    public static final class Output implements Serializable {
        private static final long serialVersionUID = 1L;

        public final long id;
        public final String name;
        public final Target target;
        public final float weight;
        public final float[] values; // [K] outputs of the head, as its task reads them, or [D] features

        private Output(Shard piece, int index, float[] values) {
            this.id = piece.id(index);
            this.name = piece.name(index);
            this.target = piece.target(index);
            this.weight = piece.weight(index);
            this.values = values;
        }
    }

    private final Engine engine;
    private final Preprocess preprocess;
    private final Sending sending;
    private final int batchSize;
    private final @Nullable FrozenCache frozen;

    /** Sends the tasks what they look with; once for each pass. */
    private interface Sending {
        Sight send(Sight.Shown shown);
    }

    private static Replicas.Recipe recipe(Engine engine, ModelBroadcast model, Tuning tuning) {
        return new Replicas.Recipe(
                engine.context(),
                model,
                tuning,
                Network.configuration(
                        tuning.layout(model.config()),
                        engine.settings().training(),
                        Penalty.NONE,
                        new FixedSchedule(1)), // no step is made
                false,
                engine.device());
    }

    private Inference(Engine engine, Preprocess preprocess, Sending sending, int batchSize) {
        this(engine, preprocess, sending, batchSize, null);
    }

    private Inference(
            Engine engine, Preprocess preprocess, Sending sending, int batchSize, @Nullable FrozenCache frozen) {
        this.engine = engine;
        this.preprocess = preprocess;
        this.sending = sending;
        this.batchSize = batchSize;
        this.frozen = frozen;
    }

    private Inference(Engine engine, ModelBroadcast model, Preprocess preprocess, Tuning tuning, float[] trained) {
        this(
                engine,
                preprocess,
                shown -> new Sight.One(recipe(engine, model, tuning), true, Sent.of(engine.context(), trained), shown),
                engine.settings().evaluation().batchSize());
    }

    /**
     * Returns a network that is being trained, at the present numbers: the executors' replicas are used again, with batches
     * of which they keep no more than of those they are trained with.
     *
     * @param standard by which its values are standardized; null: they are not
     * @param frozen keeps what its frozen stages make of the images, which are of one set; null: nothing is kept
     */
    public static Inference of(
            Engine engine,
            Preprocess preprocess,
            Replicas.Recipe recipe,
            float[] trained,
            @Nullable Standard standard,
            @Nullable FrozenCache frozen) {
        int most = Math.min(
                engine.settings().evaluation().batchSize(),
                engine.settings().training().examplesAtOnce());
        return new Inference(
                engine,
                preprocess,
                shown -> {
                    if (shown == Sight.Shown.EVERYTHING) {
                        throw new IllegalStateException("the values of a network in training are standardized");
                    }
                    Sight sight = new Sight.One(recipe, false, Sent.of(engine.context(), trained), shown);
                    return standard == null || shown != Sight.Shown.PREDICTIONS
                            ? sight
                            : new Sight.Told(sight, standard);
                },
                most,
                frozen);
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
                shown -> several(shown, engine, model, deltas),
                engine.settings().evaluation().batchSize());
    }

    private static Sight several(Sight.Shown shown, Engine engine, ModelBroadcast model, List<Delta> deltas) {
        if (shown != Sight.Shown.PREDICTIONS) {
            throw new IllegalStateException("several deltas show predictions only, not " + shown);
        }
        Sight.Several sight = new Sight.Several(model, engine.device());
        for (Delta delta : deltas) {
            int classes = delta.labels().size();
            Tuning tuning = Tuning.of(delta);
            float[] trained = tuning.trained(tuning.layout(model.config().withHead(classes, delta.task())), delta);
            sight.add(tuning, classes, delta.task(), Sent.of(engine.context(), trained));
        }
        return sight;
    }

    /** What a task makes of the outputs for a piece of the images, batch by batch. */
    interface Fold<T> {
        /** Takes an output, of which not all should be kept. */
        void add(Output output);

        /** Returns what became of all of them. */
        List<T> end();
    }

    /** Begins the fold of a piece, in its task. */
    private interface Folding<T> extends Serializable {
        Fold<T> begin();
    }

    /** The features of images, all of which are kept. */
    private static final class Features implements Fold<Output> {
        private final List<Output> all = new ArrayList<>();

        @Override
        public void add(Output output) {
            all.add(output);
        }

        @Override
        public List<Output> end() {
            return all;
        }
    }

    /** Hands over the features of all images, by id. */
    public void features(Images images, Progress.Meter meter, Consumer<Output> each) {
        pass(images, meter, Sight.Shown.FEATURES, Features::new, each);
    }

    /** Adds all images to measures, piece by piece, by id, and hands over what is known of each. */
    public <J extends Judgment> void measure(
            Images images, Progress.Meter meter, Measures<J> measures, Consumer<? super J> each) {
        Judging.Begin<J> judging = measures.judging();
        pass(images, meter, Sight.Shown.PREDICTIONS, () -> new Judged<>(judging.begin()), (Judgments<J> some) -> {
            measures.add(some);
            some.all.forEach(each);
        });
    }

    /** The judgments of a piece, without the outputs. */
    private static final class Judged<J extends Judgment> implements Fold<Judgments<J>> {
        private final Judging<J> judging;

        Judged(Judging<J> judging) {
            this.judging = judging;
        }

        @Override
        public void add(Output output) {
            judging.add(output.id, output.name, output.target, output.values);
        }

        @Override
        public List<Judgments<J>> end() {
            return List.of(judging.end());
        }
    }

    private <T> void pass(Images images, Progress.Meter meter, Sight.Shown shown, Folding<T> fold, Consumer<T> each) {
        Preprocess prepared = preprocess; // tasks take this along, not this object
        int size = batchSize;
        int block = images.block(size);
        boolean features = shown == Sight.Shown.FEATURES;
        FrozenCache cache = features || engine.settings().evaluation().flip() ? null : frozen;
        try (Sight sight = features ? sending.send(shown) : sight(shown)) {
            Pulse.counted(engine.context().sc(), images.count(), done -> meter.add(done, ""), pulse -> {
                JavaRDD<T> outputs = engine.device()
                        .computes(images.pieces()
                                .mapPartitionsWithIndex(
                                        (number, part) -> {
                                            Shard piece = part.next();
                                            Reading reading = (from, to) -> cache == null
                                                    ? Batch.of(piece.range(from, to - from), prepared)
                                                    : cache.batch(
                                                            "piece " + number,
                                                            piece,
                                                            IntStream.range(from, to)
                                                                    .toArray(),
                                                            new long[to - from],
                                                            prepared,
                                                            () -> false);
                                            return outputs(piece, block, size, reading, sight, pulse, fold.begin())
                                                    .iterator();
                                        },
                                        true));
                Pass.inOrder(outputs, each);
                return true;
            });
        }
    }

    private Sight sight(Sight.Shown shown) {
        Sight sight = sending.send(shown);
        return engine.settings().evaluation().flip() ? new Sight.Flipped(sight) : sight;
    }

    /** Reads the examples of a piece from one position up to another, which is left out. */
    private interface Reading {
        Batch batch(int from, int to);
    }

    private static <T> List<T> outputs(
            Shard piece, int block, int batchSize, Reading reading, Sight sight, Pulse pulse, Fold<T> fold) {
        if (piece.size() == 0) {
            return List.of();
        }
        return sight.with(network -> {
            int at = 0;
            for (List<Example> some : piece.blocks(block).values()) {
                int end = at + some.size();
                while (at < end) {
                    Batch batch = reading.batch(at, Math.min(end, at + batchSize));
                    float[][] values = network.apply(batch);
                    pulse.beat(batch.size());
                    for (float[] each : values) {
                        fold.add(new Output(piece, at, each));
                        at++;
                    }
                }
            }
            return fold.end();
        });
    }

    /** Returns what tasks look at images with as they are read, for probabilities or values, {@code [K]}; to be closed. */
    public Looking looking() {
        return looking(Sight.Shown.PREDICTIONS);
    }

    /**
     * Returns the same of one delta for all that a pass says of an image, {@code [K + K + F]}: probabilities or values, the outputs of
     * the head before that, and the features that the head reads.
     *
     * @throws IllegalStateException if this is of several deltas, or of a network in training
     */
    public Looking lookingAtEverything() {
        return looking(Sight.Shown.EVERYTHING);
    }

    private Looking looking(Sight.Shown shown) {
        return new Looking(
                preprocess,
                sight(shown),
                batchSize,
                engine.device().cores(engine.context().getConf()));
    }
}
