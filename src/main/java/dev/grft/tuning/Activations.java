package dev.grft.tuning;

import dev.grft.vit.Keep;
import dev.grft.vit.VitConfig;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;

/**
 * The memory that a network takes for a batch, in bytes: what the encoder blocks keep and work with, as {@link dev.grft.vit.Vit} holds it.
 *
 * @param config the model
 * @param bf16 whether what lies between products is in bfloat16, as with {@code engine.precision: bf16}
 */
public record Activations(VitConfig config, boolean bf16) {

    /** Returns what a network keeps of a batch for the backward, if that reads all that it can, and its working arrays. */
    public long training(int examples, boolean recompute) {
        return training(examples, recompute, 0, Collections.nCopies(config.depth(), Keep.OfBlock.EVERYTHING));
    }

    /**
     * Returns the same of a network whose first blocks are computed one image at a time.
     *
     * @param still how many blocks these are, from 0 to the depth
     * @param kept what each block keeps; empty if only the head trains, and no block has a backward
     */
    public long training(int examples, boolean recompute, int still, List<Keep.OfBlock> kept) {
        int alone = classTokenOnly() && still < config.depth() ? 1 : 0; // blocks of the class token alone
        int some = examples == 0 ? 0 : Math.min(1, still); // images that a still block computes at once
        int first = still == 0 ? examples : some;
        if (kept.isEmpty()) {
            long outputs = recompute ? outputs(first, config.depth() - 1 - alone) : 0;
            return frozen(first) + outputs + (still > 0 && !classTokenOnly() ? outputs(examples, 1) : 0);
        }
        int whole = config.depth() - still - alone;
        int most = whole > 0 ? examples : some; // images that any block computes so
        Blocks blocks =
                new Blocks(some, kept.subList(0, still), examples, kept.subList(still, still + whole), recompute);
        long outputs = recompute ? outputs(1, still) + outputs(examples, whole) : 0;
        return inside(blocks)
                + outputs
                + (still > 0 ? outputs(examples, 1) : 0)
                + alone * last(examples)
                + working(most)
                + images(first);
    }

    /** Blocks that compute {@code few} images at once, and those after them that compute {@code many}. */
    private record Blocks(int few, List<Keep.OfBlock> still, int many, List<Keep.OfBlock> moving, boolean recompute) {

        /** Returns the images of all arrays of blocks that keep one, and of one array for the blocks that do not if {@code reused}. */
        long images(Predicate<Keep.OfBlock> keeps, boolean reused) {
            long first = still.stream().filter(keeps).count();
            long then = moving.stream().filter(keeps).count();
            long kept = !recompute ? first * few + then * many : then > 0 ? many : first > 0 ? few : 0;
            boolean another = first < still.size() || then < moving.size();
            return kept + (!reused || !another ? 0 : then < moving.size() ? many : few);
        }
    }

    /** Returns what blocks keep for their backward. */
    private long inside(Blocks blocks) {
        long t = config.tokens();
        long d = config.width();
        long attention = config.keepsAttention() ? t * config.heads() * t : 0;
        long model = t * d * (blocks.images(Keep.OfBlock::norm1, false) + blocks.images(Keep.OfBlock::norm2, false));
        long between = 3 * t * d * blocks.images(Keep.OfBlock::attention, true)
                + attention * blocks.images(Keep.OfBlock::attention, false)
                + t * d * blocks.images(Keep.OfBlock::context, true)
                + t
                        * config.mlpWidth()
                        * (blocks.images(Keep.OfBlock::activation, false) + blocks.images(Keep.OfBlock::hidden, true));
        return bytes(model, between);
    }

    /** Returns what a last block of the class token alone keeps. */
    private long last(int examples) {
        return outputs(examples, 1) + bytes(classAttention(examples), 0);
    }

    /** Returns the outputs of so many blocks. */
    private long outputs(int examples, int blocks) {
        return bytes((long) blocks * examples * config.tokens() * config.width(), 0);
    }

    private long working(int examples) {
        long m = (long) examples * config.tokens();
        long d = config.width();
        long scaled = config.variant().layerScale() ? m * d : 0;
        long beside = classTokenOnly() ? bf16 ? 2 * m * d : 0 : m * d; // the class token's block is in fp32
        return bytes(3 * m * d + scaled + beside, m * (6 * d + config.mlpWidth()));
    }

    private boolean classTokenOnly() {
        return config.variant().pooling().classTokenOnly();
    }

    /** Returns what a network without a backward holds, whatever has been trained in it. */
    public long forward(int examples) {
        return withoutClassAttention(examples) + (classTokenOnly() ? bytes(classAttention(examples), 0) : 0);
    }

    /** Returns the same of a network whose blocks are as they were pretrained: qkv's weights are not merged. */
    private long frozen(int examples) {
        long values = config.heads() * (3L * config.width() + config.tokens()) + 2L * config.width();
        return withoutClassAttention(examples) + (classTokenOnly() ? bytes(examples * values, 0) : 0);
    }

    private long withoutClassAttention(int examples) {
        long m = (long) examples * config.tokens();
        long d = config.width();
        long normed = classTokenOnly() && bf16 ? m * d : 0; // the class token's block is in fp32
        return bytes(4 * m * d + normed, m * (5 * d + config.mlpWidth())) + images(examples);
    }

    /** Returns the values of the class token's attention, forward and backward: its vectors for each head, and qkv's weights merged. */
    private long classAttention(int examples) {
        long d = config.width();
        return examples * (config.heads() * (13 * d + config.tokens()) + 8 * d) + 3 * d * d;
    }

    private long images(int examples) {
        return bytes(2L * examples * VitConfig.CHANNELS * config.imageSize() * config.imageSize(), 0);
    }

    private long bytes(long model, long between) {
        return Float.BYTES * model + (bf16 ? Short.BYTES : Float.BYTES) * between;
    }
}
