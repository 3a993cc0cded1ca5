package dev.grft.train;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Task;
import dev.grft.data.Batch;
import dev.grft.data.Seeds;
import dev.grft.tuning.Score;
import dev.grft.tuning.ScoreWatch;
import dev.grft.vit.Bindings;
import dev.grft.vit.Buffers;
import dev.grft.vit.Keep;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Memory;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * The first half of the method: forward and backward at the pretrained weights, summing squared gradients of the eligible
 * matrices, or what another {@link Score} makes of them. Trains nothing. For one thread at a time.
 */
public final class Scorer implements AutoCloseable {
    private static final long SAMPLED = 1; // apart from other draws of an example

    private final Weights weights;
    private final ScoreWatch watch;
    private final Vit vit;
    private final Bindings head;
    private final Kernels kernels;
    private final DataType type;

    /**
     * Returns a scorer with sums of 0.
     *
     * @param weights whose head does not count
     * @param eligible the shapes of the matrices that compete, by timm name in network order
     * @param score what is summed
     * @param headWeight the weight of the fresh head, {@code [K, D]} row-major
     * @param headBias its bias, {@code [K]}
     * @param task of the head
     * @param kernels of this scorer alone
     * @param keep what is kept of a forward; {@link Keep#NOTHING} only for a score of activations
     */
    public Scorer(
            Weights weights,
            Map<String, MatrixShape> eligible,
            Score score,
            float[] headWeight,
            float[] headBias,
            Task task,
            Kernels kernels,
            Keep keep) {
        int outputs = headBias.length;
        this.weights = weights.withHead(outputs, task);
        this.watch = new ScoreWatch(eligible, score, weights::array, kernels.memory());
        this.kernels = kernels;
        this.vit = new Vit(this.weights, watch, kernels, keep);
        this.type = weights.type();
        Memory memory = kernels.memory();
        Array weight =
                memory.allocate(type, outputs, weights.config().features()).write(headWeight);
        Array bias = memory.allocate(type, outputs).write(headBias);
        this.head = new Bindings(Map.of(Delta.HEAD_WEIGHT, weight, Delta.HEAD_BIAS, bias), null);
        vit.bind(head);
    }

    /** Adds what the score makes of a forward over a batch. */
    public void addActivations(Batch batch) {
        with(batch, () -> forward(batch));
    }

    /** Works on a batch; the error of a GPU whose memory runs out names it. */
    private static void with(Batch batch, Runnable work) {
        Replica.with(batch, () -> {
            work.run();
            return batch;
        });
    }

    /** Adds what the score makes of the gradients of the task's loss of a batch. */
    public void addLoss(Batch batch) {
        with(batch, () -> backward(forward(batch), Targets.of(batch, weights.config(), vit.buffers())));
    }

    /**
     * Adds the same with targets that are drawn from the model in place of the examples' own: a class by its probabilities; of several
     * classes each by its probability; values from a normal distribution of variance 1 around the model's, of which the squared error is
     * the log-likelihood (Martens, arXiv 1412.1193, section 5).
     *
     * @param ids of the examples; one draws the same in every batch
     */
    public void addSampled(Batch batch, long[] ids, long seed) {
        with(batch, () -> sampled(batch, ids, seed));
    }

    private void sampled(Batch batch, long[] ids, long seed) {
        Array logits = forward(batch);
        float[][] values = logits.matrix();
        Task task = weights.config().task();
        int length = Targets.length(weights.config().classes(), task);
        float[] targets = new float[Math.multiplyExact(ids.length, length)];
        for (int b = 0; b < ids.length; b++) {
            draw(values[b], task, Seeds.random(seed, ids[b], SAMPLED), targets, b * length);
        }
        backward(logits, Targets.onDevice(targets, ids.length, vit.buffers()));
    }

    /** Writes drawn targets from a place on, which holds zeros. */
    static void draw(float[] logits, Task task, SplittableRandom random, float[] targets, int at) {
        if (task == Task.SINGLE_LABEL) {
            targets[at + drawn(logits, random.nextDouble())] = 1;
            return;
        }
        for (int k = 0; k < logits.length; k++) {
            double z = logits[k];
            targets[at + k] = task == Task.REGRESSION
                    ? (float) (z + Initial.normal(random))
                    : random.nextDouble() < 1 / (1 + Math.exp(-z)) ? 1 : 0;
        }
        targets[at + logits.length] = 1; // the weight
    }

    /**
     * Returns the class at a place of the probabilities, which follow each other by class.
     *
     * @param at in [0, 1)
     */
    static int drawn(float[] logits, double at) {
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            largest = Math.max(largest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        double left = at * sum;
        for (int k = 0; k < logits.length - 1; k++) {
            left -= Math.exp(logits[k] - largest);
            if (left < 0) {
                return k;
            }
        }
        return logits.length - 1;
    }

    private Array forward(Batch batch) {
        watch.next(batch.size());
        return vit.forward(Replica.images(batch, vit.buffers()));
    }

    private void backward(Array logits, Array targets) {
        Buffers buffers = vit.buffers();
        Array dlogits = buffers.shared("dlogits", logits.shape());
        Array losses = buffers.shared("losses", logits.size(0));
        kernels.loss(weights.config().task(), logits, targets, losses, dlogits);
        vit.backward(dlogits);
    }

    /**
     * Adds what the score makes of the gradients of the supervised contrastive loss of a batch, as GPS does (arXiv 2004.11362). Each view
     * counts as an example, though its gradient depends on the others.
     *
     * @param batch several views of each example, see {@link Batch#augmented}
     * @param temperature of the similarities, above 0; 0.07 in GPS
     */
    public void addContrastive(Batch batch, double temperature) {
        with(batch, () -> contrastive(batch, temperature));
    }

    private void contrastive(Batch batch, double temperature) {
        int n = batch.size();
        int[] labels = batch.labels();
        float[] same = new float[Math.multiplyExact(n, n)];
        for (int a = 0; a < n; a++) {
            for (int b = 0; b < n; b++) {
                same[a * n + b] = a != b && labels[a] == labels[b] ? 1 : 0;
            }
        }
        watch.next(n);
        Buffers buffers = vit.buffers();
        Array features = vit.features(Replica.images(batch, buffers));
        Array dfeatures = buffers.shared("dfeatures", features.shape());
        Array losses = buffers.shared("losses", n);
        Array pairs = buffers.shared("pairs", n, n);
        pairs.write(same);
        kernels.contrastive(features, pairs, temperature, losses, dfeatures);
        vit.backwardFeatures(dfeatures);
    }

    /** Returns the sums so far; see {@link ScoreWatch#scores}. */
    public Scores scores() {
        return watch.scores();
    }

    /** Returns the sums so far and begins again with sums of 0. */
    public Scores take() {
        Scores scores = watch.scores();
        watch.clear();
        return scores;
    }

    /**
     * Begins with the gradient of a matrix summed over earlier examples: the sums are then the same as if this scorer had seen those.
     *
     * @param sum {@code [out, in]} row-major, of {@link #summed}
     */
    public void begin(String matrix, float[] sum) {
        watch.begin(matrix, sum, type);
    }

    /** Returns the summed gradients; see {@link ScoreWatch#summed}. */
    public Map<String, float[]> summed() {
        return watch.summed();
    }

    /** Frees its native memory, the sums included. */
    @Override
    public void close() {
        vit.close();
        head.close();
        watch.close();
        weights.close();
        kernels.free();
    }
}
