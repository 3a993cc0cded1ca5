package dev.grft.vit;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.checkpoint.file.Safetensors;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Machine;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** ViT-B/16 at full size with made-up weights; the formula is in {@code src/test/python/README.md}. */
@Tag("thorough")
class VitBase16Test {

    @Test
    void logitsAndFeaturesAreTimms() {
        Safetensors golden = Golden.read("vit_base_patch16_224/golden.safetensors");
        VitConfig config = VitConfig.preset("vit_base_patch16_224", 1000);
        try (Weights weights = Weights.copyOf(
                config,
                Golden.lazily(
                        config.tensors().keySet(),
                        name -> madeUp(
                                name, length(requireNonNull(config.tensors().get(name))))),
                DataType.FLOAT)) {
            Vit vit = new Vit(weights, Trainable.NOTHING, new CpuKernels(), Keep.NOTHING);
            long[] shape = {2, 3, 224, 224};
            Array images = Machine.zeros(DataType.FLOAT, shape);
            images.write(madeUp("input", length(shape)));
            Machine.assertClose(Machine.values(vit.forward(images)), Golden.doubles(golden, "logits"), 1e-4);
            Machine.assertClose(Machine.values(vit.features(images)), Golden.doubles(golden, "features"), 1e-4);
        }
    }

    @Test
    void theFormulaGivesThePublishedHashes() {
        assertThat(splitmix64(0)).isEqualTo(0xe220a8397b1dcdafL);
        assertThat(fnv1a64("a")).isEqualTo(0xaf63dc4c8601ec8cL);
    }

    private static int length(long[] shape) {
        int length = 1;
        for (long n : shape) {
            length *= (int) n;
        }
        return length;
    }

    private static float[] madeUp(String name, int length) {
        long hash = fnv1a64(name);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            double w = 2 * ((splitmix64(hash + i) >>> 40) / (double) (1 << 24) - 0.5);
            values[i] = (float) value(name, w);
        }
        return values;
    }

    private static double value(String name, double w) {
        if (name.equals("input")) {
            return w;
        }
        if (name.equals("cls_token") || name.equals("pos_embed")) {
            return 0.05 * w;
        }
        if (name.endsWith(".bias")) {
            return 0.02 * w;
        }
        return name.matches("(.*\\.)?norm[12]?\\.weight") ? 1.0 + 0.1 * w : 0.03 * w;
    }

    private static long fnv1a64(String text) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        }
        return hash;
    }

    private static long splitmix64(long x) {
        long z = x + 0x9e3779b97f4a7c15L;
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }
}
