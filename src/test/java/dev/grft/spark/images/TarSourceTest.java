package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Test;

class TarSourceTest {
    /** Returns a tar of entries, each a name, an equals sign and a content. */
    static byte[] tar(String... entries) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(out, "UTF-8")) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            for (String entry : entries) {
                int at = entry.indexOf('=');
                byte[] content = entry.substring(at + 1).getBytes(StandardCharsets.UTF_8);
                TarArchiveEntry header = new TarArchiveEntry(entry.substring(0, at), true);
                header.setSize(content.length);
                tar.putArchiveEntry(header);
                tar.write(content);
                tar.closeArchiveEntry();
            }
        }
        return out.toByteArray();
    }

    static List<String> samples(byte[] tar) {
        List<String> all = new ArrayList<>();
        try (TarSamples samples = new TarSamples(
                "t.tar",
                new ByteArrayInputStream(tar),
                LabelForm.of(Task.SINGLE_LABEL, "label"),
                true,
                0,
                Long.MAX_VALUE)) {
            samples.forEachRemaining(sample -> all.add(sample.name + " " + sample.label + " "
                    + (sample.broken == null
                            ? new String(sample.content, StandardCharsets.UTF_8)
                            : "broken: " + sample.broken)));
        }
        return all;
    }

    @Test
    void entriesThatShareAKeyAndFollowEachOtherAreASample() throws Exception {
        String deep = "d".repeat(150);
        assertThat(samples(tar(
                        "a.cls=3\n",
                        "a.jpg=A",
                        "README=no sample",
                        ".hidden.jpg=x",
                        "__meta__.json={}",
                        "x.y/b.JPEG=B",
                        "x.y/b.json={\"label\": \" cat \"}",
                        "x.y/b.seg.png=s",
                        deep + "/c.png=C",
                        deep + "/c.cls=7",
                        "d.png=D",
                        "d.txt=a caption")))
                .containsExactly(
                        "t.tar/a.jpg 3 A",
                        "t.tar/x.y/b.JPEG cat B",
                        "t.tar/" + deep + "/c.png 7 C",
                        "t.tar/d.png null D");
        assertThat(samples(tar())).isEmpty();
    }

    @Test
    void aClassWithoutAnImageIsABrokenImage() throws Exception {
        assertThat(samples(tar("a.svg=RIFF", "a.cls=1", "b.jpg=B")))
                .containsExactly(
                        "t.tar/a 1 broken: no .jpg, .jpeg, .jfif, .jpe, .mpo, .webp, .gif, .bmp, .tif, .tiff or .png,"
                                + " only svg, cls",
                        "t.tar/b.jpg null B");
    }

    @Test
    void whatLeadsOutOfTheTarIsRefused() throws Exception {
        for (String name : new String[] {"/etc/a.jpg", "../a.jpg", "a/../../b.jpg"}) {
            byte[] tar = tar(name + "=x");
            assertThatThrownBy(() -> samples(tar))
                    .isInstanceOf(UserError.class)
                    .hasMessage("t.tar: the entry " + name + " leaves the folder of the tar; is it the right file?");
        }
    }

    @Test
    void linksAreNotFollowed() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (TarArchiveOutputStream tar = new TarArchiveOutputStream(out, "UTF-8")) {
            TarArchiveEntry link = new TarArchiveEntry("a.jpg", TarArchiveEntry.LF_SYMLINK);
            link.setLinkName("/etc/passwd");
            tar.putArchiveEntry(link);
            tar.closeArchiveEntry();
        }
        assertThat(samples(out.toByteArray())).isEmpty();
    }

    @Test
    void aDamagedTarIsRefused() throws Exception {
        byte[] tar = tar("a.jpg=" + "x".repeat(2000), "b.jpg=y");
        assertThatThrownBy(() -> samples(Arrays.copyOf(tar, 1500)))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("t.tar: is not a tar, or is damaged (");
        assertThatThrownBy(() -> samples(tar("a.jpg=x", "a.png=y")))
                .isInstanceOf(UserError.class)
                .hasMessage("t.tar: a has two images, a.jpg and a.png; keep one");
        assertThatThrownBy(() -> samples(tar("a.json={", "a.png=y")))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("t.tar: a.json is not JSON: ");
        assertThatThrownBy(() -> samples(tar("a.json={\0\0\0wxyz", "a.png=y"))) // as if it were UTF-32
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("t.tar: a.json is not JSON: Invalid UTF-32 character");
    }

    @Test
    void aLabelThatIsLargeOrSparseIsRefusedWithItsReason() throws Exception {
        assertThatThrownBy(() -> samples(tar("a.cls=" + "x".repeat(2_000_000), "a.png=y")))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("t.tar: a.cls has 2000000 bytes, expected at most ")
                .hasMessageEndingWith("; is it the label of an image?");
        byte[] sparse = tar("a.cls=x", "a.png=y");
        sparse[156] = 'S'; // the type of the entry
        checksum(sparse);
        assertThatThrownBy(() -> samples(sparse))
                .isInstanceOf(UserError.class)
                .hasMessage("t.tar: a.cls is a sparse file, which is not read; write the tar with plain files");
    }

    @Test
    void anEntryThatClaimsToBeLargeIsNotGivenRoom() throws Exception {
        byte[] bomb = tar("a.jpg=x");
        System.arraycopy("77777777777".getBytes(StandardCharsets.US_ASCII), 0, bomb, 124, 11); // 8 GiB
        checksum(bomb);
        try (TarSamples samples = new TarSamples(
                "t.tar",
                new ByteArrayInputStream(bomb),
                LabelForm.of(Task.SINGLE_LABEL, "label"),
                false,
                0,
                Long.MAX_VALUE)) {
            assertThat(samples.next().broken).isEqualTo("more than the 268435456 bytes allowed");
        } catch (UserError e) {
            assertThat(e).hasMessageStartingWith("t.tar: is not a tar, or is damaged ("); // it ends before that
        }
    }

    private static void checksum(byte[] tar) {
        Arrays.fill(tar, 148, 156, (byte) ' ');
        int sum = 0;
        for (int i = 0; i < 512; i++) {
            sum += tar[i] & 0xff;
        }
        System.arraycopy(String.format("%06o\0 ", sum).getBytes(StandardCharsets.US_ASCII), 0, tar, 148, 8);
    }
}
