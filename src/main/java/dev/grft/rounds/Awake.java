package dev.grft.rounds;

import java.util.function.LongSupplier;

/**
 * A clock that stands still while its process does: in a long garbage collection, or while its machine is suspended. A time in which a driver hears
 * nobody is then no silence of its workers. It has to be read more often than the pauses that it notices are long. Not thread-safe.
 */
public final class Awake implements LongSupplier {
    private final LongSupplier clock;
    private final long pause;
    private long read;
    private long stood; // in all pauses

    /**
     * Returns a clock without the pauses of another one.
     *
     * @param clock of nanoseconds
     * @param pause longer times between two reads count as nothing
     */
    public Awake(LongSupplier clock, long pause) {
        this.clock = clock;
        this.pause = pause;
        this.read = clock.getAsLong();
    }

    @Override
    public long getAsLong() {
        long now = clock.getAsLong();
        if (now - read > pause) {
            stood += now - read;
        }
        read = now;
        return now - stood;
    }
}
