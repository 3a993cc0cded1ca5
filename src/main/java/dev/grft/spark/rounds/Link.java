package dev.grft.spark.rounds;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Round;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What a worker says to the driver. Thread-safe. */
public interface Link extends AutoCloseable {
    /** The driver cannot be reached. Other failures of a task, such as those of reading a file, are not of this type. */
    final class Broken extends IOException {
        private static final long serialVersionUID = 1L;

        private final boolean silent;

        /** Returns the failure of a connection that was made before. */
        Broken(String what, Throwable cause) {
            this(what, cause, false);
        }

        /**
         * Returns the failure.
         *
         * @param silent whether nothing has answered the attempt to connect
         */
        Broken(String what, Throwable cause, boolean silent) {
            super(what, cause);
            this.silent = silent;
        }

        /** Returns whether nothing has answered the attempt to connect, as behind a firewall that drops packets: another attempt ends alike. */
        public boolean isSilent() {
            return silent;
        }
    }

    /** Asks for work, see {@link Coordinator#ask}. What is sent to the round may be missing: {@link #round} gets it. */
    void ask(int slots, Coordinator.Asker<Packet> asker);

    /**
     * Returns a round with what is sent to its workers; null if it is over.
     *
     * @throws Broken if the driver cannot be reached
     */
    @Nullable
    Round<Packet> round(Round<Packet> asked) throws Broken;

    /**
     * Delivers a node of a round's sum, see {@link Coordinator#deliver}.
     *
     * @throws Broken if the driver cannot be reached
     */
    void deliver(long round, Node node, @Nullable Packet value) throws Broken;

    /**
     * Says that the worker lives, see {@link Coordinator#heard}.
     *
     * @param slots how many shards it computes at once by now
     * @return the number of the driver's present round; 0 if the worker has to ask again
     * @throws Broken if the driver cannot be reached
     */
    long beat(int slots) throws Broken;

    /** Says good-bye. */
    @Override
    void close();

    /** Returns the link of a worker in the driver's own JVM. */
    static Link direct(String worker, Coordinator<Packet, Packet> driver) {
        return new Link() {
            @Override
            public void ask(int slots, Coordinator.Asker<Packet> asker) {
                driver.ask(worker, slots, asker);
            }

            @Override
            public Round<Packet> round(Round<Packet> asked) {
                return asked;
            }

            @Override
            public void deliver(long round, Node node, @Nullable Packet value) {
                driver.deliver(worker, round, node, value);
            }

            @Override
            public long beat(int slots) {
                return driver.heard(worker, slots);
            }

            @Override
            public void close() {
                driver.gone(worker);
            }
        };
    }
}
