package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainingPlan;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Whole parameters: all of them, which is full fine-tuning and training from scratch, or the biases alone, which is BitFit
 * (Ben Zaken et al. 2022, arXiv 2106.10199).
 */
public final class WholeTuning implements Tuning {
    private static final long serialVersionUID = 1L;

    private final boolean biasesOnly;

    /** Returns the tuning of every parameter. */
    public WholeTuning() {
        this(false);
    }

    private WholeTuning(boolean biasesOnly) {
        this.biasesOnly = biasesOnly;
    }

    /** Returns BitFit: every bias, those of the norms too, and the head. */
    public static WholeTuning biases() {
        return new WholeTuning(true);
    }

    @Override
    public TrainingPlan plan() {
        return new TrainingPlan() {
            @Override
            public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
                return null;
            }

            @Override
            public boolean whole(String parameter) {
                return !biasesOnly || parameter.endsWith(".bias") || parameter.equals(Delta.HEAD_WEIGHT);
            }
        };
    }

    @Override
    public Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256) {
        Map<String, float[]> whole = new LinkedHashMap<>();
        for (String name : layout.arrays().keySet()) {
            whole.put(name, Tuning.read(layout, trained, name));
        }
        float[] headWeight = Objects.requireNonNull(whole.remove(Delta.HEAD_WEIGHT));
        float[] headBias = Objects.requireNonNull(whole.remove(Delta.HEAD_BIAS));
        return new Delta(Selection.none(), Map.of(), headWeight, headBias, labels, pretrainedSha256, whole);
    }

    @Override
    public float[] trained(Layout layout, Delta delta) {
        float[] vector = new float[layout.size()];
        delta.whole().forEach((name, numbers) -> layout.write(numbers, name, vector));
        layout.write(delta.headWeight(), Delta.HEAD_WEIGHT, vector);
        layout.write(delta.headBias(), Delta.HEAD_BIAS, vector);
        return vector;
    }
}
