package dev.grft.spark.rounds;

import dev.grft.UserError;
import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Round;
import io.netty.channel.Channel;
import io.netty.channel.unix.Errors;
import java.net.BindException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.buffer.ManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;
import org.apache.spark.network.server.TransportServer;
import org.apache.spark.network.server.TransportServerBootstrap;
import org.jspecify.annotations.Nullable;

/**
 * The driver's port: passes on what workers say to a {@link Coordinator}, and answers when that does. Whoever does not begin with the token, or says
 * what no worker says, is disconnected.
 */
public final class Server implements AutoCloseable {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0).asReadOnlyBuffer();
    private static final int MOST_TOKEN = 256;
    private static final int MOST_PORT = 65_535;
    private static final int MOST_RETRIES = 16; // Spark's
    private static final int MOST_STRANGERS = 1024;
    private static final long STRANGER_MILLIS = 10_000;

    private final Coordinator<Packet, Packet> driver;
    private final byte[] token;
    private final int mostFloats;
    private final Map<Channel, Peer> peers = new ConcurrentHashMap<>();
    private final Door.Strangers strangers;
    private final Refusals refusals = new Refusals(System::nanoTime);
    private final TransportContext context;
    private final TransportServer server;

    /** A worker that has shown the token, and the node that it is delivering. One connection has one thread. */
    private static final class Peer {
        final String name;
        float @Nullable [] vector;

        Peer(String name) {
            this.name = name;
        }
    }

    /**
     * Listens from now on.
     *
     * @param host to bind to
     * @param port to bind to; 0 for any that is free. If it is taken, the next ones are tried, {@code spark.port.maxRetries} of them, as Spark does
     * @param token that workers show
     * @param mostFloats of the longest vector that a worker delivers
     */
    public Server(
            SparkConf conf,
            SecurityManager security,
            String host,
            int port,
            byte[] token,
            int mostFloats,
            Coordinator<Packet, Packet> driver) {
        this(conf, security, host, port, token, mostFloats, driver, MOST_STRANGERS, STRANGER_MILLIS);
    }

    Server(
            SparkConf conf,
            SecurityManager security,
            String host,
            int port,
            byte[] token,
            int mostFloats,
            Coordinator<Packet, Packet> driver,
            int mostStrangers,
            long strangerMillis) {
        this.driver = driver;
        this.token = token.clone();
        this.mostFloats = mostFloats;
        this.strangers = new Door.Strangers(mostStrangers);
        Transport transport = new Transport(conf, security);
        this.context = transport.context(new Handler());
        this.server = bound(
                host,
                port,
                port == 0 ? 0 : conf.getInt("spark.port.maxRetries", MOST_RETRIES),
                transport.server((channel, handler) -> {
                    channel.pipeline().addLast("door", new Door(strangers, refusals, strangerMillis));
                    return handler;
                }));
    }

    private TransportServer bound(String host, int port, int retries, List<TransportServerBootstrap> first) {
        for (int more = 0; ; more++) {
            try {
                return context.createServer(host, port + more, first);
            } catch (Exception e) { // a BindException, undeclared
                if (more < retries && port + more < MOST_PORT && isTaken(e)) {
                    continue;
                }
                context.close();
                throw new UserError(
                        String.format(
                                Locale.ROOT,
                                "the driver cannot listen at %s, %s, for standing tasks: %s; set spark.grft.port to a free"
                                        + " port or to 0 (any), or engine.rounds to jobs",
                                host,
                                port == 0
                                        ? "any port"
                                        : more == 0 ? "port " + port : "ports " + port + " to " + (port + more),
                                e.getMessage()),
                        e);
            }
        }
    }

    /** Returns whether an address is taken. Netty's native transports, which are the default of Spark 4.1, have an exception of their own. */
    private static boolean isTaken(Throwable failure) {
        return Stream.iterate(failure, Objects::nonNull, Throwable::getCause)
                .anyMatch(cause -> cause instanceof BindException
                        || (cause instanceof Errors.NativeIoException
                                && String.valueOf(cause.getMessage()).contains("Address already in use")));
    }

    /** Returns the port. */
    public int port() {
        return server.getPort();
    }

    /** Returns how many connections have not shown the token. */
    int strangers() {
        return strangers.count();
    }

    private final class Handler extends RpcHandler {
        @Override
        @SuppressWarnings("FutureReturnValueIgnored") // of the closing, for which nothing waits
        public void receive(TransportClient client, ByteBuffer bytes, RpcResponseCallback callback) {
            Channel channel = client.getChannel();
            try {
                if (bytes.remaining() > Wire.MOST_BYTES) {
                    throw new IllegalArgumentException("a message of " + bytes.remaining() + " bytes");
                }
                ByteBuffer message = Wire.read(bytes);
                byte kind = message.get();
                Peer peer = peers.get(channel);
                if (peer == null) {
                    welcome(channel, kind, message);
                    callback.onSuccess(NOTHING.duplicate());
                } else {
                    answer(peer, kind, message, callback);
                }
            } catch (RuntimeException e) {
                refusals.add(channel.remoteAddress(), e.toString());
                channel.close();
            } catch (OutOfMemoryError e) { // netty would close the connection, as if the network were at fault
                driver.fail(e);
                channel.close();
            }
        }

        @Override
        public void channelInactive(TransportClient client) {
            Peer peer = peers.remove(client.getChannel());
            if (peer != null) {
                driver.gone(peer.name);
            }
        }

        @Override
        public StreamManager getStreamManager() {
            return new StreamManager() {
                @Override
                public ManagedBuffer getChunk(long stream, int chunk) {
                    throw new UnsupportedOperationException("there are no streams");
                }
            };
        }
    }

    private void welcome(Channel channel, byte kind, ByteBuffer message) {
        if (kind != Wire.HELLO || !MessageDigest.isEqual(token, Wire.bytes(message, MOST_TOKEN))) {
            throw new IllegalArgumentException("it has not shown the token of this training");
        }
        peers.put(channel, new Peer(Wire.text(message)));
        channel.pipeline().remove("door");
    }

    private void answer(Peer peer, byte kind, ByteBuffer message, RpcResponseCallback callback) {
        switch (kind) {
            case Wire.ASK ->
                driver.ask(peer.name, message.getInt(), new Coordinator.Asker<>() {
                    @Override
                    public void work(Round<Packet> round, List<Integer> shards) {
                        callback.onSuccess(Wire.work(round.number(), shards));
                    }

                    @Override
                    public void over() {
                        callback.onSuccess(NOTHING.duplicate());
                    }
                });
            case Wire.VECTOR -> {
                driver.heard(peer.name);
                Round<Packet> round = driver.round();
                callback.onSuccess(
                        message.getLong() != round.number()
                                ? NOTHING.duplicate()
                                : Wire.sent(Objects.requireNonNull(round.sent()), message.getInt()));
            }
            case Wire.NODE -> {
                deliver(peer, Wire.piece(message));
                callback.onSuccess(NOTHING.duplicate());
            }
            case Wire.BEAT -> callback.onSuccess(Wire.number(driver.heard(peer.name, message.getInt())));
            default -> throw new IllegalArgumentException("a message of kind " + kind);
        }
    }

    /** Takes a piece of a node's value; the last one delivers it. */
    private void deliver(Peer peer, Wire.Piece piece) {
        if (piece.length < -1
                || piece.length > mostFloats
                || piece.from < 0
                || piece.from > Math.max(0, piece.length)) {
            throw new IllegalArgumentException("a piece of a vector of " + piece.length + " floats from " + piece.from
                    + " on, at most " + mostFloats);
        }
        driver.heard(peer.name);
        if (piece.length < 0) {
            driver.deliver(peer.name, piece.round, piece.node, null);
            return;
        }
        if (piece.from == 0) {
            peer.vector = new float[piece.length];
        }
        float[] vector = peer.vector;
        if (vector == null || vector.length != piece.length) {
            throw new IllegalArgumentException("a piece of a vector that has not begun");
        }
        Wire.floats(piece.floats, vector, piece.from);
        if (piece.from + Wire.PIECE >= vector.length) {
            peer.vector = null;
            driver.deliver(peer.name, piece.round, piece.node, new Packet(piece.numbers, vector));
        }
    }

    @Override
    public void close() {
        server.close();
        context.close();
    }
}
