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
        long m = (long) examples * config.tokens();
        long d = config.width();
        long attention = config.keepsAttention() ? m * config.heads() * config.tokens() : 0;
        long inside = bytes(m * 2 * d, m * (4 * d + 2L * config.mlpWidth()) + attention);
        boolean classTokenOnly = config.variant().pooling().classTokenOnly();
        long last = classTokenOnly ? bytes(m * d + classAttention(examples), 0) : inside;
        long kept = recompute ? inside + bytes(config.depth() * m * d, 0) : (config.depth() - 1) * inside + last;
        long scaled = config.variant().layerScale() ? m * d : 0;
        long beside = classTokenOnly ? bf16 ? 2 * m * d : 0 : m * d; // the class token's block is in fp32
        long working = bytes(3 * m * d + scaled + beside, m * (6 * d + config.mlpWidth()));
        return kept + working + images(examples);
    }

    /** Returns what a network without a backward holds. */
    public long forward(int examples) {
        long m = (long) examples * config.tokens();
        long d = config.width();
        long last = config.variant().pooling().classTokenOnly() ? classAttention(examples) + (bf16 ? m * d : 0) : 0;
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
