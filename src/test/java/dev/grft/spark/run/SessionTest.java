package dev.grft.spark.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.UserError;
import java.net.BindException;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.Test;

class SessionTest {
    @Test
    void theApplicationHasTheNameThatTheUserGave() {
        SparkConf conf = new SparkConf(false);
        assertThat(Session.name(conf, "grft train runs/demo")).isEqualTo("grft train runs/demo");
        conf.set("spark.app.name", "dev.grft.cli.Main"); // as spark-submit without --name
        assertThat(Session.name(conf, "grft train runs/demo")).isEqualTo("grft train runs/demo");
        conf.set("spark.app.name", "nightly");
        assertThat(Session.name(conf, "grft train runs/demo")).isEqualTo("nightly");
    }

    @Test
    void settingsWithWhichSparkDoesNotStartAreForTheUserToMend() {
        for (Exception of : List.of(
                new IllegalArgumentException(
                        "[INVALID_DRIVER_MEMORY] System memory 314572800 must be at least 471859200."),
                new SparkException("Could not parse Master URL: 'local[x]'"),
                new BindException(
                        "Cannot assign requested address: Service 'sparkDriver' failed after 16 retries\nmore"))) {
            assertThat(Session.refused(of))
                    .isInstanceOf(UserError.class)
                    .hasMessage("Spark does not start with these settings: "
                            + of.getMessage().replace("\nmore", "")
                            + "; change --master, --conf or the file of --spark-conf");
        }
        IllegalStateException bug = new IllegalStateException("no master in sight");
        assertThat(Session.refused(bug)).isSameAs(bug);
    }
}
