package dev.grft.spark.rounds;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Round;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What a worker says to the driver. Thread-safe. */
public interface Link extends AutoCloseable {
    /** Asks for work, see {@link Coordinator#ask}. What is sent to the round may be missing: {@link #round} gets it. */
    void ask(int slots, Coordinator.Asker<Packet> asker);

    /**
     * Returns a round with what is sent to its workers; null if it is over.
     *
     * @throws IOException if the driver cannot be reached
     */
    @Nullable
    Round<Packet> round(Round<Packet> asked) throws IOException;

    /**
     * Delivers a node of a round's sum, see {@link Coordinator#deliver}.
     *
     * @throws IOException if the driver cannot be reached
     */
    void deliver(long round, Node node, @Nullable Packet value) throws IOException;

    /**
     * Says that the worker lives, see {@link Coordinator#heard}.
     *
     * @param slots how many shards it computes at once by now
     * @return the number of the driver's present round; 0 if the worker has to ask again
     * @throws IOException if the driver cannot be reached
     */
    long beat(int slots) throws IOException;

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
