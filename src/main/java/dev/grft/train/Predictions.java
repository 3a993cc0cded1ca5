package dev.grft.train;

import dev.grft.Task;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.nd4j.Freed;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.ops.transforms.Transforms;

/** What a task makes of logits: probabilities, or values as they are. Computed by ND4J whatever the kernels. */
final class Predictions {
    private Predictions() {}

    /** Returns the probability of each class for each example, or its values, {@code [B][K]}, of {@code logits [B, K]}. */
    static float[][] of(Task task, Array logits) {
        if (task == Task.REGRESSION) {
            return logits.matrix();
        }
        INDArray outputs = Flat.array(logits.floats(), DataType.FLOAT, logits.shape());
        if (task == Task.SINGLE_LABEL) {
            Transforms.softmax(outputs, false);
        } else {
            Transforms.sigmoid(outputs, false);
        }
        float[] all = Flat.read(outputs);
        Freed.array(outputs);
        return Array.byRow(all, Math.toIntExact(logits.size(0)));
    }
}
