package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Bottleneck;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainingPlan;
import dev.grft.vit.VitConfig;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * One way to fine-tune. The head always trains; its numbers are kept as they are, all others as differences to the
 * pretrained model. Immutable, and small enough to send with every task.
 */
public interface Tuning extends Serializable {

    /** Returns what trains, with adaptations of its own: to be asked once for each network. */
    TrainingPlan plan();

    /** Returns the result of training: {@code trained} read in the layout of {@link #plan}. */
    Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256);

    /** Returns where the trained numbers lie in one vector. */
    default Layout layout(VitConfig config) {
        return Layout.of(config, plan());
    }

    /** Returns the trained vector that a delta stands for: the inverse of {@link #delta}. */
    float[] trained(Layout layout, Delta delta);

    /** Returns the tuning that a delta came from, as far as it takes to use it. */
    static Tuning of(Delta delta) {
        List<Addition> additions = List.copyOf(delta.additions().values());
        if (additions.isEmpty()) {
            return delta.whole().isEmpty()
                    ? new SliceTuning(delta.selection())
                    : delta.whole().keySet().stream().allMatch(name -> name.endsWith(".bias"))
                            ? WholeTuning.biases()
                            : new WholeTuning();
        }
        Addition first = additions.get(0);
        if (first instanceof Entries) {
            return new EntryTuning(
                    additions.stream().map(addition -> (Entries) addition).toList());
        }
        Map<String, MatrixShape> matrices = new LinkedHashMap<>();
        additions.forEach(addition -> matrices.put(addition.matrix(), addition.shape()));
        return first instanceof LowRank update
                ? new LoraTuning(matrices, update.rank(), update.scale(), 0)
                : new AdapterTuning(matrices, ((Bottleneck) first).size(), ((Bottleneck) first).scale());
    }

    /** Returns an array that is known to be trained. */
    static float[] read(Layout layout, float[] trained, String name) {
        return Objects.requireNonNull(layout.read(trained, name), name);
    }
}
