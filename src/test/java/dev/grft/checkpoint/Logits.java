package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.vit.Keep;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Machine;
import org.assertj.core.data.Offset;

/** Compares a model's logits with those of the library that made the golden files. */
public final class Logits {
    private Logits() {}

    /** Checks that a model computes the logits that a golden folder holds for the images of this size, to 1e-4. */
    public static void assertSame(String folder, Checkpoint model, String size) {
        assertSame(
                model,
                Golden.read("formats/inputs.safetensors").tensor("input" + size),
                Golden.read("formats/" + folder + "/golden.safetensors").tensor("logits" + size));
    }

    /** Checks that a model computes these logits of these images, to 1e-4. */
    public static void assertSame(Checkpoint model, Tensor input, Tensor logits) {
        double[] expected = logits.doubles();
        try (Weights weights = Weights.copyOf(model.config(), model.tensors(), DataType.FLOAT)) {
            Array images = Machine.array(DataType.FLOAT, input.floats(), input.shape());
            float[] actual = new Vit(weights, Trainable.NOTHING, Backend.kernels("auto"), Keep.NOTHING)
                    .forward(images)
                    .floats();
            assertThat(actual).hasSameSizeAs(expected);
            for (int i = 0; i < actual.length; i++) {
                assertThat((double) actual[i]).as("logit %d", i).isCloseTo(expected[i], Offset.offset(1e-4));
            }
        }
    }
}
