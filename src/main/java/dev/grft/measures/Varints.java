package dev.grft.measures;

import java.io.ByteArrayOutputStream;

/** Whole numbers from 0 on in few bytes: seven bits in a byte, the lowest first; the eighth bit says that more follow. */
final class Varints {
    private static final int SEVEN_BITS = 0x7f;

    private Varints() {}

    static void write(long number, ByteArrayOutputStream bytes) {
        long rest = number;
        while (rest > SEVEN_BITS) {
            bytes.write((int) (rest & SEVEN_BITS) | ~SEVEN_BITS);
            rest >>>= 7;
        }
        bytes.write((int) rest);
    }

    /** Reads numbers one after the other. */
    static final class Reader {
        private final byte[] bytes;
        private int at;

        Reader(byte[] bytes) {
            this.bytes = bytes;
        }

        boolean more() {
            return at < bytes.length;
        }

        long next() {
            long number = 0;
            int shift = 0;
            byte some;
            do {
                some = bytes[at++];
                number |= (long) (some & SEVEN_BITS) << shift;
                shift += 7;
            } while (some < 0);
            return number;
        }
    }
}
