package dev.grft.spark.rounds;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Round;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientFactory;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.jspecify.annotations.Nullable;

/** The link of a worker to the driver's port. */
public final class Client implements Link {
    private static final long MILLIS = TimeUnit.SECONDS.toMillis(120);
    private static final float[] NO_VECTOR = {};
    private static final double[] NO_NUMBERS = {};

    private final String address;
    private final TransportContext context;
    private final TransportClientFactory factory;
    private final TransportClient client;

    /**
     * Connects.
     *
     * @param name of the worker, which no other has
     * @throws Broken if the driver cannot be reached or does not know the token
     */
    public Client(SparkConf conf, SecurityManager security, String host, int port, byte[] token, String name)
            throws Broken {
        address = host + ":" + port;
        Transport transport = new Transport(conf, security);
        context = transport.context(new NoOpRpcHandler());
        factory = context.createClientFactory(transport.client());
        TransportClient open = null;
        boolean connected = false;
        try {
            open = factory.createUnmanagedClient(host, port);
            client = open;
            call(Wire.hello(token, name));
            connected = true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Broken("interrupted while connecting to " + address, e);
        } catch (IOException | RuntimeException e) {
            throw new Broken("the driver cannot be reached at " + address, e, open == null && isTimeout(e));
        } finally {
            if (!connected) {
                close(open);
            }
        }
    }

    /** Returns whether an attempt to connect has ended because nothing has answered: netty and Spark say so, whichever clock is first. */
    private static boolean isTimeout(Throwable failure) {
        return Stream.iterate(failure, Objects::nonNull, Throwable::getCause)
                .anyMatch(cause -> String.valueOf(cause.getMessage()).contains("timed out"));
    }

    ByteBuffer call(ByteBuffer message) throws Broken {
        try {
            return Wire.read(client.sendRpcSync(message, MILLIS));
        } catch (RuntimeException e) { // as Spark says it
            throw new Broken("the connection to the driver at " + address + " is lost", e);
        }
    }

    @Override
    public void ask(int slots, Coordinator.Asker<Packet> asker) {
        client.sendRpc(Wire.ask(slots), new RpcResponseCallback() {
            @Override
            public void onSuccess(ByteBuffer response) {
                ByteBuffer message = Wire.read(response);
                if (!message.hasRemaining()) {
                    asker.over();
                    return;
                }
                asker.work(new Round<>(message.getLong(), null), Wire.shards(message));
            }

            @Override
            public void onFailure(Throwable failure) {
                // The next beat throws, and tells why.
            }
        });
    }

    @Override
    public @Nullable Round<Packet> round(Round<Packet> asked) throws Broken {
        float[] vector = NO_VECTOR;
        double[] numbers = NO_NUMBERS;
        int from = 0;
        do {
            ByteBuffer piece = call(Wire.vector(asked.number(), from));
            if (!piece.hasRemaining()) {
                return null;
            }
            int length = piece.getInt();
            vector = from == 0 ? new float[length] : vector;
            numbers = Wire.numbers(piece);
            Wire.floats(piece, vector, from);
            from += Wire.PIECE;
        } while (from < vector.length);
        return new Round<>(asked.number(), new Packet(numbers, vector));
    }

    @Override
    public void deliver(long round, Node node, @Nullable Packet value) throws Broken {
        if (value == null) {
            call(Wire.node(round, node, NO_NUMBERS, NO_VECTOR, 0, -1));
            return;
        }
        int length = value.vector().length;
        int from = 0;
        do {
            call(Wire.node(round, node, value.numbers(), value.vector(), from, length));
            from += Wire.PIECE;
        } while (from < length);
    }

    @Override
    public long beat(int slots) throws Broken {
        return call(Wire.beat(slots)).getLong();
    }

    @Override
    public void close() {
        close(client);
    }

    private void close(@Nullable TransportClient open) {
        if (open != null) {
            open.close();
        }
        factory.close();
        context.close();
    }
}
