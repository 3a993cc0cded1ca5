package dev.grft.data.decode;

/** A macroblock of one plane of a {@link Vp8} frame, predicted from its neighbors (RFC 6386, section 12), and its differences. */
final class Prediction {
    private static final int ABOVE = 127; // where there is no row
    private static final int BESIDE = 129; // where there is no column

    private final byte[] plane;
    private final int stride;
    private final int top;
    private final int start;
    private final int row; // in macroblocks
    private final int column;
    private final int[] edge = new int[13]; // of a part: 4 to the left from below, the corner, 8 above

    Prediction(byte[] plane, int stride, int top, int start, int row, int column) {
        this.plane = plane;
        this.stride = stride;
        this.top = top;
        this.start = start;
        this.row = row;
        this.column = column;
    }

    private int at(int y, int x) {
        return y < 0 ? ABOVE : x < 0 ? BESIDE : plane[y * stride + x] & 0xff;
    }

    private void put(int y, int x, int value) {
        plane[y * stride + x] = (byte) Vp8.limited(value, 255);
    }

    /** Predicts the whole by one mode: 0 the mean, 1 from above, 2 from the left, 3 by gradient. */
    void whole(int mode, int size) {
        int mean = mode == 0 ? mean(size) : 0;
        int corner = at(top - 1, start - 1);
        for (int y = top; y < top + size; y++) {
            int beside = at(y, start - 1);
            for (int x = start; x < start + size; x++) {
                put(
                        y,
                        x,
                        switch (mode) {
                            case 0 -> mean;
                            case 1 -> at(top - 1, x);
                            case 2 -> beside;
                            default -> beside + at(top - 1, x) - corner;
                        });
            }
        }
    }

    private int mean(int size) {
        int sum = 0;
        for (int i = 0; i < size; i++) {
            sum += (row > 0 ? at(top - 1, start + i) : 0) + (column > 0 ? at(top + i, start - 1) : 0);
        }
        int count = (row > 0 ? size : 0) + (column > 0 ? size : 0);
        return count == 0 ? 128 : (sum + count / 2) / count;
    }

    /** Predicts each of 16 parts by its own mode, and adds its differences before the next. */
    void parts(int[] modes, int[] coefficients, boolean last) {
        for (int i = 0; i < 16; i++) {
            int y = top + i / 4 * 4;
            int x = start + i % 4 * 4;
            for (int k = 0; k < 4; k++) {
                edge[3 - k] = at(y + k, x - 1);
                edge[5 + k] = at(y - 1, x + k);
                // Right of the macroblock there is only what is above it.
                edge[9 + k] = i % 4 < 3 ? at(y - 1, x + 4 + k) : at(top - 1, last ? start + 15 : x + 4 + k);
            }
            edge[4] = at(y - 1, x - 1);
            predict(modes[i], y, x);
            transform(coefficients, 16 * i, y, x);
        }
    }

    private int two(int i) {
        return (edge[i] + edge[i + 1] + 1) >> 1;
    }

    private int three(int i) { // around the edge's place i
        return (edge[i - 1] + 2 * edge[i] + edge[i + 1] + 2) >> 2;
    }

    private void predict(int mode, int y, int x) {
        for (int r = 0; r < 4; r++) {
            for (int c = 0; c < 4; c++) {
                put(y + r, x + c, part(mode, r, c));
            }
        }
    }

    private int part(int mode, int r, int c) {
        return switch (mode) {
            case 0 -> {
                int sum = 4;
                for (int i = 0; i < 4; i++) {
                    sum += edge[i] + edge[5 + i];
                }
                yield sum >> 3;
            }
            case 1 -> edge[3 - r] + edge[5 + c] - edge[4];
            case 2 -> three(5 + c);
            case 3 -> r < 3 ? three(3 - r) : (edge[1] + 3 * edge[0] + 2) >> 2;
            case 4 -> r + c < 6 ? three(6 + r + c) : (edge[11] + 3 * edge[12] + 2) >> 2; // left down
            case 5 -> three(4 - r + c); // right down
            case 6 -> verticalRight(r, c);
            case 7 -> verticalLeft(r, c);
            case 8 -> horizontalDown(r, c);
            default -> horizontalUp(r, c);
        };
    }

    private int verticalRight(int r, int c) {
        int along = 2 * c - r;
        if (along < 0) {
            return along == -1 ? three(4) : three(4 - r + 1);
        }
        return along % 2 == 0 ? two(4 + along / 2) : three(4 + (along + 1) / 2);
    }

    private int verticalLeft(int r, int c) {
        if (c == 3 && r >= 2) {
            return three(r == 2 ? 10 : 11);
        }
        int i = 5 + c + r / 2;
        return r % 2 == 0 ? two(i) : three(i + 1);
    }

    private int horizontalDown(int r, int c) {
        int along = 2 * r - c;
        if (along < 0) {
            return along == -1 ? three(4) : three(4 + c - 1);
        }
        return along % 2 == 0 ? two(3 - along / 2) : three(4 - (along + 1) / 2);
    }

    private int horizontalUp(int r, int c) {
        int along = 2 * r + c;
        if (along > 5) {
            return edge[0];
        }
        if (along == 5) {
            return (edge[1] + 3 * edge[0] + 2) >> 2;
        }
        return along % 2 == 0 ? two(2 - along / 2) : three(2 - along / 2);
    }

    /** Adds the differences of square parts of four pixels a side, {@code side} a row. */
    void add(int[] coefficients, int first, int side) {
        for (int i = 0; i < side * side; i++) {
            transform(coefficients, 16 * (first + i), top + i / side * 4, start + i % side * 4);
        }
    }

    private static int multiply(int a) {
        return ((a * 20091) >> 16) + a;
    }

    private static int multiplySmall(int a) {
        return (a * 35468) >> 16;
    }

    /** The inverse DCT of section 14.3, columns first. */
    private void transform(int[] in, int from, int y, int x) {
        int[] t = new int[16];
        boolean any = false;
        for (int i = 0; i < 4; i++) {
            int i0 = in[from + i];
            int i4 = in[from + 4 + i];
            int i8 = in[from + 8 + i];
            int i12 = in[from + 12 + i];
            any |= (i0 | i4 | i8 | i12) != 0;
            int c = multiplySmall(i4) - multiply(i12);
            int d = multiply(i4) + multiplySmall(i12);
            t[4 * i] = i0 + i8 + d;
            t[4 * i + 1] = i0 - i8 + c;
            t[4 * i + 2] = i0 - i8 - c;
            t[4 * i + 3] = i0 + i8 - d;
        }
        for (int r = 0; any && r < 4; r++) {
            int dc = t[r] + 4;
            int c = multiplySmall(t[4 + r]) - multiply(t[12 + r]);
            int d = multiply(t[4 + r]) + multiplySmall(t[12 + r]);
            int at = (y + r) * stride + x;
            add(at, (dc + t[8 + r] + d) >> 3);
            add(at + 1, (dc - t[8 + r] + c) >> 3);
            add(at + 2, (dc - t[8 + r] - c) >> 3);
            add(at + 3, (dc + t[8 + r] - d) >> 3);
        }
    }

    private void add(int at, int difference) {
        plane[at] = (byte) Vp8.limited((plane[at] & 0xff) + difference, 255);
    }
}
