package dev.grft.data;

import java.util.Arrays;

/**
 * Antialiased bilinear resizing, equal to Pillow's {@code Image.resize(size, BILINEAR)} to the last bit: a triangle as
 * wide as the larger of an old and a new pixel, columns first, then rows, each in 22-bit fixed point and rounded to 8
 * bits (Pillow, src/libImaging/Resample.c). Integers and IEEE doubles only, so the same on every machine.
 */
final class Resize {
    private static final int FRACTION = 22; // 32 bits less 8 of a color less 2 spare ones

    private Resize() {}

    /**
     * How one side is resized: {@code length} pixels from {@code start} on become {@code resized} pixels, of which
     * {@code count} from {@code from} on are wanted. Pixels outside are never looked at, as if cropped away before.
     */
    record Side(int start, int length, long resized, long from, int count) {
        Side {
            if (start < 0 || length < 1 || from < 0 || count < 1 || from + count > resized) {
                throw new IllegalArgumentException("can't take " + count + " from " + from + " of " + resized);
            }
        }

        /** Returns the side that is resized and taken whole. */
        static Side whole(int start, int length, int resized) {
            return new Side(start, length, resized, 0, resized);
        }

        private boolean keeps(int all) {
            return length == all && resized == all && count == all;
        }
    }

    /** For each wanted pixel the first old one it draws on, how many, and their weights. */
    private static final class Taps {
        final int[] first; // [count]
        final int[] taps; // [count]
        final int[] weights; // [count, width], of 2^22
        final int width;

        Taps(Side side) {
            double scale = (double) side.length / side.resized;
            double support = Math.max(scale, 1);
            width = (int) Math.ceil(support) * 2 + 1;
            first = new int[side.count];
            taps = new int[side.count];
            weights = new int[Math.multiplyExact(side.count, width)];
            double[] unscaled = new double[width];
            double perPixel = 1 / support;
            for (int i = 0; i < side.count; i++) {
                double center = (side.from + i + 0.5) * scale;
                int begin = Math.max((int) (center - support + 0.5), 0);
                int end = Math.min((int) (center + support + 0.5), side.length);
                double sum = 0;
                for (int t = 0; t < end - begin; t++) {
                    unscaled[t] = Math.max(1 - Math.abs((t + begin - center + 0.5) * perPixel), 0);
                    sum += unscaled[t];
                }
                for (int t = 0; t < end - begin; t++) {
                    weights[i * width + t] = (int) (0.5 + unscaled[t] / sum * (1 << FRACTION));
                }
                first[i] = side.start + begin;
                taps[i] = end - begin;
            }
        }
    }

    /** Returns the wanted pixels of the resized image; {@code image} itself if nothing changes. */
    static Pixels of(Pixels image, Side rows, Side columns) {
        if (rows.keeps(image.height()) && columns.keeps(image.width())) {
            return image;
        }
        Taps down = new Taps(rows);
        int top = down.first[0];
        int bottom = down.first[rows.count - 1] + down.taps[rows.count - 1];
        byte[] narrowed = resizeColumns(image, top, bottom - top, new Taps(columns));
        return new Pixels(rows.count, columns.count, resizeRows(narrowed, top, 3 * columns.count, down));
    }

    /** Returns [rows, count, 3]: {@code rows} rows from {@code top} on, each resized. */
    private static byte[] resizeColumns(Pixels image, int top, int rows, Taps across) {
        byte[] in = image.rgb();
        byte[] out = new byte[Math.multiplyExact(3 * across.first.length, rows)];
        int to = 0;
        for (int y = top; y < top + rows; y++) {
            int row = 3 * y * image.width();
            for (int i = 0; i < across.first.length; i++) {
                int red = 1 << (FRACTION - 1);
                int green = red;
                int blue = red;
                int from = row + 3 * across.first[i];
                int weights = i * across.width;
                for (int t = 0; t < across.taps[i]; t++, from += 3) {
                    int weight = across.weights[weights + t];
                    red += weight * (in[from] & 0xff);
                    green += weight * (in[from + 1] & 0xff);
                    blue += weight * (in[from + 2] & 0xff);
                }
                out[to++] = (byte) (red >> FRACTION);
                out[to++] = (byte) (green >> FRACTION);
                out[to++] = (byte) (blue >> FRACTION);
            }
        }
        return out;
    }

    /**
     * Returns [count, stride]: weighted sums of the rows of {@code in}, whose first is row {@code top} of the image.
     */
    private static byte[] resizeRows(byte[] in, int top, int stride, Taps down) {
        byte[] out = new byte[Math.multiplyExact(stride, down.first.length)];
        int[] sums = new int[stride];
        for (int i = 0; i < down.first.length; i++) {
            Arrays.fill(sums, 1 << (FRACTION - 1));
            for (int t = 0; t < down.taps[i]; t++) {
                int weight = down.weights[i * down.width + t];
                int from = (down.first[i] - top + t) * stride;
                for (int j = 0; j < stride; j++) {
                    sums[j] += weight * (in[from + j] & 0xff);
                }
            }
            for (int j = 0; j < stride; j++) {
                out[i * stride + j] = (byte) (sums[j] >> FRACTION);
            }
        }
        return out;
    }
}
