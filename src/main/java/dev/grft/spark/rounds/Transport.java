package dev.grft.spark.rounds;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.TransportClientBootstrap;
import org.apache.spark.network.crypto.AuthClientBootstrap;
import org.apache.spark.network.crypto.AuthServerBootstrap;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.TransportServerBootstrap;
import org.apache.spark.network.util.MapConfigProvider;
import org.apache.spark.network.util.TransportConf;
import scala.Tuple2;

/** Spark's transport as Spark's own connections have it: the same authentication and encryption, by the same settings. */
final class Transport {
    private static final String THREADS = "4"; // of a side: they copy bytes, and do not compute

    private final TransportConf conf;
    private final SecurityManager security;

    Transport(SparkConf spark, SecurityManager security) {
        Map<String, String> all = new HashMap<>();
        for (Tuple2<String, String> entry : spark.getAll()) {
            all.put(entry._1(), entry._2());
        }
        all.putIfAbsent("spark.grft.io.serverThreads", THREADS);
        all.putIfAbsent("spark.grft.io.clientThreads", THREADS);
        all.putIfAbsent("spark.grft.io.connectionCreationTimeout", "5s"); // a firewall may drop what it gets
        this.conf = new TransportConf("grft", new MapConfigProvider(all));
        this.security = security;
    }

    TransportContext context(RpcHandler handler) {
        return new TransportContext(conf, handler);
    }

    /** Returns what a connection has to pass on the driver's side. */
    List<TransportServerBootstrap> server(TransportServerBootstrap first) {
        return security.isAuthenticationEnabled()
                ? List.of(first, new AuthServerBootstrap(conf, security))
                : List.of(first);
    }

    /** Returns what a worker does first. */
    List<TransportClientBootstrap> client() {
        return security.isAuthenticationEnabled()
                ? List.of(new AuthClientBootstrap(conf, security.getSaslUser(), security))
                : List.of();
    }
}
