package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;

/**
 * Random damage to files: they are read, or refused by a clear error, and cost no more memory than their size allows. The seed is 1;
 * {@code -Dgrft.damage.seed=random} draws one, {@code -Dgrft.damage.seed=N} repeats that run.
 */
public final class Damage {
    private static final String GIVEN = System.getProperty("grft.damage.seed", "1");
    private static final long SEED = GIVEN.equals("random") ? System.nanoTime() : Long.parseLong(GIVEN);

    private Damage() {}

    /** Reads a file's bytes, or refuses them. */
    public interface Reading {
        /** Throws one of the errors that are clear, if it does not read them. */
        void read(byte[] bytes) throws Exception;
    }

    /**
     * Reads many damaged copies of a file.
     *
     * @param part of the file, from its beginning, that single bytes are changed in
     * @param constant bytes that a reading may allocate beside 16 for each byte of the file
     * @param clear the error that may come
     */
    public static void survives(
            String what,
            byte[] good,
            int times,
            double part,
            long constant,
            Reading reading,
            Class<? extends Exception> clear) {
        System.out.println(what + ": " + times + " times damaged, -Dgrft.damage.seed=" + SEED);
        refuses(what, good, reading, clear); // loads the classes, which are not to count
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        Random random = new Random(SEED);
        int refused = 0;
        for (int i = 0; i < times; i++) {
            byte[] bytes = damaged(good, part, random);
            String place = what + ", seed " + SEED + ", mutation " + i;
            long before = threads.getThreadAllocatedBytes(id);
            if (refuses(place, bytes, reading, clear)) {
                refused++;
            }
            assertThat(threads.getThreadAllocatedBytes(id) - before)
                    .as("bytes that were allocated, all in all: %s", place)
                    .isLessThan(16L * bytes.length + constant);
        }
        assertThat(refused).as(what).isGreaterThan(times / 10); // or the damage would be none
    }

    private static boolean refuses(String place, byte[] bytes, Reading reading, Class<? extends Exception> clear) {
        try {
            reading.read(bytes);
            return false;
        } catch (Exception | Error e) {
            if (!clear.isInstance(e)) {
                throw new AssertionError(place + ": " + e, e);
            }
            assertThat(e.getMessage()).as(place).isNotBlank();
            return true;
        }
    }

    /** Returns a copy with some bytes of its beginning changed, one part twice, or its end cut off. */
    private static byte[] damaged(byte[] good, double part, Random random) {
        byte[] bytes = good.clone();
        int region = Math.max(1, (int) (part * bytes.length));
        switch (random.nextInt(4)) {
            case 0 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            case 1 -> {
                int length = 1 + random.nextInt(Math.min(64, bytes.length / 2));
                System.arraycopy(
                        good,
                        random.nextInt(bytes.length - length),
                        bytes,
                        random.nextInt(bytes.length - length),
                        length);
            }
            case 2 -> {
                int at = random.nextInt(region);
                bytes[at] = (byte) "0123456789{}[]\",:-\\e\0\377".charAt(random.nextInt(22));
            }
            default -> {
                for (int n = 1 + random.nextInt(8); n > 0; n--) {
                    bytes[random.nextInt(region)] = (byte) random.nextInt();
                }
            }
        }
        return bytes;
    }
}
