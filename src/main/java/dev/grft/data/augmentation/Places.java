package dev.grft.data.augmentation;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Moves pixels of a square image {@code [side, side, 3]}, 8 bits each. Turning, shearing and moving by parts of a pixel are equal to
 * Pillow's {@code Image.transform} and {@code Image.rotate} with bilinear and bicubic interpolation, to the last bit (Pillow,
 * src/libImaging/Geometry.c).
 */
final class Places {
    private Places() {}

    /** Returns the image moved by whole pixels, black where nothing has come to. */
    static byte[] moved(byte[] rgb, int side, int down, int right) {
        byte[] out = new byte[rgb.length];
        int columns = Math.max(0, side - Math.abs(right));
        for (int row = Math.max(0, down); row < Math.min(side, side + down); row++) {
            int from = 3 * ((row - down) * side + Math.max(0, -right));
            if (columns > 0) {
                System.arraycopy(rgb, from, out, 3 * (row * side + Math.max(0, right)), 3 * columns);
            }
        }
        return out;
    }

    /** Returns the image upside down: the first row is the last. */
    static byte[] upsideDown(byte[] rgb, int side) {
        byte[] out = new byte[rgb.length];
        int stride = 3 * side;
        for (int row = 0; row < side; row++) {
            System.arraycopy(rgb, row * stride, out, (side - 1 - row) * stride, stride);
        }
        return out;
    }

    /** Returns the image turned counterclockwise. */
    static byte[] turned(byte[] rgb, int side, int quarters) {
        byte[] out = new byte[rgb.length];
        int last = side - 1;
        for (int row = 0; row < side; row++) {
            for (int column = 0; column < side; column++) {
                int from = switch (quarters & 3) {
                    case 0 -> row * side + column;
                    case 1 -> column * side + last - row;
                    case 2 -> (last - row) * side + last - column;
                    default -> (last - column) * side + row;
                };
                System.arraycopy(rgb, 3 * from, out, 3 * (row * side + column), 3);
            }
        }
        return out;
    }

    /** Returns the image turned counterclockwise about its middle by some degrees. */
    static byte[] rotated(byte[] rgb, int side, double degrees, boolean cubic, int[] fill) {
        double rest = degrees % 360;
        double positive = rest < 0 ? rest + 360 : rest;
        if (positive % 90 == 0) {
            return turned(rgb, side, (int) (positive / 90));
        }
        double angle = -Math.toRadians(positive);
        double cos = rounded(StrictMath.cos(angle));
        double sin = rounded(StrictMath.sin(angle));
        double middle = side / 2.0;
        return transformed(
                rgb,
                side,
                new double[] {
                    cos,
                    sin,
                    cos * -middle + sin * -middle + 0.0 + middle,
                    -sin,
                    cos,
                    -sin * -middle + cos * -middle + 0.0 + middle
                },
                cubic,
                fill);
    }

    /** To 15 digits, as Pillow has them: the last bits of sine and cosine are not the same everywhere. */
    private static double rounded(double number) {
        return new BigDecimal(number).setScale(15, RoundingMode.HALF_EVEN).doubleValue();
    }

    /**
     * Returns the image of which each pixel is taken from another place.
     *
     * @param map [6]: x' = map[0] x + map[1] y + map[2] and y' = map[3] x + map[4] y + map[5], the place in the old image
     * @param cubic whether to interpolate between 4 x 4 pixels, else 2 x 2
     * @param fill [3], the color where the place is outside
     */
    static byte[] transformed(byte[] rgb, int side, double[] map, boolean cubic, int[] fill) {
        byte[] out = new byte[rgb.length];
        int to = 0;
        for (int row = 0; row < side; row++) {
            for (int column = 0; column < side; column++, to += 3) {
                double x = map[0] * (column + 0.5) + map[1] * (row + 0.5) + map[2];
                double y = map[3] * (column + 0.5) + map[4] * (row + 0.5) + map[5];
                if (x < 0 || x >= side || y < 0 || y >= side) {
                    out[to] = (byte) fill[0];
                    out[to + 1] = (byte) fill[1];
                    out[to + 2] = (byte) fill[2];
                } else if (cubic) {
                    cubic(rgb, side, x - 0.5, y - 0.5, out, to);
                } else {
                    linear(rgb, side, x - 0.5, y - 0.5, out, to);
                }
            }
        }
        return out;
    }

    private static void linear(byte[] in, int side, double x, double y, byte[] out, int to) {
        int left = (int) Math.floor(x);
        int top = (int) Math.floor(y);
        double dx = x - left;
        double dy = y - top;
        int a = 3 * within(left, side);
        int b = 3 * within(left + 1, side);
        int row = 3 * side * within(top, side);
        int below = 3 * side * within(top + 1, side);
        for (int color = 0; color < 3; color++) {
            double upper = linear(in[row + a + color] & 0xff, in[row + b + color] & 0xff, dx);
            double lower = linear(in[below + a + color] & 0xff, in[below + b + color] & 0xff, dx);
            out[to + color] = (byte) (int) (upper + (lower - upper) * dy);
        }
    }

    private static double linear(int a, int b, double d) {
        return a + (b - a) * d;
    }

    private static void cubic(byte[] in, int side, double x, double y, byte[] out, int to) {
        int left = (int) Math.floor(x);
        int top = (int) Math.floor(y);
        double dx = x - left;
        double dy = y - top;
        int a = 3 * within(left - 1, side);
        int b = 3 * within(left, side);
        int c = 3 * within(left + 1, side);
        int d = 3 * within(left + 2, side);
        int first = 3 * side * within(top - 1, side);
        int second = 3 * side * within(top, side);
        int third = 3 * side * within(top + 1, side);
        int fourth = 3 * side * within(top + 2, side);
        for (int color = 0; color < 3; color++) {
            double value = cubic(
                    cubic(in, first + color, a, b, c, d, dx),
                    cubic(in, second + color, a, b, c, d, dx),
                    cubic(in, third + color, a, b, c, d, dx),
                    cubic(in, fourth + color, a, b, c, d, dx),
                    dy);
            out[to + color] = (byte) Math.max(0, Math.min(255, (int) value));
        }
    }

    private static int within(int place, int side) {
        return Math.max(0, Math.min(side - 1, place));
    }

    /** Between four pixels of a row: of these the sums are whole numbers, which are exact either way and faster as integers. */
    private static double cubic(byte[] in, int row, int first, int second, int third, int fourth, double at) {
        int a = in[row + first] & 0xff;
        int b = in[row + second] & 0xff;
        int c = in[row + third] & 0xff;
        int d = in[row + fourth] & 0xff;
        return b + at * (c - a + at * (2 * (a - b) + c - d + at * (b - a - c + d)));
    }

    private static double cubic(double a, double b, double c, double d, double at) {
        return b + at * (-a + c + at * (2 * (a - b) + c - d + at * (-a + b - c + d)));
    }
}
