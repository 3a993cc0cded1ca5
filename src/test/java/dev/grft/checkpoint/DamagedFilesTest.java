package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.grft.UserError;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Files with random damage: they are read, or refused by a clear error, and cost no more memory than their size allows. */
class DamagedFilesTest {
    private static final long SEED = System.nanoTime();
    private static final long CONSTANT = 4 << 20; // bytes

    /** Reads a file's bytes, or throws a UserError. */
    private interface Reading {
        void read(byte[] bytes) throws IOException;
    }

    @Test
    void safetensors() throws Exception {
        survives("formats/transformers/model.safetensors", 4000, 0.1, bytes -> Safetensors.read("x", bytes));
    }

    @Test
    void deltas() throws Exception {
        survives("formats/peft/delta.safetensors", 2000, 0.3, bytes -> DeltaFile.read(Safetensors.read("x", bytes)));
    }

    @Test
    void npz() throws Exception {
        survives(
                "formats/npz/ViT-Tiny_4.npz",
                2000,
                1,
                bytes -> NameMap.NPZ.toTimm(Npz.read("x", new ByteArrayInputStream(bytes), bytes.length)));
    }

    @Test
    void descriptions() throws Exception {
        survives(
                "formats/transformers/config.json",
                1000,
                1,
                bytes -> Description.ofTransformers(
                        "x", Json.parse("x", new String(bytes, StandardCharsets.UTF_8)), "y", null));
        survives(
                "formats/timm-deit/config.json",
                1000,
                1,
                bytes -> Description.ofTimm("x", Json.parse("x", new String(bytes, StandardCharsets.UTF_8))));
    }

    private static void survives(String golden, int times, double part, Reading reading) throws IOException {
        byte[] good = Files.readAllBytes(Golden.path(golden));
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        Random random = new Random(SEED);
        int refused = 0;
        for (int i = 0; i < times; i++) {
            byte[] bytes = damaged(good, part, random);
            long before = threads.getThreadAllocatedBytes(id);
            try {
                reading.read(bytes);
            } catch (UserError e) {
                assertThat(e.getMessage())
                        .as("%s, seed %d, mutation %d", golden, SEED, i)
                        .isNotBlank();
                refused++;
            } catch (Exception | Error e) {
                throw new AssertionError(golden + ", seed " + SEED + ", mutation " + i + ": " + e, e);
            }
            assertThat(threads.getThreadAllocatedBytes(id) - before)
                    .as("bytes that were allocated, all in all: %s, seed %d, mutation %d", golden, SEED, i)
                    .isLessThan(16L * bytes.length + CONSTANT);
        }
        assertThat(refused).isGreaterThan(times / 10); // or the damage would be none
    }

    /** Returns a copy with some bytes of its beginning changed, one part twice, or its end cut off. */
    private static byte[] damaged(byte[] good, double part, Random random) {
        byte[] bytes = good.clone();
        int region = Math.max(1, (int) (part * bytes.length));
        switch (random.nextInt(4)) {
            case 0 -> bytes = java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length));
            case 1 -> {
                int length = 1 + random.nextInt(Math.min(64, bytes.length / 2));
                System.arraycopy(
                        good,
                        random.nextInt(bytes.length - length),
                        bytes,
                        random.nextInt(bytes.length - length),
                        length);
            }
            case 2 -> {
                int at = random.nextInt(region);
                bytes[at] = (byte) "0123456789{}[]\",:-\\e\0\377".charAt(random.nextInt(22));
            }
            default -> {
                for (int n = 1 + random.nextInt(8); n > 0; n--) {
                    bytes[random.nextInt(region)] = (byte) random.nextInt();
                }
            }
        }
        return bytes;
    }
}
