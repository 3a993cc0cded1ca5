package dev.grft.data.decode;

import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.decode.Exif.Bytes;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The first page of a TIFF, as its directory describes it. Java's reader decompresses it; what it would make of a header that lies, and
 * colors that it leaves as they are stored, are dealt with here, as Pillow does.
 */
final class Tiff {
    private static final int PALETTE = 3;
    private static final int CMYK = 5;
    private static final int YCBCR = 6;
    private static final int[] LENGTHS = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}; // of the field types, bytes
    private static final String[] COLORS = {
        "gray", "gray", "RGB", "a palette", "a mask", "CMYK", "YCbCr", "", "CIELAB", "ICCLAB", "ITULAB"
    };

    private final Map<Integer, long[]> fields = new TreeMap<>();

    /**
     * Returns the first directory.
     *
     * @throws BrokenImage if the page claims more than the file or the limit holds, or is of a kind that is not read
     */
    Tiff(byte[] encoded, long maxPixels, String name) throws BrokenImage {
        boolean big = encoded[0] == 'M';
        Bytes bytes = new Bytes(encoded, 0, encoded.length, big);
        if (bytes.ushort(2) == 43) {
            throw new BrokenImage(name, "a BigTIFF; convert it: magick " + name + " " + name + ".png");
        }
        read(bytes, name);
        ImageDecoder.requireAtMost(maxPixels, number(257, 0), number(256, 0), name);
        ImageDecoder.requireInFileOrBlank(number(257, 0), number(256, 0), encoded.length, name);
        boolean tiled = fields.containsKey(322) || fields.containsKey(323);
        if (tiled) { // the reader makes room for a whole tile
            long height = number(323, 0);
            long width = number(322, 0);
            if (height < 1 || width < 1) {
                throw new BrokenImage(name, "damaged (its tiles have no height or no width)");
            }
            ImageDecoder.requireAtMost(maxPixels, height, width, name);
            ImageDecoder.requireInFileOrBlank(height, width, encoded.length, name);
        }
        for (int counts : new int[] {279, 325}) {
            for (long count : fields.getOrDefault(counts, new long[0])) {
                require(count <= encoded.length, name);
            }
        }
        long color = number(262, -1);
        long[] bits = fields.getOrDefault(258, new long[] {1});
        boolean known = color >= 0 && color <= 6 && color != 4;
        boolean integers =
                Arrays.stream(fields.getOrDefault(339, new long[] {1})).allMatch(format -> format == 1);
        boolean equal = Arrays.stream(bits).allMatch(each -> each == bits[0]);
        if (!known || !integers || !equal || bits[0] > 16) {
            String colors = color < 0 || color >= COLORS.length ? "unknown colors" : COLORS[(int) color];
            throw new BrokenImage(
                    name,
                    "a TIFF of " + colors + " in " + (integers ? "" : "signed or fractional ") + "numbers of "
                            + Arrays.toString(bits)
                            + " bits, only gray, palettes, RGB, YCbCr and CMYK of up to 16 bits are read; convert it"
                            + " to PNG");
        }
        requireFirstBitFirst(name);
        requireWhole(encoded, name);
    }

    /** Java's reader takes no notice of the order of bits, except in fax. That of JPEG has no meaning. */
    private void requireFirstBitFirst(String name) throws BrokenImage {
        long compression = number(259, 1);
        boolean faxOrJpeg = compression >= 2 && compression <= 7 && compression != 5;
        if (number(266, 1) == 2 && !faxOrJpeg) {
            throw new BrokenImage(name, "a TIFF with the last bit of each byte first (FillOrder 2); convert it to PNG");
        }
    }

    /** Refuses a page with a strip or tile that unpacks to fewer bytes than it should. */
    private void requireWhole(byte[] encoded, String name) throws BrokenImage {
        boolean tiled = fields.containsKey(324);
        long[] offsets = fields.getOrDefault(tiled ? 324 : 273, new long[0]);
        long[] counts = fields.getOrDefault(tiled ? 325 : 279, new long[0]);
        long compression = number(259, 1);
        if (number(262, -1) == YCBCR || compression == 1) {
            return; // what pixels share is not counted; what is not packed may have any count
        }
        long height = number(257, 0);
        long rows = tiled ? number(323, 1) : Math.max(1, Math.min(number(278, height), height));
        boolean apart = number(284, 1) == 2;
        long samples = apart ? 1 : number(277, 1);
        long row = (number(tiled ? 322 : 256, 0) * samples * number(258, 1) + 7) / 8;
        long bands = (height + rows - 1) / rows;
        for (int i = 0; i < Math.min(offsets.length, counts.length); i++) {
            long top = apart ? i % bands * rows : i * rows;
            long needed = row * (tiled ? rows : Math.min(rows, height - top));
            boolean whole = offsets[i] + counts[i] <= encoded.length
                    && Strips.fill(needed, compression, encoded, (int) offsets[i], (int) counts[i]);
            if (!whole) {
                throw new BrokenImage(name, "damaged (a strip or tile has fewer pixels than it should)");
            }
        }
    }

    private void read(Bytes bytes, String name) throws BrokenImage {
        long directory = bytes.uint(4);
        require(directory + 2 <= bytes.length(), name);
        int entries = bytes.ushort((int) directory);
        require(directory + 2 + 12L * entries <= bytes.length(), name);
        for (int i = 0; i < entries; i++) {
            int at = (int) directory + 2 + 12 * i;
            int type = bytes.ushort(at + 2);
            long count = bytes.uint(at + 4);
            int length = type < LENGTHS.length ? LENGTHS[type] : 1;
            long place = length * count <= 4 ? at + 8 : bytes.uint(at + 8);
            require(length * count <= bytes.length() && place + length * count <= bytes.length(), name);
            if (type == 3 || type == 4) {
                fields.put(
                        bytes.ushort(at),
                        IntStream.range(0, (int) count)
                                .mapToLong(j ->
                                        type == 3 ? bytes.ushort((int) place + 2 * j) : bytes.uint((int) place + 4 * j))
                                .toArray());
            }
        }
    }

    private static void require(boolean fits, String name) throws BrokenImage {
        if (!fits) {
            throw new BrokenImage(name, "damaged (it claims more bytes than the file has)");
        }
    }

    private long number(int field, long otherwise) {
        long[] found = fields.get(field);
        return found == null || found.length == 0 ? otherwise : found[0];
    }

    /** Returns what the reader has decoded as an upright image. */
    Pixels pixels(BufferedImage image) {
        byte[] rgb = ImageDecoder.rgb(image);
        long color = number(262, -1);
        long[] palette = fields.getOrDefault(320, new long[0]);
        if (color == CMYK) {
            convertCmyk(image.getRaster(), (int) number(258, 8) - 8, rgb);
        } else if (color == PALETTE && palette.length >= 3) {
            lookUp(image.getRaster(), palette, rgb);
        }
        int orientation = (int) number(274, 1);
        Pixels pixels = new Pixels(image.getHeight(), image.getWidth(), rgb);
        return orientation >= 1 && orientation <= 8 ? Exif.upright(pixels, orientation) : pixels;
    }

    /** Pillow's conversion (Convert.c, cmyk2rgb). */
    private static void convertCmyk(Raster raster, int shift, byte[] rgb) {
        int[] samples = new int[raster.getWidth() * raster.getNumBands()];
        int to = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getPixels(0, y, raster.getWidth(), 1, samples);
            for (int x = 0; x < samples.length; x += raster.getNumBands()) {
                int white = 255 - (samples[x + 3] >> shift);
                for (int color = 0; color < 3; color++) {
                    int product = (samples[x + color] >> shift) * white + 128;
                    rgb[to++] = (byte) Math.max(white - (((product >> 8) + product) >> 8), 0);
                }
            }
        }
    }

    /** The colors of a palette have 16 bits, of which the upper ones count; Java's reader scales them. */
    private static void lookUp(Raster raster, long[] palette, byte[] rgb) {
        int size = palette.length / 3;
        int[] indices = new int[raster.getWidth()];
        int to = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getSamples(0, y, raster.getWidth(), 1, 0, indices);
            for (int index : indices) {
                for (int color = 0; color < 3; color++) {
                    rgb[to++] = (byte) (index < size ? palette[color * size + index] >> 8 : 0);
                }
            }
        }
    }
}
