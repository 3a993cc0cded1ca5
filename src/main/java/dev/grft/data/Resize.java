package dev.grft.data;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Antialiased resizing, equal to Pillow's {@code Image.resize} to the last bit: a filter that is stretched to the larger of an
 * old and a new pixel, columns first, then rows, each in 22-bit fixed point and rounded to 8 bits (Pillow,
 * src/libImaging/Resample.c; of nearest, Geometry.c). Integers and IEEE doubles only, so the same on every machine.
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

        private boolean copies() {
            return resized == length;
        }
    }

    /** For each wanted pixel the first old one it draws on, how many, and their weights. */
    private static final class Taps {
        final int[] first; // [count]
        final int[] taps; // [count]
        final int[] weights; // [count, width], of 2^22
        final int width;

        private Taps(int[] first, int[] taps, int[] weights, int width) {
            this.first = first;
            this.taps = taps;
            this.weights = weights;
            this.width = width;
        }

        Taps(Side side, Interpolation interpolation) {
            double scale = (double) side.length / side.resized;
            boolean nearest = interpolation == Interpolation.NEAREST;
            double stretch = Math.max(scale, 1);
            double support = interpolation.support() * stretch;
            width = nearest ? 1 : (int) Math.ceil(support) * 2 + 1;
            first = new int[side.count];
            taps = new int[side.count];
            weights = new int[Math.multiplyExact(side.count, width)];
            if (nearest) {
                pickNearest(side, scale);
                return;
            }
            double[] unscaled = new double[width];
            double perPixel = 1 / stretch;
            for (int i = 0; i < side.count; i++) {
                double center = (side.from + i + 0.5) * scale;
                int begin = Math.max((int) (center - support + 0.5), 0);
                int end = Math.min((int) (center + support + 0.5), side.length);
                double sum = 0;
                for (int t = 0; t < end - begin; t++) {
                    unscaled[t] = interpolation.at((t + begin - center + 0.5) * perPixel);
                    sum += unscaled[t];
                }
                for (int t = 0; t < end - begin; t++) {
                    double weight = unscaled[t] / sum * (1 << FRACTION);
                    weights[i * width + t] = (int) (weight < 0 ? weight - 0.5 : weight + 0.5);
                }
                first[i] = side.start + begin;
                taps[i] = end - begin;
            }
        }

        /** Adds up the places as Pillow does, whose rounding errors decide where a place falls between two pixels. */
        private void pickNearest(Side side, double scale) {
            double place = scale * 0.5;
            for (long i = 0; i < side.from + side.count; i++, place += scale) {
                if (i >= side.from) {
                    int at = (int) (i - side.from);
                    first[at] = side.start + Math.min((int) place, side.length - 1);
                    taps[at] = 1;
                    weights[at] = 1 << FRACTION;
                }
            }
        }

        /** Returns the same with four taps for each pixel, some of weight 0; null if there are more taps, or fewer pixels. */
        @Nullable
        Taps inFours(int length) {
            if (length < 4 || Arrays.stream(taps).max().orElseThrow() > 4) {
                return null;
            }
            Taps fours = new Taps(new int[first.length], taps, new int[4 * first.length], 4);
            for (int i = 0; i < first.length; i++) {
                fours.first[i] = Math.min(first[i], length - 4);
                System.arraycopy(weights, i * width, fours.weights, 4 * i + first[i] - fours.first[i], taps[i]);
            }
            return fours;
        }
    }

    /** Returns the wanted pixels of the resized image; {@code image} itself if nothing changes. */
    static Pixels of(Pixels image, Side rows, Side columns, Interpolation interpolation) {
        if (rows.copies() && columns.copies()) {
            return part(image, rows, columns);
        }
        Taps across = new Taps(columns, interpolation);
        Taps fours = across.inFours(image.width());
        Taps down = new Taps(rows, interpolation);
        int stride = 3 * columns.count;
        // The resized rows that one new row draws on, as integers, which the processor adds up several at a time.
        int[][] resized = new int[down.width][stride];
        int next = down.first[0];
        int[] sums = new int[stride];
        byte[] out = new byte[Math.multiplyExact(stride, rows.count)];
        for (int i = 0; i < rows.count; i++) {
            int first = down.first[i];
            int end = first + down.taps[i];
            for (next = Math.max(next, first); next < end; next++) {
                int row = 3 * next * image.width();
                if (fours == null) {
                    resizeRow(image.rgb(), row, across, resized[next % down.width]);
                } else {
                    resizeRowInFours(image.rgb(), row, fours.first, fours.weights, resized[next % down.width]);
                }
            }
            Arrays.fill(sums, 1 << (FRACTION - 1));
            for (int y = first; y < end; y++) {
                add(down.weights[i * down.width + y - first], resized[y % down.width], sums);
            }
            round(sums, out, i * stride);
        }
        return new Pixels(rows.count, columns.count, out);
    }

    private static Pixels part(Pixels image, Side rows, Side columns) {
        if (rows.count == image.height() && columns.count == image.width()) {
            return image;
        }
        int stride = 3 * columns.count;
        byte[] out = new byte[Math.multiplyExact(stride, rows.count)];
        for (int i = 0; i < rows.count; i++) {
            long row = rows.start + rows.from + i;
            int from = (int) (3 * (row * image.width() + columns.start + columns.from));
            System.arraycopy(image.rgb(), from, out, i * stride, stride);
        }
        return new Pixels(rows.count, columns.count, out);
    }

    /** Writes [count, 3]: the row that begins at {@code row}, resized. */
    private static void resizeRow(byte[] in, int row, Taps across, int[] out) {
        int[] weights = across.weights;
        int to = 0;
        for (int i = 0; i < across.first.length; i++, to += 3) {
            int red = 1 << (FRACTION - 1);
            int green = red;
            int blue = red;
            int from = row + 3 * across.first[i];
            int at = i * across.width;
            int end = at + across.taps[i];
            for (; at < end; at++, from += 3) {
                int weight = weights[at];
                red += weight * (in[from] & 0xff);
                green += weight * (in[from + 1] & 0xff);
                blue += weight * (in[from + 2] & 0xff);
            }
            out[to] = limited(red >> FRACTION);
            out[to + 1] = limited(green >> FRACTION);
            out[to + 2] = limited(blue >> FRACTION);
        }
    }

    /** The same for four taps at each pixel, or three and one of weight 0, as nearly all photos have: unrolled, in half the time. */
    private static void resizeRowInFours(byte[] in, int row, int[] first, int[] weights, int[] out) {
        int half = 1 << (FRACTION - 1);
        int to = 0;
        for (int i = 0; i < first.length; i++, to += 3) {
            int from = row + 3 * first[i];
            int a = weights[4 * i];
            int b = weights[4 * i + 1];
            int c = weights[4 * i + 2];
            int d = weights[4 * i + 3];
            int red = half + a * (in[from] & 0xff) + b * (in[from + 3] & 0xff) + c * (in[from + 6] & 0xff);
            int green = half + a * (in[from + 1] & 0xff) + b * (in[from + 4] & 0xff) + c * (in[from + 7] & 0xff);
            int blue = half + a * (in[from + 2] & 0xff) + b * (in[from + 5] & 0xff) + c * (in[from + 8] & 0xff);
            if (d != 0) { // hardly ever where a photo becomes smaller by up to a third
                red += d * (in[from + 9] & 0xff);
                green += d * (in[from + 10] & 0xff);
                blue += d * (in[from + 11] & 0xff);
            }
            out[to] = limited(red >> FRACTION);
            out[to + 1] = limited(green >> FRACTION);
            out[to + 2] = limited(blue >> FRACTION);
        }
    }

    private static void round(int[] sums, byte[] out, int offset) {
        for (int j = 0; j < sums.length; j++) {
            out[offset + j] = (byte) limited(sums[j] >> FRACTION);
        }
    }

    /** Limits a color to 8 bits, which the negative lobes of some filters exceed; for sums of weights that are not negative it does nothing. */
    private static int limited(int color) {
        return Math.min(Math.max(color, 0), 255);
    }

    private static void add(int weight, int[] row, int[] sums) {
        for (int j = 0; j < sums.length; j++) {
            sums[j] += weight * row[j];
        }
    }
}
