package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.grft.Damage;
import dev.grft.UserError;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Checkpoints, deltas and descriptions with random damage; images and what names them are damaged in their own package. */
@Tag("damage")
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

    /** A zip of 65 kB that unpacks to 64 MB: as an array that claims it, and as one that claims less. */
    @Test
    void anNpzThatUnpacksToFarMoreThanItsBytesIsRefusedUnread() throws Exception {
        for (String shape : new String[] {"16777216", "4"}) {
            String header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + ",), }\n";
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            try (ZipOutputStream zip = new ZipOutputStream(out)) {
                zip.putNextEntry(new ZipEntry("a.npy"));
                zip.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) header.length(), 0});
                zip.write(header.getBytes(StandardCharsets.US_ASCII));
                for (int i = 0; i < 64; i++) {
                    zip.write(new byte[1 << 20]);
                }
            }
            byte[] bomb = out.toByteArray();
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());

            assertThatThrownBy(() -> Npz.read("x", new ByteArrayInputStream(bomb), bomb.length))
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            shape.equals("4")
                                    ? "x: a: more bytes follow than its shape [4] needs"
                                    : "x: a: of shape [16777216] needs 67108864 bytes, more than the file can hold; it is"
                                            + " damaged, copy it again");

            assertThat(threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before)
                    .isLessThan(CONSTANT);
        }
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
