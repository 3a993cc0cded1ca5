package dev.grft.train;

import dev.grft.Task;
import dev.grft.data.Batch;
import dev.grft.data.Standard;
import dev.grft.vit.Buffers;
import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Array;

/**
 * The targets of a batch, {@code [B, K]} of one class: each row is a distribution over the classes. Of several classes and of values
 * {@code [B, K + 1]}: each row has a target for each output, times the weight of the example, and then the weight; see {@link
 * dev.grft.vit.kernels.Kernels#loss}. All targets are made in this class.
 *
 * <p>The weights of an example and of the classes multiply its targets, as in torch's cross-entropy, so that mixing mixes them, too.
 *
 * <p>The order is timm's: the target of an image's own, then the mean with that of the image mixed into it. Whatever
 * changes the target of a single image, such as label smoothing, belongs before the mean.
 */
final class Targets {
    private Targets() {}

    /** Returns the targets on the device, until the next batch. */
    static Array of(Batch batch, VitConfig config, Buffers buffers) {
        return onDevice(of(batch, config.classes(), config.task()), batch.size(), buffers);
    }

    /** Returns targets that were made, {@code [B, n]}, on the device, until the next batch. */
    static Array onDevice(float[] values, int examples, Buffers buffers) {
        Array targets = buffers.shared("labels", examples, values.length / examples);
        targets.write(values);
        return targets;
    }

    /** Returns how many numbers the targets of an example are. */
    static int length(int outputs, Task task) {
        return task == Task.SINGLE_LABEL ? outputs : outputs + 1;
    }

    /** Returns the targets of some examples, {@code [B, K]} or {@code [B, K + 1]}. */
    static float[] of(Batch batch, int outputs, Task task) {
        int length = length(outputs, task);
        Standard standard = batch.treatment().standard();
        float[] targets = new float[Math.multiplyExact(batch.size(), length)];
        for (int b = 0; b < batch.size(); b++) {
            batch.targets()[b].fill(targets, b * length, outputs);
            if (standard != null) {
                standard.apply(targets, b * length);
            }
            if (length > outputs) {
                targets[b * length + outputs] = 1;
            }
        }
        smooth(targets, batch.treatment().labelSmoothing(), length, outputs, task);
        weigh(targets, batch, length);
        if (batch.share() < 1) {
            mix(targets, length, (float) batch.share(), (float) (1 - batch.share()));
        }
        return targets;
    }

    /** Moves each target toward one that says nothing: every class as likely as any other, or as not. */
    private static void smooth(float[] targets, double smoothing, int length, int outputs, Task task) {
        if (smoothing == 0) {
            return;
        }
        int choices = task == Task.SINGLE_LABEL ? outputs : 2;
        float off = (float) (smoothing / choices);
        float on = (float) (1 - smoothing + smoothing / choices);
        for (int i = 0; i < targets.length; i++) {
            if (i % length < outputs) {
                targets[i] = targets[i] == 1 ? on : off;
            }
        }
    }

    /** Multiplies each target by the weights of its class and of its example. */
    private static void weigh(float[] targets, Batch batch, int length) {
        float[] weights = batch.treatment().weights();
        if (weights != null) {
            for (int i = 0; i < targets.length; i++) {
                // Only one of several classes has weights of its own: the last column is none of them.
                targets[i] *= weights[Math.min(i % length, weights.length - 1)] * batch.weights()[i / length];
            }
        }
    }

    /** Replaces the targets of neighbors by their means. */
    private static void mix(float[] targets, int length, float own, float others) {
        for (int first = 0; first + 2 * length <= targets.length; first += 2 * length) {
            for (int i = first; i < first + length; i++) {
                float x = targets[i];
                float y = targets[i + length];
                targets[i] = x * own + y * others;
                targets[i + length] = y * own + x * others;
            }
        }
    }
}
