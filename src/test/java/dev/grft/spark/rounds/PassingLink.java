package dev.grft.spark.rounds;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Round;
import org.jspecify.annotations.Nullable;

/** Passes everything on to a driver in this JVM. */
class PassingLink implements Link {
    private final Link link;

    PassingLink(String worker, Coordinator<Packet, Packet> driver) {
        this.link = Link.direct(worker, driver);
    }

    @Override
    public void ask(int slots, Coordinator.Asker<Packet> asker) {
        link.ask(slots, asker);
    }

    @Override
    public @Nullable Round<Packet> round(Round<Packet> asked) throws Broken {
        return link.round(asked);
    }

    @Override
    public void deliver(long round, Node node, @Nullable Packet value) throws Broken {
        link.deliver(round, node, value);
    }

    @Override
    public long beat(int slots) throws Broken {
        return link.beat(slots);
    }

    @Override
    public void close() {
        link.close();
    }
}
