package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import java.util.List;
import java.util.Map;
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
    public Trainable trainable() {
        return new Trainable() {
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
        return new Delta(
                Selection.none(),
                Map.of(),
                Tuning.read(layout, trained, Delta.HEAD_WEIGHT),
                Tuning.read(layout, trained, Delta.HEAD_BIAS),
                labels,
                pretrainedSha256,
                Tuning.whole(layout, trained, name -> true));
    }
}
