package dev.grft.spark.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.spark.SparkConf;
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
}
