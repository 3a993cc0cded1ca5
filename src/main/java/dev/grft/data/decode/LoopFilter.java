package dev.grft.data.decode;

/** Smooths the edges of blocks of a {@link Vp8} frame (RFC 6386, section 15), once all blocks have been predicted. */
final class LoopFilter {
    private final boolean simple;
    private final int sharpness;

    LoopFilter(boolean simple, int sharpness) {
        this.simple = simple;
        this.sharpness = sharpness;
    }

    /**
     * Filters a frame in place.
     *
     * @param across macroblocks in a row
     * @param levels of each macroblock, 0 to 63
     * @param inner whether edges within a macroblock are filtered, too
     */
    void filter(byte[] y, byte[] u, byte[] v, int across, byte[] levels, boolean[] inner) {
        for (int i = 0; i < levels.length; i++) {
            if (levels[i] > 0) {
                macroblock(y, u, v, across, i / across, i % across, levels[i], inner[i]);
            }
        }
    }

    private void macroblock(byte[] y, byte[] u, byte[] v, int across, int row, int column, int level, boolean inner) {
        int inside = sharpness == 0 ? level : Math.min(level >> (sharpness > 4 ? 2 : 1), 9 - sharpness);
        inside = Math.max(inside, 1);
        int limit = 2 * level + inside;
        int steep = level >= 40 ? 2 : level >= 15 ? 1 : 0;
        int stride = 16 * across;
        int luma = 16 * row * stride + 16 * column;
        int chroma = 8 * row * (stride / 2) + 8 * column;
        for (boolean vertical : new boolean[] {false, true}) { // edges between columns, then between rows
            int step = vertical ? stride : 1;
            int along = vertical ? 1 : stride;
            int half = vertical ? stride / 2 : 1;
            int alongHalf = vertical ? 1 : stride / 2;
            if (vertical ? row > 0 : column > 0) {
                edge(y, luma, step, along, 16, limit + 4, inside, steep, true);
                if (!simple) {
                    edge(u, chroma, half, alongHalf, 8, limit + 4, inside, steep, true);
                    edge(v, chroma, half, alongHalf, 8, limit + 4, inside, steep, true);
                }
            }
            if (inner) {
                for (int k = 4; k < 16; k += 4) {
                    edge(y, luma + k * step, step, along, 16, limit, inside, steep, false);
                }
                if (!simple) {
                    edge(u, chroma + 4 * half, half, alongHalf, 8, limit, inside, steep, false);
                    edge(v, chroma + 4 * half, half, alongHalf, 8, limit, inside, steep, false);
                }
            }
        }
    }

    private void edge(
            byte[] p, int from, int step, int along, int count, int limit, int inside, int steep, boolean outer) {
        for (int i = 0, at = from; i < count; i++, at += along) {
            int p1 = p[at - 2 * step] & 0xff;
            int p0 = p[at - step] & 0xff;
            int q0 = p[at] & 0xff;
            int q1 = p[at + step] & 0xff;
            if (4 * Math.abs(p0 - q0) + Math.abs(p1 - q1) > 2 * limit + 1) {
                continue;
            }
            if (simple) {
                two(p, at, step, p1, p0, q0, q1);
                continue;
            }
            int p2 = p[at - 3 * step] & 0xff;
            int q2 = p[at + 2 * step] & 0xff;
            if (Math.abs((p[at - 4 * step] & 0xff) - p2) > inside
                    || Math.abs(p2 - p1) > inside
                    || Math.abs(p1 - p0) > inside
                    || Math.abs((p[at + 3 * step] & 0xff) - q2) > inside
                    || Math.abs(q2 - q1) > inside
                    || Math.abs(q1 - q0) > inside) {
                continue;
            }
            if (Math.abs(p1 - p0) > steep || Math.abs(q1 - q0) > steep) {
                two(p, at, step, p1, p0, q0, q1);
            } else if (outer) {
                int a = signed(3 * (q0 - p0) + signed(p1 - q1));
                int a1 = (27 * a + 63) >> 7;
                int a2 = (18 * a + 63) >> 7;
                int a3 = (9 * a + 63) >> 7;
                p[at - 3 * step] = color(p2 + a3);
                p[at - 2 * step] = color(p1 + a2);
                p[at - step] = color(p0 + a1);
                p[at] = color(q0 - a1);
                p[at + step] = color(q1 - a2);
                p[at + 2 * step] = color(q2 - a3);
            } else {
                int a = 3 * (q0 - p0);
                int a1 = small((a + 4) >> 3);
                int a3 = (a1 + 1) >> 1;
                p[at - 2 * step] = color(p1 + a3);
                p[at - step] = color(p0 + small((a + 3) >> 3));
                p[at] = color(q0 - a1);
                p[at + step] = color(q1 - a3);
            }
        }
    }

    private static void two(byte[] p, int at, int step, int p1, int p0, int q0, int q1) {
        int a = 3 * (q0 - p0) + signed(p1 - q1);
        p[at - step] = color(p0 + small((a + 3) >> 3));
        p[at] = color(q0 - small((a + 4) >> 3));
    }

    private static int signed(int number) {
        return Math.min(Math.max(number, -128), 127);
    }

    private static int small(int number) {
        return Math.min(Math.max(number, -16), 15);
    }

    private static byte color(int number) {
        return (byte) Vp8.limited(number, 255);
    }
}
