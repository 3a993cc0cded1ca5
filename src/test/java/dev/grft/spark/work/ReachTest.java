package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.FreePorts;
import dev.grft.rounds.Coordinator;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Server;
import dev.grft.spark.verbs.Tiny;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class ReachTest {
    private static JavaSparkContext context;

    @BeforeAll
    static void start() {
        context = JavaSparkContext.fromSparkContext(Tiny.spark("local[2]").sparkContext());
    }

    private static Server server(byte[] token) {
        Coordinator<Packet, Packet> driver = new Coordinator<>(
                1, (one, other) -> one, new Coordinator.Patience(1000, 1000, 1000, 2, 1000), System::nanoTime);
        return Reach.open(context.getConf(), token, 1, driver);
    }

    @Test
    void tasksTryThePortOfTheDriver() {
        byte[] token = Reach.token();
        try (Server server = server(token)) {
            assertThat(Reach.obstacle(context, "127.0.0.1", server.port(), token))
                    .isNull();
            assertThat(Reach.obstacle(context, "127.0.0.1", server.port(), Reach.token()))
                    .contains(
                            "executor driver on 127.0.0.1: the driver cannot be reached at 127.0.0.1:" + server.port());
        }
    }

    @Test
    void whereNothingListensTheObstacleNamesTheExecutorAndThePort() throws Exception {
        try (Socket nobody = FreePorts.refusing()) {
            int closed = nobody.getLocalPort();
            assertThat(Reach.obstacle(context, "127.0.0.1", closed, Reach.token()))
                    .isEqualTo("executor driver on 127.0.0.1: the driver cannot be reached at 127.0.0.1:" + closed
                            + " (Connection refused)");
        }
    }

    @Test
    void underTlsThereAreNoStandingTasks() {
        SparkConf conf = new SparkConf(false);
        assertThat(Reach.tls(conf)).isNull();
        assertThat(Reach.tls(conf.set("spark.ssl.rpc.enabled", "true")))
                .hasToString(
                        "Obstacle[what=spark.ssl.rpc.enabled is true, and the connections of standing tasks have no TLS,"
                                + " remedy=encrypt by spark.network.crypto.enabled, or set engine.rounds to jobs]");
    }

    @Test
    void aRunSaysWhichWayItTakes() {
        List<String> said = new ArrayList<>();
        Reach reach = new Reach(said::add);
        assertThat(reach.standing(context, "jobs")).isFalse();
        assertThat(reach.standing(context, "standing")).isTrue();
        assertThat(reach.standing(context, "auto"))
                .as("in local mode there is no port")
                .isTrue();
        assertThat(said)
                .containsExactly(
                        "train: a job of Spark for each step (engine.rounds)",
                        "train: standing tasks (engine.rounds)",
                        "train: standing tasks (engine.rounds)");
    }
}
