package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.rounds.Client;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Server;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Consumer;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/** Whether tasks can stay for many steps: executors have to reach a port of the driver. */
public final class Reach {
    static final String TLS = "spark.ssl.rpc.enabled"; // of Spark 4

    static final String PORT = "spark.grft.port";

    private static final int TOKEN_BYTES = 32;
    private static final int MOST_TASKS = 64;
    private static final Coordinator.Patience NONE = new Coordinator.Patience(1, 1, 2, 1);

    private Reach() {}

    /**
     * Returns whether tasks are to stay, and says how a training reaches them.
     *
     * @param how {@code engine.rounds}: jobs, standing, or auto: standing in local mode
     * @throws UserError if they are to stay and cannot
     */
    public static boolean standing(JavaSparkContext spark, String how, Consumer<String> say) {
        boolean standing = how.equals("standing") || (how.equals("auto") && spark.isLocal());
        String obstacle = standing ? obstacle(spark) : null;
        if (obstacle != null) {
            throw UserError.of(
                    "engine.rounds is standing, but tasks cannot stay: %s; set engine.rounds to jobs", obstacle);
        }
        say.accept(
                standing
                        ? "train: tasks stay for many steps (engine.rounds)"
                        : "train: a job of Spark for each step (engine.rounds)");
        return standing;
    }

    /** Returns why tasks cannot stay, null if they can. On a cluster, it has tasks connect to the driver. */
    public static @Nullable String obstacle(JavaSparkContext spark) {
        SparkConf conf = spark.getConf();
        if (spark.isLocal()) {
            return null;
        }
        if (conf.getBoolean(TLS, false)) {
            return TLS + " is true";
        }
        byte[] token = token();
        try (Server server = open(conf, token, 0, new Coordinator<>(1, (one, other) -> one, NONE, System::nanoTime))) {
            return obstacle(spark, host(conf), server.port(), token);
        }
    }

    /** Returns why a task cannot connect, null if all can. */
    static @Nullable String obstacle(JavaSparkContext spark, String host, int port, byte[] token) {
        int tasks = Math.min(MOST_TASKS, spark.defaultParallelism());
        spark.setJobDescription("whether executors reach the driver");
        try {
            List<String> found = Causes.unwrapped(spark.parallelize(Collections.nCopies(tasks, 0), tasks)
                    .map(one -> tried(host, port, token))::collect);
            return found.stream().filter(why -> !why.isEmpty()).findFirst().orElse(null);
        } finally {
            spark.setJobDescription(null);
        }
    }

    private static String tried(String host, int port, byte[] token) {
        SparkEnv env = SparkEnv.get();
        try (Client client =
                new Client(env.conf(), env.securityManager(), host, port, token, "reach/" + UUID.randomUUID())) {
            client.beat(1);
            return "";
        } catch (IOException e) {
            return "executor " + env.executorId() + ": " + Objects.requireNonNull(e.getMessage());
        }
    }

    /** Returns a token that no stranger knows. */
    static byte[] token() {
        byte[] token = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(token);
        return token;
    }

    /** Returns the name by which executors find the driver. */
    static String host(SparkConf conf) {
        return conf.get("spark.driver.host", "localhost");
    }

    /**
     * Returns the port that the driver is to have for standing tasks, 0 for any.
     *
     * @throws UserError if it is no port
     */
    static int port(SparkConf conf) {
        String text = conf.get(PORT, "0");
        try {
            int port = Integer.parseInt(text);
            if (port == 0 || (port >= 1024 && port <= 65_535)) {
                return port;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw UserError.of("%s must be 0 (any port) or 1024 to 65535, got %s", PORT, text);
    }

    /** Opens the driver's port, where Spark's own ports are. */
    static Server open(SparkConf conf, byte[] token, int mostFloats, Coordinator<Packet, Packet> driver) {
        return new Server(
                conf,
                SparkEnv.get().securityManager(),
                conf.get("spark.driver.bindAddress", host(conf)),
                port(conf),
                token,
                mostFloats,
                driver);
    }
}
