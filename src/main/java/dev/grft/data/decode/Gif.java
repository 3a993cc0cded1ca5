package dev.grft.data.decode;

import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.decode.Exif.Bytes;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.IOException;

/** The screen of a GIF, on which its first frame lies; Java's reader decompresses the frame alone. */
record Gif(int height, int width, int top, int left, int frameHeight, int frameWidth, int transparent) {
    /**
     * Returns what stands before the first frame.
     *
     * @throws IOException if there is none
     */
    static Gif of(byte[] encoded) throws IOException {
        Bytes bytes = new Bytes(encoded, 0, encoded.length, false);
        int at = 13 + colors(bytes.at(10));
        int transparent = 0; // the background if nothing is transparent, as in Pillow
        while (bytes.at(at) == 0x21) { // an extension
            if (bytes.at(at + 1) == 0xf9 && (bytes.at(at + 3) & 1) == 1) {
                transparent = bytes.at(at + 6);
            }
            at += 2;
            while (bytes.at(at) > 0) {
                at += 1 + bytes.at(at);
            }
            at++;
        }
        if (bytes.at(at) != 0x2c) {
            throw new IOException("without a frame");
        }
        int left = bytes.ushort(at + 1);
        int top = bytes.ushort(at + 3);
        int frameWidth = bytes.ushort(at + 5);
        int frameHeight = bytes.ushort(at + 7);
        return new Gif(
                Math.max(bytes.ushort(8), top + frameHeight),
                Math.max(bytes.ushort(6), left + frameWidth),
                top,
                left,
                frameHeight,
                frameWidth,
                transparent);
    }

    private static int colors(int flags) {
        return (flags & 0x80) == 0 ? 0 : 3 << ((flags & 7) + 1);
    }

    /** Returns the frame on the screen, whose other pixels have the transparent color, or the first of the palette. */
    Pixels placed(BufferedImage frame, String name) throws BrokenImage {
        if (frame.getHeight() != frameHeight || frame.getWidth() != frameWidth) {
            throw new BrokenImage(name, "damaged (its sizes differ)");
        }
        byte[] rgb = ImageDecoder.rgb(frame);
        if (frameHeight == height && frameWidth == width) {
            return new Pixels(height, width, rgb);
        }
        byte[] screen = new byte[Math.multiplyExact(3, Math.multiplyExact(height, width))];
        if (frame.getColorModel() instanceof IndexColorModel palette && transparent < palette.getMapSize()) {
            for (int i = 0; i < screen.length; i += 3) {
                screen[i] = (byte) palette.getRed(transparent);
                screen[i + 1] = (byte) palette.getGreen(transparent);
                screen[i + 2] = (byte) palette.getBlue(transparent);
            }
        }
        for (int y = 0; y < frameHeight; y++) {
            System.arraycopy(rgb, 3 * y * frameWidth, screen, 3 * ((top + y) * width + left), 3 * frameWidth);
        }
        return new Pixels(height, width, screen);
    }
}
