package dev.grft.data.decode;

import dev.grft.data.Pixels;
import java.nio.charset.StandardCharsets;

/** Reads which side of a photo is up, as a camera notes it in EXIF data, and turns the pixels by it. */
public final class Exif {
    private static final int UPRIGHT = 1;
    private static final int ORIENTATION = 0x0112;
    private static final int SHORT = 3;

    private Exif() {}

    /**
     * Returns the orientation that a file notes, from 1 (upright) to 8, as Pillow reads it from JPEG, PNG and WebP; 1 if it notes none.
     * Of TIFF, too, whose orientation the decoder has already applied, as Pillow does.
     */
    public static int orientation(byte[] encoded) {
        Bytes bytes = new Bytes(encoded, 0, encoded.length, false);
        if (bytes.startsWith(0, "\u00ff\u00d8\u00ff")) {
            return ofJpeg(bytes);
        }
        if (bytes.startsWith(0, "\u0089PNG")) {
            return ofPng(bytes);
        }
        return bytes.startsWith(0, "RIFF") ? ofWebP(bytes) : UPRIGHT;
    }

    private static int ofJpeg(Bytes bytes) {
        int at = 2;
        while (at + 4 <= bytes.length() && bytes.at(at) == 0xff) {
            int marker = bytes.at(at + 1);
            if (marker == 0xff) { // filler
                at++;
                continue;
            }
            int length = bytes.at(at + 2) << 8 | bytes.at(at + 3);
            if (marker == 0xda || length < 2) {
                return UPRIGHT;
            }
            if (marker == 0xe1 && bytes.startsWith(at + 4, "Exif\0\0")) {
                return ofBlock(bytes, at + 10, length - 8);
            }
            at += 2 + length;
        }
        return UPRIGHT;
    }

    private static int ofPng(Bytes bytes) {
        for (long at = 8; at + 12 <= bytes.length(); ) {
            long length = bytes.bigEndian().uint((int) at);
            if (bytes.startsWith((int) at + 4, "eXIf")) {
                return ofBlock(bytes, (int) at + 8, length);
            }
            at += 12 + length;
        }
        return UPRIGHT;
    }

    private static int ofWebP(Bytes bytes) {
        for (WebP.Chunk chunk : WebP.chunks(bytes, 12)) {
            if (chunk.type().equals("EXIF")) {
                int skipped = bytes.startsWith(chunk.at(), "Exif\0\0") ? 6 : 0;
                return ofBlock(bytes, chunk.at() + skipped, chunk.length() - skipped);
            }
        }
        return UPRIGHT;
    }

    /** Reads the first directory of the TIFF that EXIF data are; what is damaged is upright. */
    private static int ofBlock(Bytes bytes, int from, long length) {
        if (from < 0 || length < 8 || from + length > bytes.length()) {
            return UPRIGHT;
        }
        boolean big = bytes.startsWith(from, "MM\0*");
        if (!big && !bytes.startsWith(from, "II*\0")) {
            return UPRIGHT;
        }
        Bytes block = bytes.part(from, (int) length, big);
        long directory = block.uint(4);
        if (directory + 2 > block.length()) {
            return UPRIGHT;
        }
        int entries = block.ushort((int) directory);
        for (long at = directory + 2; entries > 0 && at + 12 <= block.length(); at += 12, entries--) {
            if (block.ushort((int) at) == ORIENTATION) {
                int value = block.ushort((int) at + 2) == SHORT ? block.ushort((int) at + 8) : UPRIGHT;
                return value >= 1 && value <= 8 ? value : UPRIGHT;
            }
        }
        return UPRIGHT;
    }

    /**
     * Returns an image turned and mirrored such that its orientation becomes 1, as Pillow's {@code ImageOps.exif_transpose} does.
     *
     * @param orientation from 1 to 8
     */
    public static Pixels upright(Pixels image, int orientation) {
        if (orientation == UPRIGHT) {
            return image;
        }
        boolean turned = orientation >= 5; // height and width change places
        int height = turned ? image.width() : image.height();
        int width = turned ? image.height() : image.width();
        boolean fromBottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        boolean fromRight = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        byte[] from = image.rgb();
        byte[] rgb = new byte[from.length];
        int to = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int row = turned ? x : y;
                int column = turned ? y : x;
                int at = 3
                        * ((fromBottom ? image.height() - 1 - row : row) * image.width()
                                + (fromRight ? image.width() - 1 - column : column));
                rgb[to++] = from[at];
                rgb[to++] = from[at + 1];
                rgb[to++] = from[at + 2];
            }
        }
        return new Pixels(height, width, rgb);
    }

    /** Unsigned numbers in a part of some bytes; what lies outside is 0. */
    static final class Bytes {
        private final byte[] all;
        private final int from;
        private final int length;
        private final boolean big;

        Bytes(byte[] all, int from, int length, boolean big) {
            this.all = all;
            this.from = from;
            this.length = length;
            this.big = big;
        }

        byte[] all() {
            return all;
        }

        int length() {
            return length;
        }

        Bytes part(int at, int count, boolean order) {
            return new Bytes(all, from + at, count, order);
        }

        Bytes bigEndian() {
            return new Bytes(all, from, length, true);
        }

        int at(int index) {
            return index < 0 || index >= length ? 0 : all[from + index] & 0xff;
        }

        int ushort(int index) {
            return big ? at(index) << 8 | at(index + 1) : at(index + 1) << 8 | at(index);
        }

        long uint(int index) {
            long first = ushort(index);
            long second = ushort(index + 2);
            return big ? first << 16 | second : second << 16 | first;
        }

        String text(int index, int count) {
            int end = Math.min(index + count, length);
            return index >= end ? "" : new String(all, from + index, end - index, StandardCharsets.ISO_8859_1);
        }

        boolean startsWith(int index, String magic) {
            return text(index, magic.length()).equals(magic);
        }
    }
}
