package dev.grft.checkpoint;

import dev.grft.Damage;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints and descriptions with random damage; deltas and images are damaged in their own packages. */
@Tag("damage")
class DamagedFilesTest {
    private static final long CONSTANT = 4 << 20; // bytes

    @Test
    void safetensors() throws Exception {
        survives("formats/transformers/model.safetensors", 2500, 0.1, bytes -> Safetensors.read("x", bytes));
    }

    @Test
    void npz(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("x.npz");
        survives("formats/npz/ViT-Tiny_4.npz", 1000, 1, bytes -> {
            Files.write(file, bytes);
            new Conversion(NameMap.NPZ).toTimm(Tensors.read(Golden.HADOOP, Golden.hadoop(file)));
        });
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
