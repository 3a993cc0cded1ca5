package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Nd4jKernels;
import java.util.Map;
import org.junit.jupiter.api.Test;

class WholeTuningTest {
    private final WholeTuning tuning = new WholeTuning();
    private final Layout layout = tuning.layout(Tiny.CONFIG);

    @Test
    void everyParameterTrains() {
        assertThat(layout.arrays().keySet())
                .containsExactlyInAnyOrderElementsOf(Tiny.CONFIG.tensors().keySet());
        assertThat(layout.size()).isEqualTo((int) Tiny.CONFIG.parameters());
    }

    @Test
    void whatIsTrainedComesBackFromItsDelta() {
        float[] trained = Tiny.normal(3, layout.size(), 1);
        Delta delta = tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256);

        assertThat(tuning.trained(layout, delta)).isEqualTo(trained);
        assertThat(delta.selection().count()).isZero();
        assertThat(delta.trained()).isEqualTo(layout.size());
        assertThat(delta.whole())
                .hasSize(Tiny.CONFIG.tensors().size() - 2)
                .doesNotContainKeys(Delta.HEAD_WEIGHT, Delta.HEAD_BIAS);
    }

    @Test
    void theForwardIsThatOfTheMergedWeights() {
        Map<String, float[]> tensors = Tiny.tensors();
        try (Weights weights = Tiny.headless(tensors, DataType.DOUBLE)) {
            Bound tuned = new Bound(weights, tuning, new Nd4jKernels());
            float[] trained = Tiny.normal(11, layout.size(), 0.1);
            tuned.load(trained);
            tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256).mergeInto(tensors);
            try (Weights merged = Weights.copyOf(Tiny.CONFIG, tensors, DataType.DOUBLE)) {
                // 1e-6: the merge rounds each number to float.
                Tiny.assertClose(
                        "logits", tuned.logits(0, 3), new Bound(merged, tuning, new Nd4jKernels()).logits(0, 3), 1e-6);
            }
        }
    }

    @Test
    void aZeroDeltaWithThePretrainedHeadMergesToTheSameBits() {
        Map<String, float[]> pretrained = Tiny.tensors();
        pretrained.get("norm.bias")[0] = -0f;
        for (Tuning some : new Tuning[] {tuning, new SliceTuning(Tiny.selection("min-axis"))}) {
            Layout itsLayout = some.layout(Tiny.CONFIG);
            float[] start = new float[itsLayout.size()];
            itsLayout.write(pretrained.get(Delta.HEAD_WEIGHT), Delta.HEAD_WEIGHT, start);
            itsLayout.write(pretrained.get(Delta.HEAD_BIAS), Delta.HEAD_BIAS, start);
            Map<String, float[]> merged = Tiny.copy(pretrained);
            some.delta(itsLayout, start, Tiny.LABELS, Tiny.SHA256).mergeInto(merged);
            Tiny.assertSameBits(merged, pretrained);
        }
    }
}
