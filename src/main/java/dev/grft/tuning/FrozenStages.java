package dev.grft.tuning;

import dev.grft.data.Augment;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import org.jspecify.annotations.Nullable;

/**
 * The first stages of a network, if they make the same of an image in each epoch of a training: nothing in them trains, and nothing is random.
 * Each image's output is then computed once and kept.
 *
 * @param count of these stages: the patch embedding and one encoder block or more
 * @param length numbers of an image's output
 */
public record FrozenStages(int count, int length) {

    /**
     * Returns the stages below the first that trains, or null if their outputs are not kept: if none of them is an encoder block, if images are
     * augmented, if branches are dropped at random, or on GPUs. Kept outputs are computed image by image, and one image does not keep a GPU busy.
     *
     * @param layout of what trains
     * @param dropPath probability that the last block drops a branch, {@code training.dropPath}
     * @param gpu whether tasks compute on GPUs
     */
    public static @Nullable FrozenStages of(
            VitConfig config, Layout layout, Augment augment, double dropPath, boolean gpu) {
        int count = layout.frozenStages();
        if (count < 2 || !augment.changesNothing() || dropPath > 0 || gpu) {
            return null;
        }
        boolean all = count <= config.depth() || !config.variant().pooling().classTokenOnly();
        return new FrozenStages(count, Math.multiplyExact(all ? config.tokens() : 1, config.width()));
    }

    /** Returns the bytes of an image's output. */
    public long bytes() {
        return (long) length * Float.BYTES;
    }

    /** Returns what does not train, for people, such as {@code the 11 first blocks}. */
    @Override
    public String toString() {
        return count == 2 ? "the first block" : "the first " + (count - 1) + " blocks";
    }
}
