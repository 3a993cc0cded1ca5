package dev.grft.spark.rounds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.FreePorts;
import dev.grft.UserError;
import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Round;
import dev.grft.rounds.Worker;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.internal.config.package$;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import scala.Option;

@SuppressWarnings("FutureReturnValueIgnored") // of rounds whose sum does not matter
class ServerTest {
    private static final String HOST = "127.0.0.1";
    private static final byte[] TOKEN = "the token of this training".getBytes(StandardCharsets.UTF_8);
    private static final int SHARDS = 5;
    private static final int LENGTH = Wire.PIECE + 3; // of the vector: two pieces

    /** A worker is a stranger until it has shown the token, which takes its time on a loaded machine. */
    private static final long STRANGER_MILLIS = 60_000;

    private final Coordinator<Packet, Packet> driver = new Coordinator<>(
            SHARDS,
            ServerTest::plus,
            new Coordinator.Patience(
                    TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(20), TimeUnit.SECONDS.toNanos(20), 10, 0),
            System::nanoTime);
    private final ExecutorService tasks = Executors.newCachedThreadPool();

    @AfterEach
    void end() {
        tasks.shutdownNow();
    }

    private static Packet plus(Packet x, Packet y) {
        for (int i = 0; i < x.vector().length; i++) {
            x.vector()[i] += y.vector()[i];
        }
        return new Packet(new double[] {x.numbers()[0] + y.numbers()[0]}, x.vector());
    }

    /** Returns what a shard makes of a vector: all of it, times the number of the shard and of the round. */
    private static Packet part(Packet sent, int shard, Supplier<Worker.Coming<Packet>> coming) {
        float[] vector = new float[sent.vector().length];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) (sent.numbers()[0] * shard * sent.vector()[i]);
        }
        return new Packet(new double[] {shard}, vector);
    }

    private static SecurityManager security(SparkConf conf) {
        return new SecurityManager(conf, Option.empty(), package$.MODULE$.AUTH_SECRET_FILE());
    }

    private Server server(SparkConf conf) {
        return server(conf, STRANGER_MILLIS);
    }

    private Server server(SparkConf conf, long strangerMillis) {
        return server(conf, 0, 1024, strangerMillis);
    }

    private Server server(SparkConf conf, int port, int mostStrangers, long strangerMillis) {
        return new Server(conf, security(conf), HOST, port, TOKEN, LENGTH, driver, mostStrangers, strangerMillis);
    }

    private static SparkConf conf(String... pairs) {
        SparkConf conf = new SparkConf(false);
        for (int i = 0; i < pairs.length; i += 2) {
            conf.set(pairs[i], pairs[i + 1]);
        }
        return conf;
    }

    private static SparkConf authenticated(String secret) {
        return conf("spark.authenticate", "true", "spark.authenticate.secret", secret);
    }

    private Client client(SparkConf conf, int port, byte[] token, String name) throws Link.Broken {
        return new Client(conf, security(conf), HOST, port, token, name);
    }

    /** Two stations of two threads each make two rounds over these connections. */
    private void train(SparkConf conf, int port) throws Exception {
        driver.expect(4);
        float[] vector = new float[LENGTH];
        for (int i = 0; i < LENGTH; i++) {
            vector[i] = i % 1000;
        }
        CompletableFuture<Packet> sum = driver.begin(new Packet(new double[] {1}, vector));
        List<Future<Integer>> computed = Stream.of("a", "a", "b", "b")
                .map(name -> tasks.submit(() -> Station.work(
                        name + port,
                        () -> client(conf, port, TOKEN, name),
                        SHARDS,
                        ServerTest::plus,
                        ServerTest::part,
                        () -> false)))
                .toList();
        for (int round = 1; round <= 2; round++) {
            Packet all = sum.get(60, TimeUnit.SECONDS);
            assertThat(all.numbers()).containsExactly(10);
            for (int i = 0; i < LENGTH; i++) {
                assertThat(all.vector()[i]).isEqualTo(10f * round * (i % 1000));
            }
            sum = round == 1 ? driver.begin(new Packet(new double[] {2}, vector)) : sum;
        }
        driver.rest();
        int parts = 0;
        for (Future<Integer> task : computed) {
            parts += task.get(30, TimeUnit.SECONDS);
        }
        assertThat(parts).isGreaterThanOrEqualTo(2 * SHARDS);
        until(() -> driver.workers().isEmpty());
    }

    private static void until(BooleanSupplier condition) throws InterruptedException {
        for (int i = 0; i < 1200 && !condition.getAsBoolean(); i++) {
            Thread.sleep(50);
        }
        assertThat(condition.getAsBoolean()).isTrue();
    }

    static Stream<SparkConf> connections() {
        return Stream.of(
                conf(),
                authenticated("secret"),
                authenticated("secret").set("spark.network.crypto.enabled", "true"),
                authenticated("secret").set("spark.authenticate.enableSaslEncryption", "true"));
    }

    @ParameterizedTest
    @MethodSource("connections")
    void workersComputeOverSparksConnections(SparkConf conf) throws Exception {
        try (Server server = server(conf)) {
            train(conf, server.port());
            assertThat(server.strangers()).isZero();
        }
    }

    @Test
    void whoeverHasAnotherTokenOrSecretIsRefused() {
        try (Server server = server(conf())) {
            byte[] other = TOKEN.clone();
            other[3]++;
            assertThatThrownBy(() -> client(conf(), server.port(), other, "stranger"))
                    .isInstanceOf(IOException.class)
                    .hasMessage("the driver cannot be reached at 127.0.0.1:" + server.port());
            assertThatThrownBy(() -> client(conf(), server.port(), new byte[0], "stranger"))
                    .isInstanceOf(IOException.class);
        }
        try (Server server = server(authenticated("secret"))) {
            assertThatThrownBy(() -> client(authenticated("another"), server.port(), TOKEN, "stranger"))
                    .isInstanceOf(IOException.class);
            assertThatThrownBy(() -> client(conf(), server.port(), TOKEN, "stranger"))
                    .isInstanceOf(IOException.class);
        }
        assertThat(driver.workers()).isEmpty();
    }

    /** Returns what a stranger may send: a frame of Spark's is its length, a kind, and the rest. */
    static Stream<byte[]> noises() {
        byte[] noise = new byte[200_000];
        new SplittableRandom(7).nextBytes(noise);
        byte[] web = "GET / HTTP/1.1\r\nHost: driver\r\n\r\n".getBytes(StandardCharsets.UTF_8);
        byte[] huge = new byte[100_000];
        ByteBuffer.wrap(huge).putLong(Integer.MAX_VALUE - 8L);
        byte[] negative = ByteBuffer.allocate(64).putLong(-5).array();
        byte[] question = ByteBuffer.allocate(64)
                .putLong(8 + 1 + 8 + 4 + 5) // frame
                .put((byte) 3) // a question
                .putLong(1)
                .putInt(5)
                .put(Wire.ask(1))
                .array();
        return Stream.of(noise, web, huge, negative, question, new byte[0]);
    }

    @ParameterizedTest
    @MethodSource("noises")
    void aStrangerWhoSendsNoiseIsDisconnectedAndDoesNoHarm(byte[] noise) throws Exception {
        try (Server server = server(conf(), 3000);
                Socket stranger = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            stranger.setSoTimeout(60_000);
            OutputStream out = stranger.getOutputStream();
            try {
                out.write(noise);
                out.flush();
                InputStream in = stranger.getInputStream();
                assertThat(in.readNBytes(1000)).hasSizeLessThan(1000); // to the end of the connection
            } catch (SocketException reset) {
                assertThat(reset).isNotNull();
            }
            until(() -> server.strangers() == 0);
            train(conf(), server.port());
        }
    }

    @Test
    void strangersWhoWaitAreLimitedAndGetNowhere() throws Exception {
        try (Server server = server(conf(), 500)) {
            Socket[] many = new Socket[50];
            for (int i = 0; i < many.length; i++) {
                many[i] = new Socket(InetAddress.getLoopbackAddress(), server.port());
            }
            for (Socket one : many) {
                one.setSoTimeout(60_000);
                assertThat(one.getInputStream().read()).isEqualTo(-1);
                one.close();
            }
            until(() -> server.strangers() == 0);
            assertThat(driver.workers()).isEmpty();
        }
    }

    @Test
    void strangersWhoWaitKeepNoWorkerOut() throws Exception {
        int most = 20;
        try (Server server = server(conf(), 0, most, 60_000)) {
            Socket[] many = new Socket[most];
            for (int i = 0; i < many.length; i++) {
                many[i] = new Socket(InetAddress.getLoopbackAddress(), server.port());
            }
            until(() -> server.strangers() == most);
            train(conf(), server.port());
            assertThat(server.strangers()).as("some made room for the workers").isBetween(most - 2, most - 1);
            for (Socket one : many) {
                one.close();
            }
        }
    }

    /** The native transport says in an exception of its own that a port is taken. */
    @ParameterizedTest
    @ValueSource(strings = {"NIO", "EPOLL"})
    void thePortMayBeFixedAndIfItIsTakenTheNextOneCounts(String mode) throws Exception {
        String[] io = {"spark.grft.io.mode", mode};
        int port = FreePorts.inARow(2);
        try (Server first = server(conf(io), port, 10, STRANGER_MILLIS);
                Server second = server(conf(io), port, 10, STRANGER_MILLIS)) {
            assertThat(first.port()).isEqualTo(port);
            assertThat(second.port()).isEqualTo(port + 1);
            assertThatThrownBy(() -> server(conf(io).set("spark.port.maxRetries", "1"), port, 10, STRANGER_MILLIS))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("the driver cannot listen at 127.0.0.1, ports " + port + " to " + (port + 1)
                            + ", for standing tasks: ")
                    .hasMessageContaining("Address already in use")
                    .hasMessageEndingWith(
                            "; set spark.grft.port to a free port or to 0 (any), or engine.rounds to jobs");
            assertThatThrownBy(() -> server(conf(io).set("spark.port.maxRetries", "0"), port, 10, STRANGER_MILLIS))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("the driver cannot listen at 127.0.0.1, port " + port + ", for standing");
        }
    }

    /** A firewall that drops packets is like a queue that is full: nothing answers. Another attempt would take as long. */
    @Test
    void aPortThatDoesNotAnswerIsToldFromOneThatRefuses() throws Exception {
        SparkConf conf = conf("spark.grft.io.connectionCreationTimeout", "1s");
        List<Socket> queue = new ArrayList<>();
        try (ServerSocket full = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int port = full.getLocalPort();
            for (int i = 0; i < 4; i++) {
                Socket waiting = new Socket();
                queue.add(waiting);
                try {
                    waiting.connect(full.getLocalSocketAddress(), 200);
                } catch (SocketTimeoutException dropped) {
                    assertThat(i).isGreaterThan(0);
                }
            }
            assertThatThrownBy(() -> client(conf, port, TOKEN, "a"))
                    .isInstanceOfSatisfying(
                            Link.Broken.class, why -> assertThat(why.isSilent()).isTrue());
        } finally {
            for (Socket one : queue) {
                one.close();
            }
        }
        try (Socket nobody = FreePorts.refusing()) {
            assertThatThrownBy(() -> client(conf(), nobody.getLocalPort(), TOKEN, "a"))
                    .isInstanceOfSatisfying(
                            Link.Broken.class, why -> assertThat(why.isSilent()).isFalse());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-2, LENGTH + 1, Integer.MAX_VALUE})
    void aWorkerThatDeliversMoreThanAVectorIsDisconnected(int length) throws Exception {
        try (Server server = server(conf())) {
            driver.begin(new Packet(new double[] {1}, new float[1]));
            try (Client client = client(conf(), server.port(), TOKEN, "a")) {
                client.deliver(1, Node.of(0), null);
                assertThatThrownBy(() -> client.call(Wire.node(1, Node.of(1), new double[0], new float[1], 0, length)))
                        .isInstanceOf(IOException.class);
                assertThatThrownBy(() -> client.beat(1)).isInstanceOf(IOException.class);
            }
        }
    }

    /** No JVM has an array of this length. */
    @Test
    void aDriverWithoutMemoryForAVectorEndsTheRoundWithThatAsTheReason() throws Exception {
        try (Server server = new Server(
                conf(), security(conf()), HOST, 0, TOKEN, Integer.MAX_VALUE, driver, 1024, STRANGER_MILLIS)) {
            CompletableFuture<Packet> sum = driver.begin(new Packet(new double[] {1}, new float[1]));
            try (Client client = client(conf(), server.port(), TOKEN, "a")) {
                assertThatThrownBy(() -> client.call(
                                Wire.node(1, Node.of(1), new double[0], new float[1], 0, Integer.MAX_VALUE)))
                        .isInstanceOf(IOException.class);
                assertThatThrownBy(() -> sum.get(60, TimeUnit.SECONDS)).hasCauseInstanceOf(OutOfMemoryError.class);
                driver.fail(new IllegalStateException("too late"));
                assertThat(driver.begin(new Packet(new double[] {2}, new float[1])))
                        .isNotDone();
            }
        }
    }

    @Test
    void aWorkerWhoseConnectionIsLostHasGone() throws Exception {
        try (Server server = server(conf())) {
            driver.begin(new Packet(new double[] {1}, new float[1]));
            Client client = client(conf(), server.port(), TOKEN, "a");
            client.ask(1, new Coordinator.Asker<>() {
                @Override
                public void work(Round<Packet> round, List<Integer> shards) {}

                @Override
                public void over() {}
            });
            until(() -> driver.workers().equals(List.of("a")));
            assertThat(client.beat(1)).isEqualTo(1);
            client.close();
            until(() -> driver.workers().isEmpty());
        }
    }
}
