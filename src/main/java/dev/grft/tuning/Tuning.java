package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainingPlan;
import dev.grft.vit.VitConfig;
import java.io.Serializable;
import java.util.List;
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

    /** Returns an array that is known to be trained. */
    static float[] read(Layout layout, float[] trained, String name) {
        return Objects.requireNonNull(layout.read(trained, name), name);
    }
}
