package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Places;
import dev.grft.spark.rounds.Client;
import dev.grft.spark.rounds.Link;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Server;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;
import scala.collection.JavaConverters;
import scala.reflect.ClassTag$;

/**
 * Whether tasks can stay for many steps: executors have to reach a port of the driver. The answer holds for all trainings of a session: executors try the port
 * once, and after an executor could not connect, all of them take a job for each step. Thread-safe.
 */
public final class Reach {
    private static final String TLS = "spark.ssl.rpc.enabled"; // of Spark 4

    static final String PORT = "spark.grft.port";

    private static final int TOKEN_BYTES = 32;
    private static final Coordinator.Patience NONE = new Coordinator.Patience(1, 1, 1, 2, 1);

    private final Consumer<String> say;
    private final AtomicBoolean givenUp = new AtomicBoolean();
    private volatile boolean tried; // and all executors could connect

    /** Why tasks cannot stay, and what can be done. */
    record Obstacle(String what, String remedy) {
        static Obstacle ofConnection(String what) {
            return new Obstacle(
                    what,
                    "let executors connect to that port (spark.grft.port fixes it), or set engine.rounds to jobs");
        }
    }

    /**
     * Returns the answer of a session, which is not known yet.
     *
     * @param say receives a line for each training, and one message if an executor cannot connect
     */
    public Reach(Consumer<String> say) {
        this.say = say;
    }

    /**
     * Returns whether tasks are to stay, and says how a training reaches them. Returns false without a word after {@link #giveUp}.
     *
     * @param how {@code engine.rounds}: jobs; standing; or auto: standing if all executors that are there can connect, else jobs
     * @throws UserError if they are to stay, by standing, and cannot
     */
    public boolean standing(JavaSparkContext spark, String how) {
        boolean standing = !how.equals("jobs");
        if (standing && givenUp.get()) {
            return false;
        }
        if (standing && !tried) {
            Obstacle obstacle = obstacle(spark);
            if (obstacle != null && how.equals("standing")) {
                throw UserError.of("engine.rounds is standing, but %s; %s", obstacle.what, obstacle.remedy);
            }
            if (obstacle != null) {
                giveUp(obstacle);
                return false;
            }
            tried = true;
        }
        say.accept(
                standing
                        ? "train: standing tasks (engine.rounds)"
                        : "train: a job of Spark for each step (engine.rounds)");
        return standing;
    }

    /** Has all trainings of the session take a job for each step from now on, and says so the first time. */
    void giveUp(String unreached) {
        giveUp(Obstacle.ofConnection(unreached));
    }

    private void giveUp(Obstacle obstacle) {
        if (!givenUp.getAndSet(true)) {
            say.accept("train: " + obstacle.what + ", so a job of Spark for each step from now on; " + obstacle.remedy);
        }
    }

    boolean isGivenUp() {
        return givenUp.get();
    }

    /** Returns why tasks cannot stay, null if they can. On a cluster, each executor connects to the driver. */
    private static @Nullable Obstacle obstacle(JavaSparkContext spark) {
        SparkConf conf = spark.getConf();
        if (spark.isLocal()) {
            return null;
        }
        Obstacle tls = tls(conf);
        if (tls != null) {
            return tls;
        }
        byte[] token = token();
        try (Server server = open(conf, token, 0, new Coordinator<>(1, (one, other) -> one, NONE, System::nanoTime))) {
            String unreached = obstacle(spark, host(conf), server.port(), token);
            return unreached == null ? null : Obstacle.ofConnection(unreached);
        }
    }

    /** Returns why there can be no standing tasks if Spark's connections are encrypted in a way that those of standing tasks are not, else null. */
    static @Nullable Obstacle tls(SparkConf conf) {
        return conf.getBoolean(TLS, false)
                ? new Obstacle(
                        TLS + " is true, and the connections of standing tasks have no TLS",
                        "encrypt by spark.network.crypto.enabled, or set engine.rounds to jobs")
                : null;
    }

    /** Returns why an executor cannot connect, null if all can that are there. */
    static @Nullable String obstacle(JavaSparkContext spark, String host, int port, byte[] token) {
        List<String> places = List.copyOf(Places.of(spark.sc()).values());
        JavaRDD<Integer> each = places.isEmpty()
                ? spark.parallelize(List.of(0), 1)
                : oneAt(spark, places).toJavaRDD();
        spark.setJobDescription("whether executors reach the driver");
        try {
            return first(Causes.unwrapped(each.map(one -> tried(host, port, token))::collect));
        } finally {
            spark.setJobDescription(null);
        }
    }

    /** Returns a task for each place. Raw, because Scala's {@code Seq} is another class in 2.13 than in 2.12. */
    @SuppressWarnings({"deprecation", "rawtypes", "unchecked"
    }) // JavaConverters: of those for Scala 2.13, none is in 2.12
    private static RDD<Integer> oneAt(JavaSparkContext spark, List<String> places) {
        List<Tuple2<Integer, Object>> tasks = new ArrayList<>();
        places.forEach(place -> tasks.add(new Tuple2<>(
                tasks.size(), JavaConverters.asScalaBuffer(List.of(place)).toList())));
        scala.collection.immutable.List all =
                JavaConverters.asScalaBuffer(tasks).toList();
        return spark.sc().makeRDD(all, ClassTag$.MODULE$.apply(Integer.class));
    }

    /** Returns one sentence for several, null if all are empty. */
    static @Nullable String first(List<String> all) {
        List<String> found =
                all.stream().filter(why -> !why.isEmpty()).distinct().sorted().toList();
        return found.isEmpty()
                ? null
                : found.get(0) + (found.size() == 1 ? "" : " and " + (found.size() - 1) + " more such");
    }

    private static String tried(String host, int port, byte[] token) {
        SparkEnv env = SparkEnv.get();
        try (Client client =
                new Client(env.conf(), env.securityManager(), host, port, token, "reach/" + UUID.randomUUID())) {
            client.beat(1);
            return "";
        } catch (Link.Broken e) {
            return unreached(e);
        }
    }

    /** Returns in a task what is to be said of an executor that does not reach the driver. */
    static String unreached(Link.Broken why) {
        SparkEnv env = SparkEnv.get();
        String reason = Causes.first(why);
        return "executor " + env.executorId() + " on "
                + env.blockManager().blockManagerId().host() + ": " + why.getMessage()
                + (reason.equals(why.getMessage()) ? "" : " (" + reason + ")");
    }

    /** Returns a token that no stranger can guess. */
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
