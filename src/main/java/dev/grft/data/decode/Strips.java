package dev.grft.data.decode;

import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Counts what the strips and tiles of a TIFF unpack to. Java's reader leaves black what damaged ones lack; libtiff, and so Pillow,
 * refuses such a file.
 */
final class Strips {
    private static final int LZW = 5;
    private static final int JPEG = 7;
    private static final int DEFLATE = 8;
    private static final int OLD_DEFLATE = 32946;
    private static final int PACK_BITS = 32773;
    private static final int CLEAR = 256;
    private static final int END = 257;

    private Strips() {}

    /**
     * Returns whether packed bytes unpack to at least as many as needed; true for a compression that is not looked into.
     *
     * @param compression TIFF's number of it
     */
    static boolean fill(long needed, long compression, byte[] file, int from, int length) {
        return switch ((int) compression) {
            case LZW -> lzw(needed, file, from, from + length);
            case JPEG -> length >= 2 && (file[from] & 0xff) == 0xff && (file[from + 1] & 0xff) == 0xd8;
            case DEFLATE, OLD_DEFLATE -> deflate(needed, file, from, length);
            case PACK_BITS -> packBits(needed, file, from, from + length);
            default -> true;
        };
    }

    private static boolean packBits(long needed, byte[] file, int from, int end) {
        long count = 0;
        for (int at = from; at < end && count < needed; ) {
            int head = file[at++];
            if (head >= 0) {
                count += Math.min(head + 1, end - at);
                at += head + 1;
            } else if (head != -128) {
                count += at < end ? 1 - head : 0;
                at++;
            }
        }
        return count >= needed;
    }

    private static boolean deflate(long needed, byte[] file, int from, int length) {
        Inflater packed = new Inflater();
        try {
            packed.setInput(file, from, length);
            byte[] out = new byte[8192];
            long left = needed; // and no more, because what follows the pixels may be damaged
            int count = 1;
            while (left > 0 && count > 0) {
                count = packed.inflate(out, 0, (int) Math.min(left, out.length));
                left -= count;
            }
            return left <= 0;
        } catch (DataFormatException e) {
            return false;
        } finally {
            packed.end();
        }
    }

    /** Codes of 9 to 12 bits, the first bit of a byte first; only the lengths of what they stand for are kept. */
    private static boolean lzw(long needed, byte[] file, int from, int end) {
        int[] lengths = new int[4096];
        int next = END + 1;
        int width = 9;
        int last = -1;
        long count = 0;
        long bits = 8L * from;
        while (count < needed && bits + width <= 8L * end) {
            int code = bits(file, bits, width, end);
            bits += width;
            if (code == CLEAR) {
                next = END + 1;
                width = 9;
                last = -1;
                continue;
            }
            if (code == END || code > next || (last < 0 && code > END)) {
                break;
            }
            int before = last < 0 ? 0 : last < CLEAR ? 1 : lengths[last];
            count += code < CLEAR ? 1 : code < next ? lengths[code] : before + 1;
            if (last >= 0 && next < lengths.length) {
                lengths[next++] = before + 1;
                width += next == (1 << width) - 1 && width < 12 ? 1 : 0;
            }
            last = code;
        }
        return count >= needed;
    }

    private static int bits(byte[] file, long at, int width, int end) {
        int first = (int) (at >> 3);
        int three = 0;
        for (int i = first; i < first + 3; i++) {
            three = three << 8 | (i < end ? file[i] & 0xff : 0);
        }
        return (three >> (24 - width - (int) (at & 7))) & ((1 << width) - 1);
    }
}
