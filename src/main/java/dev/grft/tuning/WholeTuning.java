package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Whole parameters and the head: all parameters, which is full fine-tuning and training from scratch; the biases alone, which is
 * BitFit (Ben Zaken et al. 2022, arXiv 2106.10199); or named ones.
 */
public final class WholeTuning implements Tuning {
    private static final long serialVersionUID = 1L;

    private final boolean biasesOnly;
    private final @Nullable Set<String> names; // null: not by name

    /** Returns the tuning of every parameter. */
    public WholeTuning() {
        this(false, null);
    }

    /** Returns the tuning of the parameters of these names. */
    public WholeTuning(Set<String> names) {
        this(false, new TreeSet<>(names));
    }

    private WholeTuning(boolean biasesOnly, @Nullable Set<String> names) {
        this.biasesOnly = biasesOnly;
        this.names = names;
    }

    /** Returns BitFit: every bias, those of the norms too. */
    public static WholeTuning biases() {
        return new WholeTuning(true, null);
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
                return Tuning.isHead(parameter)
                        || (names == null ? !biasesOnly || parameter.endsWith(".bias") : names.contains(parameter));
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
