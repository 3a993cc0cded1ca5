package dev.grft.train;

import dev.grft.data.Batch;
import dev.grft.data.Treatment;
import dev.grft.vit.Buffers;
import dev.grft.vit.kernels.Flat;
import java.util.Arrays;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The targets of a batch, {@code [B, K]}; each row is a distribution over the classes. All targets are made in this
 * class.
 *
 * <p>The weights of an example and of the classes multiply its distribution, as in torch's cross-entropy, so that mixing mixes them, too.
 *
 * <p>The order is timm's: the distribution of an image's own class, then the mean with that of the image mixed into it. Whatever
 * changes the distribution of a single class, such as label smoothing, belongs before the mean.
 */
final class Targets {
    private Targets() {}

    /** Returns the targets on the device, {@code [B, K]}, until the next batch. */
    static INDArray of(Batch batch, int classes, Buffers buffers) {
        INDArray targets = buffers.shared("labels", batch.size(), classes);
        Flat.write(of(batch, classes), targets);
        return targets;
    }

    /** Returns the targets, {@code [B, K]}. */
    static float[] of(Batch batch, int classes) {
        float[] targets = new float[Math.multiplyExact(batch.size(), classes)];
        Treatment treatment = batch.treatment();
        float off = (float) (treatment.labelSmoothing() / classes);
        float on = (float) (1 - treatment.labelSmoothing() + treatment.labelSmoothing() / classes);
        for (int b = 0; b < batch.size(); b++) {
            Arrays.fill(targets, b * classes, (b + 1) * classes, off);
            targets[b * classes + batch.labels()[b]] = on;
        }
        weigh(targets, batch, classes);
        if (batch.share() < 1) {
            mix(targets, classes, (float) batch.share(), (float) (1 - batch.share()));
        }
        return targets;
    }

    /** Multiplies each target by the weights of its class and of its example. */
    private static void weigh(float[] targets, Batch batch, int classes) {
        float[] weights = batch.treatment().weights();
        if (weights != null) {
            for (int i = 0; i < targets.length; i++) {
                targets[i] *= weights[i % classes] * batch.weights()[i / classes];
            }
        }
    }

    /** Replaces the targets of neighbors by their means. */
    private static void mix(float[] targets, int classes, float own, float others) {
        for (int first = 0; first + 2 * classes <= targets.length; first += 2 * classes) {
            for (int i = first; i < first + classes; i++) {
                float x = targets[i];
                float y = targets[i + classes];
                targets[i] = x * own + y * others;
                targets[i + classes] = y * own + x * others;
            }
        }
    }
}
