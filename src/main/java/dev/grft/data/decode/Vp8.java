package dev.grft.data.decode;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Decodes a key frame of VP8, which WebP that is compressed with loss holds, to luma and chroma: RFC 6386, and where that leaves a
 * choice as libwebp does. TwelveMonkeys' decoder filters each block before the next is predicted from it; its pictures differ from
 * those of any other program.
 */
final class Vp8 {
    private static final int DC =
            0; // of a macroblock: predicted by the mean, from above, from the left, by gradient, in parts
    private static final int VERTICAL = 1;
    private static final int HORIZONTAL = 2;
    private static final int TRUE_MOTION = 3;
    private static final int PARTS = 4;

    /** The mode of the parts that a mode of the whole macroblock counts as, for its neighbors: B_DC, B_VE, B_HE, B_TM. */
    private static final int[] AS_PART = {0, 2, 3, 1};

    private static final int[] PART_TREE = {0, 2, -1, 4, -2, 6, 8, 12, -3, 10, -5, -6, -4, 14, -7, 16, -8, -9};
    private static final int[] BANDS = {0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0};
    private static final int[] ZIGZAG = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};
    private static final int[][] LARGE = {
        {173, 148, 140},
        {176, 155, 140, 135},
        {180, 157, 141, 134, 130},
        {254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}
    };
    private static final Map<String, int[]> TABLES = tables();

    private final byte[] bytes;
    private final int end;
    private final int across; // macroblocks
    private final int down;
    final byte[] y; // [16 down, 16 across]
    final byte[] u; // [8 down, 8 across]
    final byte[] v;
    private final Bits header;
    private final Bits[] tokens;
    private final boolean segmented;
    private boolean mapped;
    private boolean absolute;
    private final int[] quantizers = new int[4];
    private final int[] strengths = new int[4];
    private final int[] segmentProbabilities = {255, 255, 255};
    private final boolean simple;
    private final int level;
    private final int sharpness;
    private final int[] levelDeltas = new int[2]; // of intra frames, and of parts
    private final int[][] factors = new int[4][6]; // by segment: y1 dc, ac, y2 dc, ac, chroma dc, ac
    private final int[] probabilities =
            Objects.requireNonNull(TABLES.get("coefficients")).clone();
    private final int skipProbability; // 0: none is skipped

    private final int[] partsAbove; // modes, [4 across]
    private final int[] partsLeft = new int[4];
    private final int[] parts = new int[16];
    private final int[] above; // whether there were coefficients, [9 across]: 4 of y, 2 of u, 2 of v, 1 of y2
    private final int[] left = new int[9];
    private final int[] coefficients = new int[25 * 16];
    private final byte[] limits; // of the loop filter, by macroblock: level, inner edges or not
    private final boolean[] inner;

    private Vp8(byte[] bytes, int from, int length, int width, int height) throws IOException {
        this.bytes = bytes;
        this.end = from + length;
        this.across = (width + 15) / 16;
        this.down = (height + 15) / 16;
        int tag = byteAt(from) | byteAt(from + 1) << 8 | byteAt(from + 2) << 16;
        int first = from + 10;
        int partition = first + (tag >> 5);
        if ((tag & 1) != 0 || (tag >> 1 & 7) > 3 || partition > end) {
            throw new IOException("no key frame, or cut off");
        }
        header = new Bits(first, partition);
        header.value(2); // color space and clamping
        segmented = header.flag();
        if (segmented) {
            readSegments();
        }
        simple = header.flag();
        level = header.value(6);
        sharpness = header.value(3);
        readLevelDeltas();
        tokens = partitions(partition, 1 << header.value(2));
        readFactors();
        header.flag(); // whether probabilities stay for later frames
        int[] updates = Objects.requireNonNull(TABLES.get("coefficient updates"));
        for (int i = 0; i < updates.length; i++) {
            if (header.bit(updates[i]) == 1) {
                probabilities[i] = header.value(8);
            }
        }
        skipProbability = header.flag() ? header.value(8) : 0;
        y = new byte[256 * across * down];
        u = new byte[64 * across * down];
        v = new byte[64 * across * down];
        partsAbove = new int[4 * across];
        above = new int[9 * across];
        limits = new byte[across * down];
        inner = new boolean[across * down];
    }

    /**
     * Returns the frame.
     *
     * @throws IOException if it is damaged
     */
    static Vp8 decode(byte[] bytes, int from, int length, int width, int height) throws IOException {
        Vp8 frame = new Vp8(bytes, from, length, width, height);
        for (int row = 0; row < frame.down; row++) {
            Arrays.fill(frame.partsLeft, 0);
            Arrays.fill(frame.left, 0);
            for (int column = 0; column < frame.across; column++) {
                frame.macroblock(row, column, frame.tokens[row & (frame.tokens.length - 1)]);
            }
        }
        if (frame.level > 0) {
            new LoopFilter(frame.simple, frame.sharpness)
                    .filter(frame.y, frame.u, frame.v, frame.across, frame.limits, frame.inner);
        }
        return frame;
    }

    /** Returns the length of a row of luma; one of chroma has half of it. */
    int stride() {
        return 16 * across;
    }

    private static Map<String, int[]> tables() {
        Map<String, int[]> tables = new HashMap<>();
        try (InputStream in = Objects.requireNonNull(Vp8.class.getResourceAsStream("vp8.txt"))) {
            new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .forEach(line -> tables.put(
                            line.substring(0, line.indexOf(':')),
                            Arrays.stream(line.substring(line.indexOf(':') + 2).split(" ", -1))
                                    .mapToInt(Integer::parseInt)
                                    .toArray()));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return tables;
    }

    private int byteAt(int at) {
        return bytes[at] & 0xff;
    }

    /** The boolean decoder of section 7, which reads zeros behind its end. */
    private final class Bits {
        private int at;
        private final int last;
        private long value;
        private int range = 254; // less 1
        private int count = -8; // of bits beyond the 8 that are compared

        Bits(int from, int to) {
            at = from;
            last = to;
        }

        int bit(int probability) {
            while (count < 0) {
                value = value << 8 | (at < last ? byteAt(at++) : 0);
                count += 8;
            }
            int split = (range * probability) >> 8;
            int bit = 0;
            if ((int) (value >> count) > split) {
                range -= split;
                value -= (long) (split + 1) << count;
                bit = 1;
            } else {
                range = split + 1;
            }
            int shift = Integer.numberOfLeadingZeros(range) - 24;
            range = (range << shift) - 1;
            count -= shift;
            return bit;
        }

        boolean flag() {
            return bit(128) == 1;
        }

        int value(int bits) {
            int number = 0;
            for (int i = 0; i < bits; i++) {
                number = 2 * number + bit(128);
            }
            return number;
        }

        int signed(int bits) {
            int number = value(bits);
            return flag() ? -number : number;
        }

        int optional(int bits) {
            return flag() ? signed(bits) : 0;
        }

        int part(int[] table, int from) {
            int i = 0;
            do {
                i = PART_TREE[i + bit(table[from + i / 2])];
            } while (i > 0);
            return -i;
        }
    }

    private void readSegments() {
        mapped = header.flag();
        if (header.flag()) {
            absolute = header.flag();
            for (int i = 0; i < 4; i++) {
                quantizers[i] = header.optional(7);
            }
            for (int i = 0; i < 4; i++) {
                strengths[i] = header.optional(6);
            }
        }
        for (int i = 0; mapped && i < 3; i++) {
            segmentProbabilities[i] = header.flag() ? header.value(8) : 255;
        }
    }

    private void readLevelDeltas() {
        boolean used = header.flag();
        if (used && header.flag()) { // and given
            for (int i = 0; i < 8; i++) {
                int delta = header.optional(6);
                if (i == 0 || i == 4) {
                    levelDeltas[i / 4] = delta;
                }
            }
        }
    }

    private Bits[] partitions(int sizes, int count) throws IOException {
        Bits[] all = new Bits[count];
        int from = sizes + 3 * (count - 1);
        for (int i = 0; i < count; i++) {
            int at = sizes + 3 * i;
            if (from > end) {
                throw new IOException("cut off");
            }
            int to = i == count - 1 ? end : from + (byteAt(at) | byteAt(at + 1) << 8 | byteAt(at + 2) << 16);
            all[i] = new Bits(from, Math.min(to, end));
            from = to;
        }
        return all;
    }

    private void readFactors() {
        int base = header.value(7);
        int[] deltas = new int[5]; // y1 dc, y2 dc, y2 ac, chroma dc, chroma ac
        for (int i = 0; i < 5; i++) {
            deltas[i] = header.optional(4);
        }
        int[] dc = Objects.requireNonNull(TABLES.get("dc"));
        int[] ac = Objects.requireNonNull(TABLES.get("ac"));
        for (int s = 0; s < 4; s++) {
            int q = segmented ? quantizers[s] + (absolute ? 0 : base) : base;
            factors[s][0] = dc[limited(q + deltas[0], 127)];
            factors[s][1] = ac[limited(q, 127)];
            factors[s][2] = 2 * dc[limited(q + deltas[1], 127)];
            factors[s][3] = Math.max((ac[limited(q + deltas[2], 127)] * 101581) >> 16, 8);
            factors[s][4] = dc[limited(q + deltas[3], 117)];
            factors[s][5] = ac[limited(q + deltas[4], 127)];
        }
    }

    static int limited(int number, int most) {
        return Math.min(Math.max(number, 0), most);
    }

    private void macroblock(int row, int column, Bits token) {
        int segment = !mapped
                ? 0
                : header.bit(segmentProbabilities[0]) == 0
                        ? header.bit(segmentProbabilities[1])
                        : 2 + header.bit(segmentProbabilities[2]);
        boolean skipped = skipProbability > 0 && header.bit(skipProbability) == 1;
        int mode = header.bit(145) == 0
                ? PARTS
                : header.bit(156) == 0
                        ? header.bit(163) == 0 ? DC : VERTICAL
                        : header.bit(128) == 0 ? HORIZONTAL : TRUE_MOTION;
        readParts(column, mode);
        int chroma = header.bit(142) == 0
                ? DC
                : header.bit(114) == 0 ? VERTICAL : header.bit(183) == 0 ? HORIZONTAL : TRUE_MOTION;
        boolean coded = false;
        Arrays.fill(coefficients, 0);
        if (skipped) {
            int kept = mode == PARTS ? 8 : 9; // without y2 its context stays
            Arrays.fill(left, 0, kept, 0);
            Arrays.fill(above, 9 * column, 9 * column + kept, 0);
        } else {
            coded = readCoefficients(column, mode, token, factors[segment]);
        }
        Prediction luma = new Prediction(y, stride(), 16 * row, 16 * column, row, column);
        if (mode == PARTS) {
            luma.parts(parts, coefficients, column == across - 1);
        } else {
            luma.whole(mode, 16);
            luma.add(coefficients, 0, 4);
        }
        Prediction first = new Prediction(u, stride() / 2, 8 * row, 8 * column, row, column);
        first.whole(chroma, 8);
        first.add(coefficients, 16, 2);
        Prediction second = new Prediction(v, stride() / 2, 8 * row, 8 * column, row, column);
        second.whole(chroma, 8);
        second.add(coefficients, 20, 2);
        int strength = segmented ? strengths[segment] + (absolute ? 0 : level) : level;
        strength += levelDeltas[0] + (mode == PARTS ? levelDeltas[1] : 0);
        limits[row * across + column] = (byte) limited(strength, 63);
        inner[row * across + column] = mode == PARTS || coded;
    }

    private void readParts(int column, int mode) {
        int[] table = Objects.requireNonNull(TABLES.get("subblock modes"));
        for (int i = 0; i < 16; i++) {
            int x = 4 * column + i % 4;
            int part = mode == PARTS ? header.part(table, 9 * (10 * partsAbove[x] + partsLeft[i / 4])) : AS_PART[mode];
            parts[i] = part;
            partsAbove[x] = part;
            partsLeft[i / 4] = part;
        }
    }

    /** Returns whether any coefficient is not 0. */
    private boolean readCoefficients(int column, int mode, Bits token, int[] factor) {
        int context = 9 * column;
        int type = 3;
        int first = 0;
        if (mode != PARTS) {
            int n = block(token, 1, left[8] + above[context + 8], factor[2], factor[3], 0, 24);
            left[8] = n > 0 ? 1 : 0;
            above[context + 8] = left[8];
            spread();
            type = 0;
            first = 1;
        }
        boolean coded = false;
        for (int i = 0; i < 24; i++) {
            // Of y four in a row, then two of u, then two of v.
            int l = i < 16 ? i / 4 : i < 20 ? 4 + (i - 16) / 2 : 6 + (i - 20) / 2;
            int a = context + (i < 16 ? i % 4 : i < 20 ? 4 + i % 2 : 6 + i % 2);
            int start = i < 16 ? first : 0;
            int n = block(
                    token,
                    i < 16 ? type : 2,
                    left[l] + above[a],
                    factor[i < 16 ? 0 : 4],
                    factor[i < 16 ? 1 : 5],
                    start,
                    i);
            left[l] = n > start ? 1 : 0;
            above[a] = left[l];
            coded |= n > 1 || coefficients[16 * i] != 0;
        }
        return coded;
    }

    /** Reads the coefficients of a block, and returns the number of those before the end. */
    private int block(Bits token, int type, int context, int dc, int ac, int from, int number) {
        int p = 11 * (3 * (8 * type + BANDS[from]) + context);
        for (int n = from; n < 16; n++) {
            if (token.bit(probabilities[p]) == 0) {
                return n;
            }
            while (token.bit(probabilities[p + 1]) == 0) {
                n++;
                p = 11 * 3 * (8 * type + BANDS[n]);
                if (n == 16) {
                    return 16;
                }
            }
            int next = 11 * 3 * (8 * type + BANDS[n + 1]);
            int value = 1;
            int after = 1;
            if (token.bit(probabilities[p + 2]) == 1) {
                value = large(token, p);
                after = 2;
            }
            p = next + 11 * after;
            coefficients[16 * number + ZIGZAG[n]] = (token.flag() ? -value : value) * (n > 0 ? ac : dc);
        }
        return 16;
    }

    private int large(Bits token, int p) {
        if (token.bit(probabilities[p + 3]) == 0) {
            return token.bit(probabilities[p + 4]) == 0 ? 2 : 3 + token.bit(probabilities[p + 5]);
        }
        if (token.bit(probabilities[p + 6]) == 0) {
            if (token.bit(probabilities[p + 7]) == 0) {
                return 5 + token.bit(159);
            }
            int two = 2 * token.bit(165);
            return 7 + two + token.bit(145);
        }
        int high = token.bit(probabilities[p + 8]);
        int category = 2 * high + token.bit(probabilities[p + 9 + high]);
        int value = 0;
        for (int probability : LARGE[category]) {
            value = 2 * value + token.bit(probability);
        }
        return value + 3 + (8 << category);
    }

    /** Walsh-Hadamard: y2 becomes the first coefficients of y. */
    private void spread() {
        int[] t = new int[16];
        int in = 24 * 16;
        for (int i = 0; i < 4; i++) {
            int a = coefficients[in + i] + coefficients[in + 12 + i];
            int b = coefficients[in + 4 + i] + coefficients[in + 8 + i];
            int c = coefficients[in + 4 + i] - coefficients[in + 8 + i];
            int d = coefficients[in + i] - coefficients[in + 12 + i];
            t[i] = a + b;
            t[8 + i] = a - b;
            t[4 + i] = d + c;
            t[12 + i] = d - c;
        }
        for (int i = 0; i < 4; i++) {
            int dc = t[4 * i] + 3;
            int a = dc + t[4 * i + 3];
            int b = t[4 * i + 1] + t[4 * i + 2];
            int c = t[4 * i + 1] - t[4 * i + 2];
            int d = dc - t[4 * i + 3];
            coefficients[64 * i] = (a + b) >> 3;
            coefficients[64 * i + 16] = (d + c) >> 3;
            coefficients[64 * i + 32] = (a - b) >> 3;
            coefficients[64 * i + 48] = (d - c) >> 3;
        }
    }
}
