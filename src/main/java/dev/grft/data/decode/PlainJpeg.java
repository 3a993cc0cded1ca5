package dev.grft.data.decode;

import dev.grft.data.Pixels;
import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import javax.imageio.ImageReader;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Decodes the JPEGs that nearly all photos are, 8 bits of gray, YCbCr or RGB without a color profile, as libjpeg and so
 * Pillow do. Java's own reader decompresses them to the colors that are stored, which are made red, green and blue here:
 * the reader would take as long for that as for the rest. Any other image is left to a decoder that is slower.
 */
final class PlainJpeg {
    private static final byte[] PROFILE = bytes("ICC_PROFILE\0");
    private static final byte[] JFIF = bytes("JFIF\0");
    private static final byte[] ADOBE = bytes("Adobe");

    /** Added to Y for a Cr or Cb, in 16-bit fixed point and rounded (libjpeg, jdcolor.c). */
    private static final int[] RED_OF_CR = new int[256];

    private static final int[] GREEN_OF_CR = new int[256]; // of 2^16
    private static final int[] GREEN_OF_CB = new int[256]; // of 2^16, with the half that rounds
    private static final int[] BLUE_OF_CB = new int[256];

    static {
        for (int i = 0; i < 256; i++) {
            int x = i - 128;
            RED_OF_CR[i] = (91881 * x + 32768) >> 16; // 1.402
            GREEN_OF_CR[i] = -46802 * x; // 0.714136286
            GREEN_OF_CB[i] = -22554 * x + 32768; // 0.344136286
            BLUE_OF_CB[i] = (116130 * x + 32768) >> 16; // 1.772
        }
    }

    private enum Colors {
        GRAY,
        YCBCR,
        RGB
    }

    /** What the segments before the first scan say of an image that this decoder is for. */
    private static final class Header {
        int height;
        int width;
        int components;
        int ids;
        boolean jfif;
        int adobe = -1; // the transform that Adobe's segment names
        boolean oneScan; // and not progressive: the image is whole where the scan's data are

        /** libjpeg's guess (jdapimin.c, default_decompress_parms). */
        Colors colors() {
            if (components == 1) {
                return Colors.GRAY;
            }
            boolean rgb = !jfif && (adobe >= 0 ? adobe == 0 : ids == 0x524742); // R, G, B
            return rgb ? Colors.RGB : Colors.YCBCR;
        }
    }

    private PlainJpeg() {}

    /**
     * Returns the image, or null if it is none that this decoder is for, or is damaged, or too large.
     *
     * @param java makes Java's own readers of JPEG
     */
    static @Nullable Pixels decode(byte[] encoded, long maxPixels, ImageReaderSpi java) {
        Header header = header(encoded);
        if (header == null || (long) header.height * header.width > maxPixels) {
            return null;
        }
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(encoded))) {
            ImageReader reader = java.createReaderInstance();
            try {
                boolean[] warned = new boolean[1];
                reader.addIIOReadWarningListener((source, warning) -> warned[0] |= !(header.oneScan && atEnd(warning)));
                reader.setInput(in, true, true);
                Raster raster = reader.readRaster(0, null);
                return warned[0] ? null : pixels(raster, header);
            } finally {
                reader.dispose();
            }
        } catch (IOException | RuntimeException e) { // the other decoder will say what is wrong
            return null;
        }
    }

    /**
     * Returns whether a warning is of what follows the data of the scan: some phones write a trailer in place of the end marker, and
     * libjpeg does not read that far. Of a scan that is cut off the reader warns that its data end too early.
     */
    private static boolean atEnd(String warning) {
        return warning.contains("Missing EOI") || warning.endsWith("extraneous bytes before marker 0xd9");
    }

    private static @Nullable Header header(byte[] encoded) {
        Header header = new Header();
        int at = 2;
        while (at + 4 <= encoded.length && unsigned(encoded, at) == 0xff) {
            int marker = unsigned(encoded, at + 1);
            if (marker == 0xff) { // filler
                at++;
                continue;
            }
            if (marker == 0xda) { // start of scan
                header.oneScan &= unsigned(encoded, at + 4 < encoded.length ? at + 4 : at) == header.components;
                return header.components > 0 ? header : null;
            }
            int length = unsigned(encoded, at + 2) << 8 | unsigned(encoded, at + 3);
            if (at + 2 + length > encoded.length || !segment(encoded, marker, at + 4, length - 2, header)) {
                return null;
            }
            at += 2 + length;
        }
        return null;
    }

    /** Returns whether an image with such a segment is one that this decoder is for. */
    private static boolean segment(byte[] encoded, int marker, int at, int length, Header header) {
        if (length < 0 || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) {
            return false;
        }
        if (marker <= 0xc2) { // frame: baseline, extended or progressive, Huffman
            header.oneScan = marker != 0xc2;
            return header.components == 0 && frame(encoded, at, length, header);
        }
        if (marker < 0xd0) { // frame of another kind, or tables
            return marker == 0xc4 || marker == 0xcc;
        }
        if (marker == 0xe0 && length >= 14 && startsWith(encoded, at, JFIF)) {
            header.jfif = true;
        } else if (marker == 0xee && length >= 12 && startsWith(encoded, at, ADOBE)) {
            header.adobe = unsigned(encoded, at + 11);
        }
        return marker != 0xe2 || length < PROFILE.length || !startsWith(encoded, at, PROFILE);
    }

    private static boolean frame(byte[] encoded, int at, int length, Header header) {
        if (length < 6 || unsigned(encoded, at) != 8) {
            return false;
        }
        header.height = unsigned(encoded, at + 1) << 8 | unsigned(encoded, at + 2);
        header.width = unsigned(encoded, at + 3) << 8 | unsigned(encoded, at + 4);
        int components = unsigned(encoded, at + 5);
        if (length != 6 + 3 * components || (components != 1 && components != 3)) {
            return false;
        }
        header.components = components;
        for (int i = 0; i < components; i++) {
            header.ids = header.ids << 8 | unsigned(encoded, at + 6 + 3 * i);
        }
        return header.height > 0 && header.width > 0;
    }

    private static @Nullable Pixels pixels(Raster raster, Header header) {
        if (!(raster.getDataBuffer() instanceof DataBufferByte bytes)
                || !(raster.getSampleModel() instanceof PixelInterleavedSampleModel model)
                || raster.getHeight() != header.height
                || raster.getWidth() != header.width
                || model.getNumBands() != header.components
                || model.getPixelStride() != header.components
                || model.getScanlineStride() != header.components * header.width
                || bytes.getNumBanks() != 1
                || bytes.getOffset() != 0
                || !inOrder(model.getBandOffsets())) {
            return null;
        }
        byte[] stored = bytes.getData();
        return new Pixels(
                header.height,
                header.width,
                switch (header.colors()) {
                    case GRAY -> ofGray(stored);
                    case RGB -> stored;
                    case YCBCR -> {
                        toRgb(stored);
                        yield stored;
                    }
                });
    }

    private static boolean inOrder(int[] bands) {
        for (int i = 0; i < bands.length; i++) {
            if (bands[i] != i) {
                return false;
            }
        }
        return true;
    }

    private static byte[] ofGray(byte[] gray) {
        byte[] rgb = new byte[Math.multiplyExact(3, gray.length)];
        for (int i = 0, to = 0; i < gray.length; i++, to += 3) {
            rgb[to] = gray[i];
            rgb[to + 1] = gray[i];
            rgb[to + 2] = gray[i];
        }
        return rgb;
    }

    private static void toRgb(byte[] colors) {
        for (int i = 0; i < colors.length; i += 3) {
            int y = colors[i] & 0xff;
            int cb = colors[i + 1] & 0xff;
            int cr = colors[i + 2] & 0xff;
            colors[i] = limited(y + RED_OF_CR[cr]);
            colors[i + 1] = limited(y + ((GREEN_OF_CB[cb] + GREEN_OF_CR[cr]) >> 16));
            colors[i + 2] = limited(y + BLUE_OF_CB[cb]);
        }
    }

    private static byte limited(int color) {
        return (byte) ((color & ~0xff) == 0 ? color : ~color >> 31); // 0 below, all ones above; faster than min and max
    }

    private static int unsigned(byte[] encoded, int at) {
        return encoded[at] & 0xff;
    }

    private static byte[] bytes(String ascii) {
        return ascii.getBytes(StandardCharsets.US_ASCII);
    }

    private static boolean startsWith(byte[] encoded, int at, byte[] what) {
        for (int i = 0; i < what.length; i++) {
            if (at + i >= encoded.length || encoded[at + i] != what[i]) {
                return false;
            }
        }
        return true;
    }
}
