package dev.grft.data.decode;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.decode.Exif.Bytes;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageReader;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Decodes WebP as libwebp and so Pillow do, to the last bit: of an animation the first frame, on black; transparency and a color
 * profile are dropped. TwelveMonkeys' reader decompresses what is compressed without loss, {@link Vp8} the rest.
 */
final class WebP {
    /** TwelveMonkeys' reader takes several times the memory of the pixels, so images have at most this share of the limit. */
    private static final int LOSSLESS_SHARE = 4;

    private static final int HEADER = 12;
    private static final ImageReaderSpi LOSSLESS = new WebPImageReaderSpi();

    /** A part of the file: its data are {@code length} bytes from {@code at} on. */
    record Chunk(String type, int at, int length) {
        boolean isImage() {
            return type.equals("VP8 ") || type.equals("VP8L");
        }
    }

    private WebP() {}

    /** Returns the chunks from a place on; what is cut off is left out. */
    static List<Chunk> chunks(Bytes bytes, int from) {
        List<Chunk> chunks = new ArrayList<>();
        long at = from;
        while (at + 8 <= bytes.length()) {
            long length = bytes.uint((int) at + 4);
            if (at + 8 + length > bytes.length()) {
                break;
            }
            chunks.add(new Chunk(bytes.text((int) at, 4), (int) at + 8, (int) length));
            at += 8 + length + (length & 1);
        }
        return chunks;
    }

    /**
     * Returns the image.
     *
     * @throws BrokenImage if there is none, or it is too large
     * @throws IOException if it is damaged, or the reader throws something else
     */
    static Pixels decode(byte[] encoded, long maxPixels, String name) throws IOException, BrokenImage {
        Bytes bytes = new Bytes(encoded, 0, encoded.length, false);
        Chunk extended = null;
        for (Chunk chunk : chunks(bytes, HEADER)) {
            if (chunk.isImage()) {
                return image(bytes, chunk, maxPixels, name);
            }
            if (chunk.type.equals("VP8X")) {
                extended = chunk;
            }
            if (chunk.type.equals("ANMF") && extended != null) {
                return frame(bytes, extended, chunk, maxPixels, name);
            }
        }
        throw new IOException("without an image, or cut off");
    }

    private static int uint24(Bytes bytes, int at) {
        return bytes.ushort(at) | bytes.at(at + 2) << 16;
    }

    /** Returns the canvas with the first frame of an animation. */
    private static Pixels frame(Bytes bytes, Chunk extended, Chunk frame, long maxPixels, String name)
            throws IOException, BrokenImage {
        int width = 1 + uint24(bytes, extended.at + 4);
        int height = 1 + uint24(bytes, extended.at + 7);
        ImageDecoder.requireAtMost(maxPixels, height, width, name);
        ImageDecoder.requireInFileOrBlank(height, width, bytes.all().length, name);
        int left = 2 * uint24(bytes, frame.at);
        int top = 2 * uint24(bytes, frame.at + 3);
        for (Chunk chunk : chunks(bytes.part(0, frame.at + frame.length, false), frame.at + 16)) {
            if (chunk.isImage()) {
                Pixels image = image(bytes, chunk, maxPixels, name);
                if (left + image.width() > width || top + image.height() > height) {
                    throw new IOException("a frame outside of its canvas");
                }
                return placed(image, top, left, height, width);
            }
        }
        throw new IOException("a frame without an image");
    }

    private static Pixels placed(Pixels image, int top, int left, int height, int width) {
        if (image.height() == height && image.width() == width) {
            return image;
        }
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(height, width))];
        for (int y = 0; y < image.height(); y++) {
            int to = 3 * ((top + y) * width + left);
            System.arraycopy(image.rgb(), 3 * y * image.width(), rgb, to, 3 * image.width());
        }
        return new Pixels(height, width, rgb);
    }

    private static Pixels image(Bytes bytes, Chunk chunk, long maxPixels, String name) throws IOException, BrokenImage {
        return chunk.type.equals("VP8L")
                ? lossless(bytes, chunk, maxPixels / LOSSLESS_SHARE, name)
                : lossy(bytes, chunk, maxPixels, name);
    }

    private static Pixels lossless(Bytes bytes, Chunk chunk, long maxPixels, String name)
            throws IOException, BrokenImage {
        long sizes = bytes.uint(chunk.at + 1);
        int width = 1 + (int) (sizes & 0x3fff);
        int height = 1 + (int) (sizes >> 14 & 0x3fff);
        if ((long) height * width > maxPixels) {
            throw new BrokenImage(
                    name,
                    height + " x " + width + " pixels, more than the " + maxPixels
                            + " allowed of WebP without loss; convert it: magick " + name + " " + name + ".png");
        }
        ImageDecoder.requireInFileOrBlank(height, width, bytes.all().length, name);
        int length = chunk.length + (chunk.length & 1);
        ByteBuffer bare = ByteBuffer.allocate(20 + length).order(ByteOrder.LITTLE_ENDIAN);
        bare.put(ascii("RIFF")).putInt(12 + length).put(ascii("WEBPVP8L")).putInt(chunk.length);
        bare.put(bytes.all(), chunk.at, chunk.length);
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bare.array()))) {
            ImageReader reader = LOSSLESS.createReaderInstance();
            try {
                reader.setInput(in, true, true);
                BufferedImage image = reader.read(0);
                if (image.getHeight() != height || image.getWidth() != width) {
                    throw new IOException("its sizes differ");
                }
                return new Pixels(height, width, ImageDecoder.rgb(image));
            } finally {
                reader.dispose();
            }
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static Pixels lossy(Bytes bytes, Chunk chunk, long maxPixels, String name) throws IOException, BrokenImage {
        if (chunk.length < 10 || !bytes.startsWith(chunk.at + 3, "\u009d\u0001*")) {
            throw new IOException("no key frame");
        }
        int width = bytes.ushort(chunk.at + 6) & 0x3fff;
        int height = bytes.ushort(chunk.at + 8) & 0x3fff;
        ImageDecoder.requireAtMost(maxPixels, height, width, name);
        ImageDecoder.requireInFileOrBlank(height, width, bytes.all().length, name);
        Vp8 frame = Vp8.decode(bytes.all(), chunk.at, chunk.length, width, height);
        return new Pixels(height, width, rgb(frame, height, width));
    }

    /** libwebp's fancy upsampling (src/dsp/upsampling.c): chroma is interpolated between the four nearest, 9 3 3 1 of 16. */
    private static byte[] rgb(Vp8 frame, int height, int width) {
        int half = frame.stride() / 2;
        int[] us = new int[width];
        int[] vs = new int[width];
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(height, width))];
        for (int y = 0; y < height; y++) {
            int near = y / 2 * half;
            int last = (height + 1) / 2 - 1;
            int far = Math.min(Math.max(y % 2 == 0 ? y / 2 - 1 : y / 2 + 1, 0), last) * half;
            upsample(frame.u, near, far, us);
            upsample(frame.v, near, far, vs);
            for (int x = 0; x < width; x++) {
                put(frame.y[y * frame.stride() + x] & 0xff, us[x], vs[x], rgb, 3 * (y * width + x));
            }
        }
        return rgb;
    }

    /** Writes a row of chroma for each pixel, from the nearer and the farther row of samples. */
    private static void upsample(byte[] plane, int near, int far, int[] out) {
        int n = plane[near] & 0xff;
        int f = plane[far] & 0xff;
        out[0] = (3 * n + f + 2) >> 2;
        int pairs = (out.length - 1) / 2;
        for (int x = 1; x <= pairs; x++) {
            int nextNear = plane[near + x] & 0xff;
            int nextFar = plane[far + x] & 0xff;
            int sum = n + nextNear + f + nextFar + 8;
            out[2 * x - 1] = (((sum + 2 * (nextNear + f)) >> 3) + n) >> 1;
            out[2 * x] = (((sum + 2 * (n + nextFar)) >> 3) + nextNear) >> 1;
            n = nextNear;
            f = nextFar;
        }
        if (out.length % 2 == 0) {
            out[out.length - 1] = (3 * n + f + 2) >> 2;
        }
    }

    /** BT.601 of video, in 14-bit fixed point (libwebp, src/dsp/yuv.h). */
    private static void put(int y, int u, int v, byte[] rgb, int at) {
        int light = (y * 19077) >> 8;
        rgb[at] = limited(light + ((v * 26149) >> 8) - 14234);
        rgb[at + 1] = limited(light - ((u * 6419) >> 8) - ((v * 13320) >> 8) + 8708);
        rgb[at + 2] = limited(light + ((u * 33050) >> 8) - 17685);
    }

    private static byte limited(int color) {
        return (byte) Math.min(Math.max(color >> 6, 0), 255);
    }
}
