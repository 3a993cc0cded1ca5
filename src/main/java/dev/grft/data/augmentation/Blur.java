package dev.grft.data.augmentation;

/**
 * Gaussian blur of a square image {@code [side, side, 3]}, 8 bits each, equal to Pillow's {@code ImageFilter.GaussianBlur} to the last bit:
 * three box filters along rows, then three along columns (Pillow, src/libImaging/BoxBlur.c; Gwosdek et al., SSVM 2011).
 */
final class Blur {
    private static final int PASSES = 3;

    private Blur() {}

    /** Blurs in place; the radius is the standard deviation in pixels, above 0. */
    static void gaussian(byte[] rgb, int side, float radius) {
        float box = boxRadius(radius);
        byte[] line = new byte[3 * side];
        byte[] blurred = new byte[3 * side];
        for (int axis = 0; axis < 2; axis++) {
            int step = axis == 0 ? 3 : 3 * side;
            for (int number = 0; number < side; number++) {
                int first = number * (axis == 0 ? 3 * side : 3);
                copy(rgb, first, step, line, 0, 3, side);
                for (int pass = 0; pass < PASSES; pass++) {
                    box(line, side, box, blurred);
                    System.arraycopy(blurred, 0, line, 0, line.length);
                }
                copy(line, 0, 3, rgb, first, step, side);
            }
        }
    }

    /** Returns the radius of the box of which three passes are about as wide as the Gaussian, in float as Pillow. */
    private static float boxRadius(float radius) {
        float variance = radius * radius / PASSES;
        float length = (float) Math.sqrt(12.0 * variance + 1.0);
        float whole = (float) Math.floor((length - 1.0) / 2.0);
        float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
        part /= 6 * (variance - (whole + 1) * (whole + 1));
        return whole + part;
    }

    /** Replaces each pixel of a line by the mean of those around it, in 24-bit fixed point; beyond its ends the line goes on. */
    private static void box(byte[] line, int side, float radius, byte[] out) {
        int whole = (int) radius;
        int inside = (int) ((1 << 24) / (radius * 2 + 1));
        int edge = ((1 << 24) - (whole * 2 + 1) * inside) / 2;
        for (int at = 0; at < side; at++) {
            for (int color = 0; color < 3; color++) {
                int sum = 0;
                for (int other = at - whole; other <= at + whole; other++) {
                    sum += value(line, side, other, color);
                }
                int edges = value(line, side, at - whole - 1, color) + value(line, side, at + whole + 1, color);
                out[3 * at + color] = (byte) ((sum * inside + edges * edge + (1 << 23)) >>> 24);
            }
        }
    }

    private static int value(byte[] line, int side, int at, int color) {
        return line[3 * Math.max(0, Math.min(side - 1, at)) + color] & 0xff;
    }

    private static void copy(byte[] from, int fromFirst, int fromStep, byte[] to, int toFirst, int toStep, int pixels) {
        for (int i = 0; i < pixels; i++) {
            System.arraycopy(from, fromFirst + i * fromStep, to, toFirst + i * toStep, 3);
        }
    }
}
