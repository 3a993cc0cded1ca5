package dev.grft.checkpoint;

import dev.grft.Damage;
import dev.grft.UserError;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

/** Checkpoints, deltas and descriptions with random damage; images and what names them are damaged in their own package. */
class DamagedFilesTest {
    private static final long CONSTANT = 4 << 20; // bytes

    @Test
    void safetensors() throws Exception {
        survives("formats/transformers/model.safetensors", 2500, 0.1, bytes -> Safetensors.read("x", bytes));
    }

    @Test
    void deltas() throws Exception {
        survives("formats/peft/delta.safetensors", 1000, 0.3, bytes -> DeltaFile.read(Safetensors.read("x", bytes)));
    }

    @Test
    void npz() throws Exception {
        survives(
                "formats/npz/ViT-Tiny_4.npz",
                1000,
                1,
                bytes -> NameMap.NPZ.toTimm(Npz.read("x", new ByteArrayInputStream(bytes), bytes.length)));
    }

    @Test
    void descriptions() throws Exception {
        survives(
                "formats/transformers/config.json",
                500,
                1,
                bytes -> Description.ofTransformers(
                        "x", Json.parse("x", new String(bytes, StandardCharsets.UTF_8)), "y", null));
        survives(
                "formats/timm-deit/config.json",
                500,
                1,
                bytes -> Description.ofTimm("x", Json.parse("x", new String(bytes, StandardCharsets.UTF_8))));
    }

    private static void survives(String golden, int times, double part, Damage.Reading reading) throws IOException {
        byte[] good = Files.readAllBytes(Golden.path(golden));
        Damage.survives(golden, good, times, part, CONSTANT, reading, UserError.class);
    }
}
