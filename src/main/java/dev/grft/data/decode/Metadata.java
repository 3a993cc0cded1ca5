package dev.grft.data.decode;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Takes out of an image file whatever is not needed for its pixels: profiles, EXIF data, comments. */
final class Metadata {
    private static final int PNG_SIGNATURE = 8;
    private static final Set<String> PIXELS_OF_PNG = Set.of("IHDR", "PLTE", "IDAT", "IEND");

    private Metadata() {}

    /**
     * Returns a JPEG without its application segments, but JFIF's and Adobe's, which tell the colors, and without comments; null if
     * there is nothing to take out, or the segments before the first scan are damaged.
     */
    static byte @Nullable [] removedFromJpeg(byte[] encoded) {
        ByteArrayOutputStream bare = new ByteArrayOutputStream(encoded.length);
        bare.write(encoded, 0, 2);
        int at = 2;
        while (at + 4 <= encoded.length && (encoded[at] & 0xff) == 0xff) {
            int marker = encoded[at + 1] & 0xff;
            if (marker == 0xff) { // filler
                at++;
                continue;
            }
            if (marker == 0xda) { // start of scan: what follows stays as it is
                bare.write(encoded, at, encoded.length - at);
                return bare.size() == encoded.length ? null : bare.toByteArray();
            }
            int length = 2 + ((encoded[at + 2] & 0xff) << 8 | (encoded[at + 3] & 0xff));
            if (length < 4 || at + length > encoded.length) {
                return null;
            }
            boolean application = marker >= 0xe0 && marker <= 0xef;
            boolean colors = marker == 0xee || (marker == 0xe0 && length == 18);
            if (colors || !(application || marker == 0xfe)) {
                bare.write(encoded, at, length);
            }
            at += length;
        }
        return null;
    }

    /** Returns a PNG without its ancillary chunks; null if there is none to take out, or the file is cut off. */
    static byte @Nullable [] removedFromPng(byte[] encoded) {
        ByteArrayOutputStream bare = new ByteArrayOutputStream(encoded.length);
        bare.write(encoded, 0, PNG_SIGNATURE);
        int at = PNG_SIGNATURE;
        while (at + 12 <= encoded.length) {
            long length = 0;
            for (int i = 0; i < 4; i++) {
                length = length << 8 | (encoded[at + i] & 0xff);
            }
            if (length > encoded.length - at - 12) {
                return null;
            }
            String type = new String(encoded, at + 4, 4, StandardCharsets.ISO_8859_1);
            if (PIXELS_OF_PNG.contains(type)) {
                bare.write(encoded, at, 12 + (int) length);
            }
            at += 12 + (int) length;
            if (type.equals("IEND")) {
                return bare.size() == encoded.length ? null : bare.toByteArray();
            }
        }
        return null;
    }
}
