package dev.grft.checkpoint.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.grft.UserError;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;

class NpzTest {
    /** NumPy cannot write sizes and checksums before the arrays if it cannot seek, and does not compress them. */
    @Test
    void anNpzThatWasSavedToAStreamIsNotCalledDamaged() {
        byte[] entry = new byte[40];
        byte[] begin = {'P', 'K', 3, 4, 20, 0, 8, 0, 0, 0}; // a descriptor follows, stored
        System.arraycopy(begin, 0, entry, 0, begin.length);
        entry[26] = 5; // the length of the name
        System.arraycopy("a.npy".getBytes(StandardCharsets.US_ASCII), 0, entry, 30, 5);

        assertThatThrownBy(() -> Npz.read("x", new ByteArrayInputStream(entry), entry.length))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "x: is in a form that Java cannot read, since it was saved to a stream; save it to a disk first");
    }

    /** A zip of 65 kB that unpacks to 64 MB: as an array that claims it, and as one that claims less. */
    @Test
    void anNpzThatUnpacksToFarMoreThanItsBytesIsRefusedUnread() throws IOException {
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
                                    ? "x: a: more bytes follow than its shape [4] needs; it is damaged, copy it again"
                                    : "x: a: of shape [16777216] needs 67108864 bytes, more than the file can hold; it is"
                                            + " damaged, copy it again");

            assertThat(threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before)
                    .isLessThan(4 << 20);
        }
    }
}
