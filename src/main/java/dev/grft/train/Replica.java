package dev.grft.train;

import dev.grft.data.Batch;
import dev.grft.data.FrozenOutputs;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Bindings;
import dev.grft.vit.Buffers;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * The executors' side of training: a whole network over shared frozen weights, with buffers of its own. For one thread
 * at a time.
 */
public final class Replica implements AutoCloseable {
    private static final long[] NO_SEEDS = {};

    private final MultiLayerConfiguration configuration;
    private final Trainable trainable;
    private final Vit vit;
    private final Array trained; // [N]
    private final Array gradient; // [N]
    private final Tuning tuning;
    private final Weights weights;
    private final Kernels kernels;
    private @Nullable Learner learner; // of steps of its own; null before the first

    /**
     * Returns a network over {@code weights}.
     *
     * @param configuration of what makes {@link #steps}; is copied
     * @param kernels of this network alone
     * @param keep what is kept for gradients; {@link Keep#NOTHING} if none will be asked for
     */
    public Replica(Weights weights, Tuning tuning, MultiLayerConfiguration configuration, Kernels kernels, Keep keep) {
        this.configuration = configuration.clone();
        this.tuning = tuning;
        this.weights = weights;
        this.kernels = kernels;
        trainable = tuning.trainable();
        vit = new Vit(weights, trainable, kernels, keep);
        Layout layout = vit.layout();
        trained = kernels.memory().allocate(weights.type(), layout.size()).fill(0);
        gradient = kernels.memory().allocate(weights.type(), layout.size()).fill(0);
        vit.bind(new Bindings(layout.views(trained), layout.views(gradient)));
    }

    /** Returns where every trained array lies in the trained vector. */
    public Layout layout() {
        return vit.layout();
    }

    /** Takes over a trained vector, {@code [N]}. */
    public void load(float[] vector) {
        trained.write(vector);
        vit.refresh();
    }

    /** Returns the gradient of a batch's summed loss at the loaded vector. */
    public StepGradient gradient(Batch batch) {
        return gradient(List.of(batch).iterator());
    }

    /** Returns the gradient of the summed loss of one or more batches, added up in their order. */
    public StepGradient gradient(Iterator<Batch> batches) {
        Sum sum = backward(batches);
        return new StepGradient(gradient.floats(), sum.loss, sum.examples);
    }

    /**
     * Returns what comes of several steps on this replica alone.
     *
     * @param clipNorm the largest L2 norm of the mean gradient of each step; 0 for no limit
     * @param batches those whose gradients each step adds up, by its number; one or more
     */
    public LocalSteps steps(LearnerState from, int count, double clipNorm, IntFunction<Iterator<Batch>> batches) {
        Learner own = learner(from);
        load(from.trained());
        float[] vector = new float[Math.toIntExact(trained.length())];
        double loss = 0;
        long examples = 0;
        for (int i = 0; i < count; i++) {
            Sum sum = backward(batches.apply(i));
            gradient.read(vector);
            double norm = own.apply(new StepGradient(vector, sum.loss, sum.examples), clipNorm);
            own.trained(vector);
            load(vector);
            loss += Double.isFinite(norm) ? sum.loss : Double.NaN; // which no later step need show
            examples += sum.examples;
        }
        return new LocalSteps(own.state(), loss, examples);
    }

    private Learner learner(LearnerState from) {
        if (learner == null) {
            learner = new Learner(configuration, from, null, this::pretrained);
        } else {
            learner.restore(from);
        }
        return learner;
    }

    /** Returns the pretrained value of an array. */
    private float[] pretrained(String array) {
        return weights.config().tensors().containsKey(array)
                ? weights.array(array).floats()
                : tuning.pretrained(array, matrix -> weights.array(matrix).floats());
    }

    /** The loss of some examples, and how many they are. */
    private record Sum(double loss, int examples) {}

    /** Leaves the sum of the batches' gradients in the gradient vector. */
    private Sum backward(Iterator<Batch> batches) {
        Batch batch = batches.next();
        double loss = backward(batch);
        int examples = batch.size();
        if (batches.hasNext()) {
            Array sum = vit.buffers().shared("gradients", gradient.length()).copy(gradient);
            while (batches.hasNext()) {
                batch = batches.next();
                loss += backward(batch);
                examples += batch.size();
                kernels.add(gradient, sum);
            }
            gradient.copy(sum);
        }
        return new Sum(loss, examples);
    }

    private double backward(Batch batch) {
        return with(batch, () -> loss(batch));
    }

    /** Returns what work on a batch returns; the error of a GPU whose memory runs out names the batch. */
    static <T> T with(Batch batch, Supplier<T> work) {
        try {
            return work.get();
        } catch (RuntimeException e) {
            throw Backend.ofBatch(e, batch.size(), batch.imageSize());
        }
    }

    /** Returns the loss of a batch, after putting its gradient into the gradient vector. */
    private double loss(Batch batch) {
        begin(batch.seeds(), batch.treatment().dropPath());
        Buffers buffers = vit.buffers();
        Array logits = forward(batch);
        Array losses = buffers.shared("losses", batch.size());
        Array dlogits = buffers.shared("dlogits", logits.shape());
        kernels.loss(weights.config().task(), logits, Targets.of(batch, weights.config(), buffers), losses, dlogits);
        vit.backward(dlogits);
        double sum = 0;
        for (float loss : losses.floats()) {
            sum += loss;
        }
        return sum;
    }

    private void begin(long[] seeds, double dropPath) {
        trainable.begin(seeds);
        vit.dropPaths(dropPath, seeds);
    }

    /** Returns what the head says of each image, {@code [B][K]}: the probability of each class, or values. */
    public float[][] probabilities(Batch batch) {
        begin(NO_SEEDS, 0);
        return with(batch, () -> Predictions.of(weights.config().task(), forward(batch)));
    }

    /**
     * Returns all that one forward pass says of each image, {@code [B][K + K + F]}: what {@link #probabilities} returns, the outputs of the
     * head before that, and the features.
     */
    public float[][] everything(Batch batch) {
        begin(NO_SEEDS, 0);
        return with(batch, () -> allOf(batch));
    }

    private float[][] allOf(Batch batch) {
        Array logits = forward(batch);
        float[][] said = Predictions.of(weights.config().task(), logits);
        float[][] raw = logits.matrix();
        float[][] features = vit.lastFeatures().matrix();
        for (int b = 0; b < said.length; b++) {
            int k = raw[b].length;
            float[] all = Arrays.copyOf(said[b], 2 * k + features[b].length);
            System.arraycopy(raw[b], 0, all, k, k);
            System.arraycopy(features[b], 0, all, 2 * k, features[b].length);
            said[b] = all;
        }
        return said;
    }

    /** Returns the features of each image, {@code [B][F]}: what the head reads. */
    public float[][] features(Batch batch) {
        begin(NO_SEEDS, 0);
        return with(batch, () -> vit.features(images(batch, vit.buffers())).matrix());
    }

    /** Returns the bytes of native memory that it holds: activations, working arrays, trained parameters and their gradients. */
    public long bytes() {
        return vit.bytes() + trained.bytes() + gradient.bytes() + (learner == null ? 0 : learner.bytes());
    }

    /** Frees its native memory. It must not be used afterwards. */
    @Override
    public void close() {
        vit.close();
        trained.close();
        gradient.close();
        if (learner != null) {
            learner.close();
        }
        kernels.free();
    }

    /** Returns the logits of images, or of what the frozen stages have made of them, which are then passed by. */
    private Array forward(Batch batch) {
        FrozenOutputs frozen = batch.frozen();
        return frozen == null
                ? vit.forward(images(batch, vit.buffers()))
                : vit.forward(outputs(frozen, batch.imageSize()), batch.size(), vit.frozenStages());
    }

    /**
     * Returns {@code [B*T, D]}, or {@code [B, D]} behind a block of the class token alone. Each image is computed alone: with others beside
     * it, BLAS may compute other last bits.
     */
    private Array outputs(FrozenOutputs frozen, int side) {
        int width = weights.config().width();
        int tokens = frozen.length() / width;
        Array outputs = vit.buffers().shared("frozen", (long) frozen.size() * tokens, width);
        for (int b = 0; b < frozen.size(); b++) {
            float[] one = frozen.at(b, image -> {
                Array images = vit.buffers().shared("images", 1, 3, side, side).write(image);
                return vit.frozen(images).floats();
            });
            outputs.rows((long) b * tokens, (b + 1L) * tokens).write(one);
        }
        return outputs;
    }

    /** Returns the images on the device, {@code [B, 3, S, S]}, until the next batch. */
    static Array images(Batch batch, Buffers buffers) {
        int side = batch.imageSize();
        Array images = buffers.shared("images", batch.size(), 3, side, side);
        images.write(batch.images());
        return images;
    }
}
