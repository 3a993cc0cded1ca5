package dev.grft.train;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Score;
import dev.grft.Scores;
import dev.grft.data.Batch;
import dev.grft.tuning.ScoreWatch;
import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Flat;
import dev.grft.vit.kernels.Kernels;
import java.util.Map;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The first half of the method: forward and backward at the pretrained weights, summing squared gradients of the eligible
 * matrices, or what else makes a score. Trains nothing. For one thread at a time.
 */
public final class Scorer {
    private final ScoreWatch watch;
    private final Vit vit;
    private final Kernels kernels;
    private final int classes;
    private final DataType type;

    /**
     * Returns a scorer with sums of 0.
     *
     * @param eligible the shapes of the matrices that compete, by timm name in network order
     * @param score what is summed
     * @param headWeight the weight of the fresh head, {@code [K, D]} row-major
     * @param headBias its bias, {@code [K]}
     * @param keep what is kept of a forward; not {@link Keep#NOTHING}
     */
    public Scorer(
            Weights weights,
            Map<String, MatrixShape> eligible,
            Score score,
            float[] headWeight,
            float[] headBias,
            Kernels kernels,
            Keep keep) {
        this.watch = new ScoreWatch(eligible, score, weights::array);
        this.kernels = kernels;
        this.vit = new Vit(weights, watch, kernels, keep);
        this.classes = weights.config().classes();
        this.type = weights.type();
        INDArray weight = Flat.array(headWeight, type, classes, weights.config().features());
        INDArray bias = Flat.array(headBias, type, classes);
        vit.bind(new Bindings(Map.of(Delta.HEAD_WEIGHT, weight, Delta.HEAD_BIAS, bias), null));
    }

    /** Adds the squared gradients of the cross-entropy of a batch. */
    public void addCrossEntropy(Batch batch) {
        INDArray logits = vit.forward(Replica.images(batch, type));
        INDArray dlogits = logits.ulike();
        INDArray losses = Nd4j.createUninitialized(type, batch.size());
        kernels.crossEntropy(logits, Replica.oneHot(batch, classes, type), losses, dlogits);
        vit.backward(dlogits);
        watch.countExamples(batch.size());
    }

    /**
     * Adds the squared gradients of the supervised contrastive loss of a batch, as GPS does (arXiv 2004.11362). Each view
     * counts as an example, though its gradient depends on the others.
     *
     * @param batch several views of each example, see {@link Batch#augmented}
     * @param temperature of the similarities, above 0; 0.07 in GPS
     */
    public void addContrastive(Batch batch, double temperature) {
        int n = batch.size();
        float[] same = new float[Math.multiplyExact(n, n)];
        for (int a = 0; a < n; a++) {
            for (int b = 0; b < n; b++) {
                same[a * n + b] = a != b && batch.labels()[a] == batch.labels()[b] ? 1 : 0;
            }
        }
        INDArray features = vit.features(Replica.images(batch, type));
        INDArray dfeatures = features.ulike();
        INDArray losses = Nd4j.createUninitialized(type, n);
        kernels.contrastive(features, Flat.array(same, type, n, n), temperature, losses, dfeatures);
        vit.backwardFeatures(dfeatures);
        watch.countExamples(n);
    }

    /** Returns the sums so far; see {@link ScoreWatch#scores}. */
    public Scores scores() {
        return watch.scores();
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
}
