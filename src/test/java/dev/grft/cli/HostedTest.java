package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.spark.cluster.Exit;
import dev.grft.spark.verbs.Tiny;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkUserAppException;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main class in an application that another program has started, as a JAR task of Databricks runs it. */
class HostedTest {
    @TempDir
    Path folder;

    @Test
    void theHostsApplicationAndProcessGoOn() throws Exception {
        Tiny.Shared tiny = Tiny.Shared.in(folder);
        SparkSession host = Tiny.spark("local[2]");

        Main.main(arguments(tiny, "training.epochs=1"));
        assertThat(folder.resolve("run/merged.safetensors")).exists();
        assertThat(host.sparkContext().isStopped()).isFalse();

        SparkSession.clearDefaultSession();
        SparkSession.setActiveSession(host);
        try {
            assertThat(Exit.host()).as("a session of this thread alone").isSameAs(host);
        } finally {
            SparkSession.setDefaultSession(host);
        }

        assertThatThrownBy(() -> Main.main(arguments(tiny, "data.train=" + folder.resolve("none"))))
                .isInstanceOf(SparkUserAppException.class)
                .hasMessageEndingWith("exited with 2");
        assertThat(host.range(3).count()).isEqualTo(3);
    }

    private String[] arguments(Tiny.Shared tiny, String set) {
        List<String> arguments = new ArrayList<>(List.of("run"));
        tiny.sets(folder.resolve("run"), set, "compare.methods=[]")
                .forEach(one -> arguments.addAll(List.of("--set", one)));
        return arguments.toArray(String[]::new);
    }
}
