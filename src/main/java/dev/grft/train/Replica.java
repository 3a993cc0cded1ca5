package dev.grft.train;

import dev.grft.data.Batch;
import dev.grft.data.FrozenOutputs;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Buffers;
import dev.grft.vit.Keep;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Flat;
import dev.grft.vit.kernels.Freed;
import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.IntFunction;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The executors' side of training: a whole network over shared frozen weights, with buffers of its own. For one thread
 * at a time.
 */
public final class Replica implements AutoCloseable {
    private static final long[] NO_SEEDS = {};

    private final MultiLayerNetwork network;
    private final Trainable trainable;
    private final Vit vit;
    private final Learner learner;
    private final Tuning tuning;
    private final Weights weights;
    private final List<INDArray> origins = new ArrayList<>(); // copies of the slices' and entries' pretrained values
    private final Kernels kernels;
    private final DataType type;
    private boolean updates; // whether it has made steps of its own

    /**
     * Returns a network over {@code weights}.
     *
     * @param configuration is copied
     * @param kernels of this network alone
     * @param keep what is kept for gradients; {@link Keep#NOTHING} if none will be asked for
     */
    public Replica(Weights weights, Tuning tuning, MultiLayerConfiguration configuration, Kernels kernels, Keep keep) {
        network = new MultiLayerNetwork(configuration.clone());
        network.init();
        network.initGradientsView();
        trainable = tuning.trainable();
        vit = new Vit(weights, trainable, kernels, keep);
        type = weights.type();
        learner = new Learner(network);
        this.tuning = tuning;
        this.weights = weights;
        this.kernels = kernels;
        for (int s = 0; s < vit.stages().size(); s++) {
            ((StageModule) network.getLayer(s)).attach(vit.stages().get(s), vit.inputGradient(s));
        }
        ((LossModule) network.getOutputLayer())
                .use(kernels, vit.buffers(), weights.config().task());
    }

    /**
     * Returns the network that DL4J sees, for what DL4J can do with it. Parameters that train whole are summed with their
     * pretrained values once, by {@link #load}: whoever changes the network's numbers loads them again.
     */
    public MultiLayerNetwork network() {
        return network;
    }

    /** Takes over a trained vector, {@code [N]}. */
    public void load(float[] trained) {
        Flat.write(trained, network.params());
        vit.refresh();
    }

    /** Returns the gradient of a batch's summed loss at the loaded vector. */
    public StepGradient gradient(Batch batch) {
        return gradient(List.of(batch).iterator());
    }

    /** Returns the gradient of the summed loss of one or more batches, added up in their order. */
    public StepGradient gradient(Iterator<Batch> batches) {
        Sum sum = backward(batches);
        return new StepGradient(Flat.read(network.getFlattenedGradients()), sum.loss, sum.examples);
    }

    /**
     * Returns what comes of several steps on this replica alone.
     *
     * @param clipNorm the largest L2 norm of the mean gradient of each step; 0 for no limit
     * @param batches those whose gradients each step adds up, by its number; one or more
     */
    public LocalSteps steps(LearnerState from, int count, double clipNorm, IntFunction<Iterator<Batch>> batches) {
        if (!updates) {
            learner.decayFrom(this::origin);
            updates = true;
        }
        learner.restore(from);
        vit.refresh();
        double loss = 0;
        long examples = 0;
        for (int i = 0; i < count; i++) {
            Sum sum = backward(batches.apply(i));
            learner.update(sum.examples, clipNorm);
            vit.refresh();
            loss += sum.loss;
            examples += sum.examples;
        }
        return new LocalSteps(learner.state(), loss, examples);
    }

    /** The loss of some examples, and how many they are. */
    private record Sum(double loss, int examples) {}

    /** Leaves the sum of the batches' gradients in the network's gradient vector. */
    private Sum backward(Iterator<Batch> batches) {
        Batch batch = batches.next();
        double loss = backward(batch);
        int examples = batch.size();
        if (batches.hasNext()) {
            INDArray gradient = network.getFlattenedGradients();
            INDArray sum = vit.buffers().shared("gradients", gradient.shape()).assign(gradient);
            while (batches.hasNext()) {
                batch = batches.next();
                loss += backward(batch);
                examples += batch.size();
                kernels.add(gradient, sum);
            }
            gradient.assign(sum);
        }
        return new Sum(loss, examples);
    }

    /** Returns the pretrained value of an array: that of the weights themselves if it trains whole. */
    private INDArray origin(String array) {
        if (weights.config().tensors().containsKey(array)) {
            return weights.array(array);
        }
        float[] numbers = tuning.pretrained(array, matrix -> Flat.read(weights.array(matrix)));
        INDArray copy = Flat.array(numbers, type, numbers.length);
        origins.add(copy);
        return copy;
    }

    private double backward(Batch batch) {
        trainable.begin(batch.seeds());
        vit.dropPaths(batch.treatment().dropPath(), batch.seeds());
        network.setInput(input(batch));
        network.setLabels(Targets.of(batch, weights.config(), vit.buffers()));
        network.computeGradientAndScore();
        double sum = 0;
        for (float loss : Flat.read(((LossModule) network.getOutputLayer()).losses())) {
            sum += loss;
        }
        return sum;
    }

    /** Returns what the head says of each image, {@code [B][K]}: the probability of each class, or values. */
    public float[][] probabilities(Batch batch) {
        trainable.begin(NO_SEEDS);
        vit.dropPaths(0, NO_SEEDS);
        try (INDArray probabilities = network.output(input(batch), false)) {
            return Flat.rows(probabilities);
        }
    }

    /** Returns the features of each image, {@code [B][D]}: what the head reads. */
    public float[][] features(Batch batch) {
        trainable.begin(NO_SEEDS);
        vit.dropPaths(0, NO_SEEDS);
        return Flat.rows(vit.features(images(batch, vit.buffers())));
    }

    /** Returns the bytes of native memory that it holds: activations, working arrays, trained numbers and their gradients. */
    public long bytes() {
        long copied = origins.stream().mapToLong(INDArray::length).sum();
        return vit.bytes() + type.width() * (2L * network.numParams() + copied);
    }

    /** Frees its native memory. It must not be used afterwards. */
    @Override
    public void close() {
        vit.close();
        learner.close();
        Freed.arrays(origins);
        kernels.free();
    }

    /** Returns what the network begins with: the images, or what its frozen stages make of them, which are then passed by. */
    private INDArray input(Batch batch) {
        FrozenOutputs frozen = batch.frozen();
        for (int s = 0; s < vit.frozenStages(); s++) {
            ((StageModule) network.getLayer(s)).passBy(frozen != null);
        }
        return frozen == null ? images(batch, vit.buffers()) : outputs(frozen, batch.imageSize());
    }

    /**
     * Returns {@code [B, T, D]}, or {@code [B, 1, D]} behind a block of the class token alone. Each image is computed alone: with others beside
     * it, BLAS may compute other last bits.
     */
    private INDArray outputs(FrozenOutputs frozen, int side) {
        int width = weights.config().width();
        int tokens = frozen.length() / width;
        INDArray outputs = vit.buffers().shared("frozen", frozen.size(), tokens, width);
        for (int b = 0; b < frozen.size(); b++) {
            float[] one = frozen.at(b, image -> {
                INDArray images = vit.buffers().shared("images", 1, 3, side, side);
                Flat.write(image, images);
                return Flat.read(vit.frozen(images));
            });
            Flat.write(one, outputs.slice(b));
        }
        return outputs;
    }

    /** Returns the images on the device, {@code [B, 3, S, S]}, until the next batch. */
    static INDArray images(Batch batch, Buffers buffers) {
        int side = batch.imageSize();
        INDArray images = buffers.shared("images", batch.size(), 3, side, side);
        Flat.write(batch.images(), images);
        return images;
    }
}
