package dev.grft.spark.rounds;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Warns of connections that are closed: one line in 10 s, however many there are. Thread-safe. */
final class Refusals {
    private static final Logger LOG = LoggerFactory.getLogger(Refusals.class);
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final LongSupplier clock;
    private @Nullable Long said; // when the last line was printed
    private long more; // connections since then

    /**
     * Returns no refusals yet.
     *
     * @param clock of nanoseconds
     */
    Refusals(LongSupplier clock) {
        this.clock = clock;
    }

    /** Warns of a connection that is closed, or counts it for the next line. */
    synchronized void add(Object address, String why) {
        long now = clock.getAsLong();
        if (said != null && now - said < PAUSE_NANOS) {
            more++;
            return;
        }
        LOG.warn("the connection from {} is closed: {}{}", address, why, more == 0 ? "" : "; " + more + " more before");
        said = now;
        more = 0;
    }
}
