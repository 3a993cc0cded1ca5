package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Bottleneck;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.VitConfig;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;

/**
 * One way to fine-tune. The head always trains; its numbers are kept as they are, all others as differences to the
 * pretrained model. Immutable, and small enough to send with every task.
 */
public interface Tuning extends Serializable {

    /** Returns what trains in one network, with adaptations of its own. */
    Trainable trainable();

    /**
     * Returns the result of training: {@code trained} read in the layout of {@link #trainable}. The default is for a method without
     * adaptations, which trains whole parameters.
     */
    default Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256) {
        return new Delta(
                Selection.none(),
                Map.of(),
                read(layout, trained, Delta.HEAD_WEIGHT),
                read(layout, trained, Delta.HEAD_BIAS),
                labels,
                pretrainedSha256,
                whole(layout, trained, name -> true));
    }

    /** Returns where the trained parameters lie in one vector. */
    default Layout layout(VitConfig config) {
        return Layout.of(config, trainable());
    }

    /**
     * Returns how many numbers a step keeps and works with beside those of the frozen network.
     *
     * @param rows returns the rows that a matrix is applied to: examples times tokens, as far as they are computed
     * @param again whether what is inside a block is computed again in the backward, so that one block's are kept
     */
    default long held(ToLongFunction<String> rows, boolean again) {
        return 0;
    }

    /** Returns the trained vector that a delta stands for: the inverse of {@link #delta}. */
    default float[] trained(Layout layout, Delta delta) {
        float[] vector = new float[layout.size()];
        delta.selection()
                .slices()
                .values()
                .forEach(slices -> layout.write(delta.values(slices.matrix()), SliceTuning.name(slices), vector));
        delta.additions()
                .values()
                .forEach(addition -> addition.arrays().forEach((name, numbers) -> layout.write(numbers, name, vector)));
        delta.whole().forEach((name, numbers) -> layout.write(numbers, name, vector));
        layout.write(delta.headWeight(), Delta.HEAD_WEIGHT, vector);
        layout.write(delta.headBias(), Delta.HEAD_BIAS, vector);
        return vector;
    }

    /**
     * Returns the pretrained values that a trained array is a difference to; the default is for one that trains whole. May be shared, for
     * reading only.
     *
     * @param array its name
     * @param tensors returns a tensor of the pretrained model by its timm name, row-major
     */
    default float[] pretrained(String array, Function<String, float[]> tensors) {
        return tensors.apply(array);
    }

    /** Returns the tuning that trains what a delta holds, to load it into a network. */
    static Tuning of(Delta delta) {
        List<Addition> additions = List.copyOf(delta.additions().values());
        if (additions.isEmpty()) {
            return delta.whole().isEmpty() || delta.selection().count() > 0
                    ? new SliceTuning(delta.selection()).withBiasesOf(delta)
                    : new WholeTuning(delta.whole().keySet());
        }
        Map<String, MatrixShape> matrices = new LinkedHashMap<>();
        additions.forEach(addition -> matrices.put(addition.matrix(), addition.shape()));
        Addition first = additions.get(0);
        return switch (first.kind()) {
            case ENTRIES ->
                new EntryTuning(additions.stream().map(Entries.class::cast).toList());
            case LOW_RANK -> {
                LowRank update = (LowRank) first;
                yield new LoraTuning(matrices, update.rank(), update.scale(), 0);
            }
            case BOTTLENECK -> {
                Bottleneck layers = (Bottleneck) first;
                yield new AdapterTuning(matrices, layers.size(), layers.scale());
            }
        };
    }

    /** Returns whether a parameter is the bias of a matrix that can have slices or entries: the norms' and the head's are not. */
    static boolean isBias(String parameter) {
        return parameter.endsWith(".bias") && !parameter.contains("norm") && !parameter.startsWith("head.");
    }

    /** Returns the trained values of the parameters that train whole beside the head, by name. */
    static Map<String, float[]> whole(Layout layout, float[] trained, Predicate<String> which) {
        Map<String, float[]> whole = new LinkedHashMap<>();
        for (String name : layout.arrays().keySet()) {
            if (which.test(name) && !isHead(name)) {
                whole.put(name, read(layout, trained, name));
            }
        }
        return whole;
    }

    /** Returns whether a parameter is of the head, which trains with every method. */
    static boolean isHead(String parameter) {
        return parameter.equals(Delta.HEAD_WEIGHT) || parameter.equals(Delta.HEAD_BIAS);
    }

    /** Returns an array that is known to be trained. */
    static float[] read(Layout layout, float[] trained, String name) {
        return Objects.requireNonNull(layout.read(trained, name), name);
    }
}
