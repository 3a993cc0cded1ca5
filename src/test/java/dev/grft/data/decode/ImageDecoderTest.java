package dev.grft.data.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.grft.data.BrokenImage;
import dev.grft.data.Images;
import dev.grft.data.Pixels;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageDecoderTest {
    private final ImageDecoder decoder = new ImageDecoder();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rgb.png",
                "gray.png",
                "palette.png",
                "one-bit.png",
                "4-bit-gray.png",
                "16-bit-rgb.png",
                "alpha.png",
                "gray-alpha.png",
                "lossy.webp",
                "coarse.webp",
                "lossy-alpha.webp",
                "lossless.webp",
                "animated.webp",
                "animated-lossless.webp",
                "animated.gif",
                "palette.gif",
                "transparent.gif",
                "offset.gif",
                "offset-transparent.gif",
                "rgb.bmp",
                "gray.bmp",
                "palette.bmp",
                "one-bit.bmp",
                "alpha.bmp",
                "rgb555.bmp",
                "rgb565.bmp",
                "pages.tif",
                "lzw.tif",
                "deflate.tif",
                "packbits.tif",
                "fax.tif",
                "gray.tif",
                "one-bit.tif",
                "palette.tif",
                "alpha.tif",
                "cmyk.tif",
                "jpeg.tif",
                "pictures.mpo",
                "turned-3.tif", // Pillow turns a TIFF, whatever it is asked for
                "turned-6.tif"
            })
    void anImageDecodesToWhatPillowDecodesToTheLastBit(String name) throws Exception {
        assertThat(Images.pixels(name)).isEqualTo(Images.pixels(name + ".expected.png"));
    }

    /** Pillow cuts 16 bits of gray off at 255, which makes nearly all of it white. */
    @ParameterizedTest
    @ValueSource(strings = {"16-bit-gray.png", "16-bit-gray.tif"})
    void of16BitsOfGrayTheUpper8CountWhichIsNotWhatPillowDoes(String name) throws Exception {
        assertThat(Images.pixels(name)).isEqualTo(Images.pixels(name + ".expected.png"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb.jpg", "half-chroma.jpg", "progressive.jpg", "gray.jpg", "stored-rgb.jpg"})
    void anOrdinaryJpegDecodesToWhatPillowDecodesToTheLastBit(String name) throws Exception {
        assertThat(PlainJpeg.decode(Images.file(name), 24 * 40, ImageDecoder.PLAIN_JPEG))
                .isEqualTo(Images.pixels(name + ".expected.png"));
        assertThat(Images.pixels(name)).isEqualTo(Images.pixels(name + ".expected.png"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"profile.jpg", "broken-profile.jpg", "cmyk.jpg"})
    void anotherJpegIsLeftToTheReaderThatKnowsIt(String name) throws Exception {
        assertThat(PlainJpeg.decode(Images.file(name), 24 * 40, ImageDecoder.PLAIN_JPEG))
                .isNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {"profile.jpg", "broken-profile.jpg", "cmyk.jpg"})
    void aJpegDecodesToWhatPillowDecodesButForRounding(String name) throws Exception {
        Pixels pixels = Images.pixels(name);
        Pixels expected = Images.pixels(name + ".expected.png");

        assertThat(pixels.height()).isEqualTo(24);
        assertThat(pixels.width()).isEqualTo(40);
        assertThat(IntStream.range(0, 24 * 40 * 3)
                        .map(i -> Math.abs((pixels.rgb()[i] & 0xff) - (expected.rgb()[i] & 0xff)))
                        .max()
                        .orElseThrow())
                .isLessThanOrEqualTo(2);
    }

    @Test
    void redGrowsToTheRightAndGreenDownward() throws Exception {
        byte[] rgb = Images.pixels("rgb.png").rgb();

        assertThat(rgb[0]).isZero();
        assertThat(rgb[3 * 39] & 0xff).isEqualTo(255);
        assertThat(rgb[3 * 39 + 1]).isZero();
        assertThat(rgb[3 * 40 * 23]).isZero();
        assertThat(rgb[3 * 40 * 23 + 1] & 0xff).isEqualTo(255);
    }

    @Test
    void anImageOfTooManyPixelsIsRefused() throws Exception {
        byte[] encoded = Images.file("rgb.png");

        assertThat(new ImageDecoder(24 * 40).decode(encoded, "a").height()).isEqualTo(24);
        assertThatThrownBy(() -> new ImageDecoder(24 * 40 - 1).decode(encoded, "a.png"))
                .isInstanceOf(BrokenImage.class)
                .hasMessage("a.png: 24 x 40 pixels, more than the 959 allowed");
        assertThatThrownBy(() -> new ImageDecoder(0)).hasMessage("the limit must be 1 pixel or more, got 0");
    }

    @ParameterizedTest
    @ValueSource(strings = {"lossless.webp", "animated-lossless.webp"})
    void ofWebPWithoutLossAQuarterOfThePixelsIsAllowedAndTheErrorSaysHowToConvertIt(String name) throws Exception {
        byte[] encoded = Images.file(name);
        Pixels image = Images.pixels(name);
        int pixels = image.height() * image.width();

        assertThat(new ImageDecoder(4 * pixels).decode(encoded, name)).isEqualTo(image);
        assertThatThrownBy(() -> new ImageDecoder(4 * pixels - 1).decode(encoded, name))
                .isInstanceOf(BrokenImage.class)
                .hasMessage(name + ": " + image.height() + " x " + image.width() + " pixels, more than the "
                        + (pixels - 1) + " allowed of WebP without loss; convert it: magick " + name + " " + name
                        + ".png");
    }

    @ParameterizedTest
    @CsvSource({"1, 1000001", "1000001, 1", "100000000, 1"})
    void anImageOfAnExtremeShapeIsRefused(int height, int width) throws Exception {
        byte[] encoded = Images.file("rgb.png");
        ByteBuffer.wrap(encoded).putInt(16, width).putInt(20, height);

        assertThatThrownBy(() -> decoder.decode(encoded, "a.png"))
                .isInstanceOf(BrokenImage.class)
                .hasMessage("a.png: " + height + " x " + width + " pixels, a side of more than the 1000000 allowed");
    }

    @Test
    void anImageBombIsRefusedBeforeThereIsRoomForIt() throws Exception {
        byte[] bomb = Images.file("rgb.png");
        for (int i = 16; i < 24; i++) { // width and height of the header: 0x7f7f7f7f each
            bomb[i] = 0x7f;
        }

        assertThatThrownBy(() -> decoder.decode(bomb, "bomb.png"))
                .hasMessage("bomb.png: 2139062143 x 2139062143 pixels, more than the 100000000 allowed");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb.jpg", "progressive.jpg", "cmyk.jpg", "gray.jpg", "rgb.png"})
    void anImageOfThirtyThousandPixelsASideIsRefusedByItsHeader(String name) throws Exception {
        byte[] bomb = Images.file(name);
        int at = name.endsWith(".png") ? 18 : sizeInJpeg(bomb);
        for (int side = 0; side < 2; side++) {
            bomb[at + (name.endsWith(".png") ? 4 : 2) * side] = 30_000 >> 8;
            bomb[at + (name.endsWith(".png") ? 4 : 2) * side + 1] = 30_000 & 0xff;
        }
        long before = allocated();

        assertThatThrownBy(() -> decoder.decode(bomb, name))
                .isInstanceOf(BrokenImage.class)
                .hasMessage(name + ": 30000 x 30000 pixels, more than the 100000000 allowed");

        assertThat(allocated() - before).isLessThan(10_000_000); // 900 million for one byte a pixel
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb.jpg", "cmyk.jpg", "rgb.png"})
    void anImageThatClaimsMorePixelsThanItsBytesCanHoldIsRefused(String name) throws Exception {
        byte[] bomb = Images.file(name);
        int at = name.endsWith(".png") ? 18 : sizeInJpeg(bomb);
        for (int side = 0; side < 2; side++) {
            bomb[at + (name.endsWith(".png") ? 4 : 2) * side] = 9_999 >> 8;
            bomb[at + (name.endsWith(".png") ? 4 : 2) * side + 1] = (byte) (9_999 & 0xff);
        }
        long before = allocated();

        assertThatThrownBy(() -> decoder.decode(bomb, name))
                .isInstanceOf(BrokenImage.class)
                .hasMessage(name + ": 9999 x 9999 pixels, more than can be in a file of " + bomb.length + " bytes");

        assertThat(allocated() - before).isLessThan(10_000_000); // 300 million for the colors
    }

    /** Returns where the frame of a JPEG tells its height and width, two bytes each. */
    private static int sizeInJpeg(byte[] jpeg) {
        int at = 2;
        while ((jpeg[at + 1] & 0xff) < 0xc0 || (jpeg[at + 1] & 0xff) > 0xc2) {
            at += 2 + ((jpeg[at + 2] & 0xff) << 8 | (jpeg[at + 3] & 0xff));
        }
        return at + 5;
    }

    private static long allocated() {
        return ManagementFactory.getPlatformMXBean(ThreadMXBean.class).getCurrentThreadAllocatedBytes();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rgb.jpg",
                "progressive.jpg",
                "stored-rgb.jpg",
                "cmyk.jpg",
                "gray.jpg",
                "rgb.png",
                "palette.png",
                "gray.tif",
                "palette.tif",
                "cmyk.tif",
                "one-bit.tif",
                "lzw.tif",
                "deflate.tif",
                "packbits.tif",
                "fax.tif",
                "jpeg.tif",
                "palette.gif",
                "transparent.gif",
                "offset.gif",
                "rgb.bmp",
                "gray.bmp",
                "palette.bmp",
                "one-bit.bmp",
                "alpha.bmp",
                "rgb565.bmp",
                "lossy.webp",
                "lossy-alpha.webp",
                "lossless.webp",
                "animated-lossless.webp"
            })
    void aFileOfWhichTheEndIsMissingIsBroken(String name) throws Exception {
        byte[] whole = Images.file(name);

        for (int length : new int[] {20, whole.length / 4, whole.length / 2, whole.length * 3 / 4}) {
            assertThatThrownBy(() -> decoder.decode(Arrays.copyOf(whole, length), name))
                    .as("%s bytes of %s", length, whole.length)
                    .isInstanceOf(BrokenImage.class)
                    .hasMessageStartingWith(name + ": damaged (");
        }
    }

    /** The directory stands before the strip here, so that the strip is cut off alone; its offset is field 273. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "gray.tif",
                "palette.tif",
                "cmyk.tif",
                "lzw.tif",
                "deflate.tif",
                "packbits.tif",
                "fax.tif",
                "jpeg.tif"
            })
    void aTiffOfWhichTheLastStripIsCutOffIsBroken(String name) throws Exception {
        byte[] whole = Images.file(name);
        ByteBuffer file =
                ByteBuffer.wrap(Arrays.copyOf(whole, 2 * whole.length)).order(ByteOrder.LITTLE_ENDIAN);
        int place = tiffField(file.array(), 273);
        int offset = file.getInt(place);
        file.putInt(place, offset + whole.length);
        int count = file.getInt(tiffField(file.array(), 279));
        System.arraycopy(whole, offset, file.array(), offset + whole.length, count);
        byte[] moved = Arrays.copyOf(file.array(), offset + whole.length + count);

        assertThat(decoder.decode(moved, name)).isEqualTo(Images.pixels(name));
        for (int missing : new int[] {1, 2, count / 2, count - 1}) {
            assertThatThrownBy(() -> decoder.decode(Arrays.copyOf(moved, moved.length - missing), name))
                    .as("without %s of %s bytes", missing, count)
                    .isInstanceOf(BrokenImage.class)
                    .hasMessageStartingWith(name + ": damaged (");
        }
    }

    /** Pillow refuses all of these; Java's reader makes the rest of the image black. */
    @ParameterizedTest
    @CsvSource({"lzw.tif, true", "packbits.tif, true", "lzw.tif, false", "packbits.tif, false", "deflate.tif, false"})
    void aStripThatUnpacksToTooFewPixelsIsBroken(String name, boolean zeros) throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Images.file(name)).order(ByteOrder.LITTLE_ENDIAN);
        int offset = file.getInt(tiffField(file.array(), 273));
        int place = tiffField(file.array(), 279);
        int count = file.getInt(place);
        if (zeros) {
            Arrays.fill(file.array(), offset + count / 2, offset + count, (byte) 0);
        } else {
            file.putInt(place, count - 10);
        }

        assertThatThrownBy(() -> decoder.decode(file.array(), name))
                .isInstanceOf(BrokenImage.class)
                .hasMessage(name + ": damaged (a strip or tile has fewer pixels than it should)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gray.tif", "lzw.tif", "packbits.tif", "deflate.tif"})
    void aTiffWithTheLastBitOfEachByteFirstIsBroken(String name) throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Images.file(name)).order(ByteOrder.LITTLE_ENDIAN);
        int place = tiffField(file.array(), 284); // has its default there
        file.putShort(place - 8, (short) 266);
        file.putInt(place, 2);

        assertThatThrownBy(() -> decoder.decode(file.array(), name))
                .isInstanceOf(BrokenImage.class)
                .hasMessageContaining("FillOrder 2");
    }

    @Test
    void aWrongChecksumBehindAllPixelsOfAStripIsNotLookedAtAsInPillow() throws Exception {
        byte[] file = Images.file("deflate.tif");
        int offset = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(tiffField(file, 273));
        file[offset + 191] ^= 0x55;

        assertThat(decoder.decode(file, "deflate.tif")).isNotEqualTo(Images.pixels("deflate.tif"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb.jpg", "gray.jpg", "half-chroma.jpg"})
    void aTrailerInPlaceOfTheEndMarkerIsNotLookedAt(String name) throws Exception {
        byte[] whole = Images.file(name);
        byte[] trailed = Arrays.copyOf(whole, whole.length + 200); // zeros
        trailed[whole.length - 2] = 0;
        trailed[whole.length - 1] = 'S';

        assertThat(decoder.decode(trailed, name)).isEqualTo(Images.pixels(name + ".expected.png"));
        assertThat(decoder.decode(Arrays.copyOf(whole, whole.length - 2), name))
                .isEqualTo(Images.pixels(name + ".expected.png"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"rgb.jpg", "gray.jpg", "half-chroma.jpg", "progressive.jpg", "cmyk.jpg"})
    void aScanThatIsCutOffIsBrokenWhateverFollows(String name) throws Exception {
        byte[] whole = Images.file(name);
        byte[] cut = Arrays.copyOf(whole, whole.length - 7);
        byte[] trailed = Arrays.copyOf(cut, cut.length + 200);
        System.arraycopy(new byte[] {(byte) 0xff, (byte) 0xe5, 0, 16}, 0, trailed, cut.length, 4);

        assertThatThrownBy(() -> decoder.decode(cut, name)).hasMessageStartingWith(name + ": damaged (");
        assertThatThrownBy(() -> decoder.decode(trailed, name)).hasMessageStartingWith(name + ": damaged (");
    }

    /** The chunk's number stands behind the words ICC_PROFILE and a zero, then how many there are. */
    @ParameterizedTest
    @CsvSource({"0, 9", "0, 0", "1, 0", "1, 7", "2, 127", "5, 3"})
    void aProfileOfWhateverDamageIsIgnored(int behind, byte wrong) throws Exception {
        byte[] image = Images.file("profile.jpg");
        int profile = new String(image, StandardCharsets.ISO_8859_1).indexOf("ICC_PROFILE\0") + 12;
        image[profile + behind] = wrong;

        Pixels pixels = decoder.decode(image, "profile.jpg");

        assertThat(pixels.height()).isEqualTo(24);
        assertThat(pixels.width()).isEqualTo(40);
    }

    @Test
    void metadataOfWhateverDamageDoesNotBreakAJpeg() throws Exception {
        byte[] whole = Images.file("rgb.jpg");
        Pixels expected = Images.pixels("rgb.jpg");
        for (int marker = 0xe0; marker <= 0xfe; marker = marker == 0xef ? 0xfe : marker + 1) {
            for (String content :
                    new String[] {"Exif\0\0MM\0*\0\0\377\377", "ICC_PROFILE\0\7\2abc", "JFXX\0\20", "MPF\0", ""}) {
                byte[] segment = ("\377" + (char) marker + "\0" + (char) (content.length() + 2) + content)
                        .getBytes(StandardCharsets.ISO_8859_1);
                byte[] image = Arrays.copyOf(whole, whole.length + segment.length);
                System.arraycopy(whole, 20, image, 20 + segment.length, whole.length - 20); // behind JFIF's
                System.arraycopy(segment, 0, image, 20, segment.length);

                assertThat(decoder.decode(image, "a.jpg"))
                        .as("%x %s", marker, content)
                        .isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "iCCP", "zTXt", "iTXt", "tEXt", "sRGB", "gAMA", "cHRM", "tIME", "pHYs", "bKGD", "sBIT", "tRNS", "hIST",
                "eXIf"
            })
    void metadataOfWhateverDamageDoNotBreakAPng(String chunk) throws Exception {
        byte[] whole = Images.file("rgb.png");
        byte[] wrong = ("\0\0\0\5" + chunk + "ab\377\0z" + "CRC!").getBytes(StandardCharsets.ISO_8859_1);
        byte[] image = Arrays.copyOf(whole, whole.length + wrong.length);
        System.arraycopy(whole, 33, image, 33 + wrong.length, whole.length - 33); // behind the header
        System.arraycopy(wrong, 0, image, 33, wrong.length);

        assertThat(decoder.decode(image, "a.png")).isEqualTo(Images.pixels("rgb.png"));
    }

    @Test
    void aBrokenImageTellsItsNameAndTheReason() {
        assertThatThrownBy(() -> decoder.decode(new byte[0], "cat/1.jpg"))
                .isInstanceOfSatisfying(BrokenImage.class, broken -> {
                    assertThat(broken.name()).isEqualTo("cat/1.jpg");
                    assertThat(broken.reason()).isEqualTo("empty");
                });
    }

    @ParameterizedTest
    @CsvSource({
        "GIF89a, damaged (without a frame)",
        "RIFF1234WEBP, 'damaged (without an image, or cut off)'",
        "RIFF1234WAVE, 'neither JPEG, PNG, WebP, GIF, BMP nor TIFF'",
        "BM123456, damaged (EOFException)",
        "<html>, 'neither JPEG, PNG, WebP, GIF, BMP nor TIFF but HTML, XML or SVG'",
        "Not found, 'neither JPEG, PNG, WebP, GIF, BMP nor TIFF'",
        "P, 'neither JPEG, PNG, WebP, GIF, BMP nor TIFF'",
        "1234ftypheic123456789012, HEIC; convert it: heif-convert a.jpg a.jpg.jpg",
        "1234ftypmif1123456789012, HEIF; convert it: heif-convert a.jpg a.jpg.jpg"
    })
    void anotherFormatIsBrokenAndNamed(String content, String reason) {
        assertThatThrownBy(() -> decoder.decode(content.getBytes(StandardCharsets.ISO_8859_1), "a.jpg"))
                .hasMessage("a.jpg: " + reason);
    }

    @ParameterizedTest
    @CsvSource({
        "photo.avif, AVIF; convert it: avifdec photo.avif photo.avif.png",
        "photo.jp2, JPEG 2000; convert it: magick photo.jp2 photo.jp2.png",
        "big.tif, a BigTIFF; convert it: magick big.tif big.tif.png",
        "fractional.tif, 'a TIFF of gray in signed or fractional numbers of [32] bits, only gray, palettes, RGB, YCbCr"
                + " and CMYK of up to 16 bits are read; convert it to PNG'"
    })
    void whatIsNotReadSaysWhatToDo(String name, String reason) throws Exception {
        byte[] file = Images.file(name);

        assertThatThrownBy(() -> decoder.decode(file, name))
                .isInstanceOf(BrokenImage.class)
                .hasMessage(name + ": " + reason);
    }

    /** Where the sizes stand, how many bytes they have, and whether they are big-endian. */
    @ParameterizedTest
    @CsvSource({
        "palette.gif, 6, 2, 60000",
        "rgb.bmp, 18, 4, 20000",
        "lossy.webp, 26, 2, 16383",
        "animated.webp, 24, 3, 60000",
        "gray.tif, -256, 4, 30000"
    })
    void aHeaderThatClaimsTooMuchIsRefusedInEveryFormat(String name, int at, int bytes, int side) throws Exception {
        byte[] bomb = Images.file(name);
        int first = at > 0 ? at : tiffField(bomb, -at);
        int second = at > 0 ? first + bytes : tiffField(bomb, 1 - at);
        for (int place : new int[] {first, second}) {
            for (int i = 0; i < bytes; i++) {
                bomb[place + i] = (byte) (side >> (8 * i));
            }
        }
        long before = allocated();

        assertThatThrownBy(() -> decoder.decode(bomb, name))
                .isInstanceOf(BrokenImage.class)
                .hasMessageMatching(
                        ".*: (\\d+ x \\d+ pixels, more than the 100000000 allowed|damaged \\(Invalid width/height.*)");

        assertThat(allocated() - before).isLessThan(10_000_000);
    }

    private static int tiffField(byte[] tiff, int tag) {
        int directory = (tiff[4] & 0xff) | (tiff[5] & 0xff) << 8;
        for (int at = directory + 2; ; at += 12) {
            if (((tiff[at] & 0xff) | (tiff[at + 1] & 0xff) << 8) == tag) {
                tiff[at + 2] = 4; // long
                return at + 8;
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {279, 322, 258})
    void aTiffThatClaimsMoreThanItsFileHasIsRefused(int tag) throws Exception {
        byte[] bomb = Images.file(tag == 322 ? "gray.tif" : "lzw.tif");
        int place = tiffField(bomb, tag == 322 ? 279 : tag);
        if (tag == 322) { // tiles in place of strips
            bomb[place - 8] = (byte) (322 & 0xff);
            bomb[place - 7] = 322 >> 8;
        }
        int from = tag == 258 ? place - 4 : place; // its count, or its value
        bomb[from + 2] = 0x7f;
        bomb[from + 3] = 0x7f;
        long before = allocated();

        assertThatThrownBy(() -> decoder.decode(bomb, "a.tif")).isInstanceOf(BrokenImage.class);

        assertThat(allocated() - before).isLessThan(10_000_000);
    }

    /** Java makes room for a whole tile, whose height it takes from the strips if it has none of its own. */
    @ParameterizedTest
    @CsvSource({
        "322, 10000, 323, 10000",
        "322, 10000, 278, 10000",
        "323, 100000, 278, 10",
        "322, 2147483648, 323, 2147483648",
        "322, 4294967295, 323, 4294967295",
        "322, 1, 323, 100000000",
        "322, 0, 323, 1"
    })
    void aTileThatIsMuchLargerThanTheFileIsRefused(int first, long value, int second, long other) throws Exception {
        byte[] bomb = tiff(Map.of(256, 1L, 257, 1L, 258, 16L, 262, 1L, 324, 8L, 325, 2L, first, value, second, other));
        long before = allocated();

        assertThatThrownBy(() -> decoder.decode(bomb, "a.tif")).isInstanceOf(BrokenImage.class);

        assertThat(allocated() - before).isLessThan(10_000_000);
    }

    @Test
    void aTileThatIsSomewhatLargerThanTheImageIsRead() throws Exception {
        byte[] file = tiff(Map.of(256, 1L, 257, 1L, 258, 16L, 262, 1L, 322, 16L, 323, 16L, 324, 8L, 325, 512L));

        assertThat(decoder.decode(Arrays.copyOf(file, 1000), "a.tif").width()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(longs = {2, 100_000_000, Integer.MAX_VALUE, 0xffffffffL})
    void aStripThatIsHigherThanTheImageTakesNoMoreRoom(long rows) throws Exception {
        byte[] file = tiff(Map.of(256, 1L, 257, 1L, 258, 16L, 262, 1L, 278, rows, 273, 8L, 279, 2L));
        long before = allocated();

        assertThat(decoder.decode(file, "a.tif").width()).isEqualTo(1);

        assertThat(allocated() - before).isLessThan(10_000_000);
    }

    /** Returns a little-endian TIFF of one value in each field. */
    private static byte[] tiff(Map<Integer, Long> fields) {
        ByteBuffer file = ByteBuffer.allocate(14 + 12 * fields.size()).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {'I', 'I', '*', 0}).putInt(8).putShort((short) fields.size());
        new TreeMap<>(fields)
                .forEach((tag, value) -> file.putShort(tag.shortValue())
                        .putShort((short) 4)
                        .putInt(1)
                        .putInt(value.intValue()));
        return file.array();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void aPhotoIsTurnedAsPillowTurnsIt(int orientation) throws Exception {
        String name = "turned-" + orientation + ".jpg";
        Pixels stored = Images.pixels(name);

        assertThat(Exif.orientation(Images.file(name))).isEqualTo(orientation);
        assertThat(Exif.upright(stored, orientation)).isEqualTo(Images.pixels(name + ".expected.png"));
        assertThat(stored).isEqualTo(Images.pixels("turned-1.jpg"));
    }

    @ParameterizedTest
    @CsvSource({"3, png", "6, png", "3, webp", "6, webp"})
    void pngAndWebPNoteTheirsToo(int orientation, String ending) throws Exception {
        String name = "turned-" + orientation + "." + ending;

        assertThat(Exif.orientation(Images.file(name))).isEqualTo(orientation);
        assertThat(Exif.upright(Images.pixels(name), orientation)).isEqualTo(Images.pixels(name + ".expected.png"));
    }

    @ParameterizedTest
    @CsvSource({"6, jpg", "8, jpg", "3, webp", "6, png", "3, png"})
    void xmpNotesItWhereExifDataDoNot(int orientation, String ending) throws Exception {
        String name = "xmp-" + orientation + "." + ending;

        assertThat(Exif.orientation(Images.file(name))).isEqualTo(orientation);
        assertThat(Exif.upright(Images.pixels(name), orientation)).isEqualTo(Images.pixels(name + ".expected.png"));
    }

    @Test
    void theOrientationOfATiffIsAppliedAlready() throws Exception {
        assertThat(Exif.orientation(Images.file("turned-6.tif"))).isEqualTo(1);
    }

    @Test
    void exifDataOfWhateverDamageAreUpright() throws Exception {
        for (String name : new String[] {
            "turned-6.jpg", "turned-6.png", "xmp-3.png", "xmp-3.webp", "xmp-8.jpg", "turned-6.webp", "rgb.jpg"
        }) {
            byte[] whole = Images.file(name);
            for (int i = 0; i < whole.length; i++) {
                byte[] damaged = whole.clone();
                damaged[i] ^= 0x5a;
                assertThat(Exif.orientation(damaged)).isBetween(1, 8);
                assertThat(Exif.orientation(Arrays.copyOf(whole, i))).isBetween(1, 8);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lossy.webp",
                "animated.webp",
                "palette.gif",
                "offset.gif",
                "rgb.bmp",
                "palette.bmp",
                "lzw.tif",
                "deflate.tif",
                "cmyk.tif",
                "palette.tif",
                "jpeg.tif"
            })
    void noDamageTakesMuchMemoryOrFailsInAnotherWay(String name) throws Exception {
        byte[] whole = Images.file(name);
        int broken = 0;
        for (int i = 3; i < whole.length; i += Math.max(1, whole.length / 300)) {
            for (byte wrong : new byte[] {0x55, (byte) 0xff, (byte) 0x80}) {
                byte[] damaged = whole.clone();
                damaged[i] ^= wrong;
                long before = allocated();
                try {
                    decoder.decode(damaged, name);
                } catch (BrokenImage e) {
                    broken++;
                }
                assertThat(allocated() - before)
                        .as("byte %s of %s", i, name)
                        .isLessThan(500_000_000); // 4 million pixels are allowed in a file of any size
            }
        }
        assertThat(broken).isPositive();
    }

    @Test
    void noDamageMakesTheDecoderFailInAnotherWay() throws Exception {
        int broken = 0;
        for (String name : new String[] {"rgb.jpg", "stored-rgb.jpg", "palette.png", "cmyk.jpg"}) {
            byte[] whole = Images.file(name);
            for (int i = 3; i < whole.length; i += 7) {
                byte[] damaged = whole.clone();
                damaged[i] ^= 0x55;
                try {
                    decoder.decode(damaged, name);
                } catch (BrokenImage e) {
                    broken++;
                }
            }
        }
        assertThat(broken).isGreaterThan(20);
    }

    @Test
    void severalThreadsMayShareADecoder() throws Exception {
        byte[] encoded = Images.file("cmyk.jpg");
        Pixels expected = decoder.decode(encoded, "cmyk.jpg");

        assertThat(IntStream.range(0, 200).parallel().mapToObj(i -> {
                    try {
                        return decoder.decode(encoded, "cmyk.jpg");
                    } catch (BrokenImage e) {
                        throw new AssertionError(e);
                    }
                }))
                .allMatch(expected::equals);
    }
}
