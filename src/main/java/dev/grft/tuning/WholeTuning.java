package dev.grft.tuning;

import dev.grft.vit.Trainable;
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
        return parameter -> Tuning.isHead(parameter)
                || (names == null ? !biasesOnly || parameter.endsWith(".bias") : names.contains(parameter));
    }
}
