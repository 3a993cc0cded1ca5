package dev.grft.tuning;

import dev.grft.vit.VitConfig;

/**
 * The memory that a network takes for a batch, in bytes: what the encoder blocks keep and work with, as {@link dev.grft.vit.Vit} holds it.
 *
 * @param config the model
 * @param bf16 whether what lies between products is in bfloat16, as with {@code engine.precision: bf16}
 */
public record Activations(VitConfig config, boolean bf16) {

    /** Returns what a frozen network keeps of a batch for the backward, and its working arrays. */
    public long training(int examples, boolean recompute) {
        long kept = recompute
                ? inside(examples) + outputs(examples, config.depth())
                : (config.depth() - 1) * inside(examples) + last(examples);
        return kept + working(examples) + images(examples);
    }

    /**
     * Returns the same of a network whose first blocks are computed one image at a time.
     *
     * @param still how many blocks these are, from 0 to the depth
     */
    public long training(int examples, boolean recompute, int still) {
        if (still == 0 || examples == 0) {
            return training(examples, recompute);
        }
        int moving = config.depth() - still;
        boolean alone = moving > 0 && classTokenOnly();
        int whole = alone ? moving - 1 : moving; // blocks that compute all tokens of the batch
        int most = whole > 0 ? examples : 1; // images that any block computes so
        long kept = recompute
                ? inside(most) + outputs(1, still) + outputs(examples, whole)
                : still * inside(1) + whole * inside(examples);
        return kept + outputs(examples, 1) + (alone ? last(examples) : 0) + working(most) + images(1);
    }

    /** Returns what a block keeps for its backward. */
    private long inside(int examples) {
        long m = (long) examples * config.tokens();
        long d = config.width();
        long attention = config.keepsAttention() ? m * config.heads() * config.tokens() : 0;
        return bytes(m * 2 * d, m * (4 * d + 2L * config.mlpWidth()) + attention);
    }

    /** Returns what the last block keeps. */
    private long last(int examples) {
        return classTokenOnly() ? outputs(examples, 1) + bytes(classAttention(examples), 0) : inside(examples);
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

    /** Returns what a network without a backward holds. */
    public long forward(int examples) {
        long m = (long) examples * config.tokens();
        long d = config.width();
        long last = classTokenOnly() ? classAttention(examples) + (bf16 ? m * d : 0) : 0;
        return bytes(5 * m * d + last, m * (5 * d + config.mlpWidth())) + images(examples);
    }

    /** Returns the values of the class token's attention: its vectors for each head, and qkv's weights merged. */
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
