package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

class PlacesTest {
    @Test
    void tasksAreSpreadOverAllExecutorsBeforeOneGetsASecondAndNoneGetsMoreThanItsSlots() {
        TreeMap<String, Integer> slots = new TreeMap<>(Map.of("1", 4, "2", 1, "3", 2));
        assertThat(Places.spread(slots, Set.of(), 100)).containsExactly("1", "1", "1", "1", "2", "3", "3");
        assertThat(Places.spread(slots, Set.of(), 5)).containsExactly("1", "1", "2", "3", "3");
        assertThat(Places.spread(slots, Set.of("3"), 2)).containsExactly("3", "1");
        assertThat(Places.spread(slots, Set.of(), 1)).containsExactly("1");
        assertThat(Places.spread(new TreeMap<>(), Set.of("gone"), 3)).isEmpty();
    }

    @Test
    void slotsOfLocalModeAreItsCoresByTheCpusOfATask() {
        SparkSession spark = Tiny.spark("local[3]");
        spark.sparkContext().conf().set("spark.default.parallelism", "9");
        try {
            assertThat(Places.slots(spark.sparkContext())).isEqualTo(Map.of("driver", 3));
            spark.sparkContext().conf().set("spark.task.cpus", "2");
            assertThat(Places.slots(spark.sparkContext())).isEqualTo(Map.of("driver", 1));
        } finally {
            spark.sparkContext().conf().remove("spark.default.parallelism");
            spark.sparkContext().conf().remove("spark.task.cpus");
        }
    }

    @Test
    void tasksOfAnExecutorAreBoundedByItsCoresAndByThoseThatShareAGpu() {
        SparkConf conf = new SparkConf(false).set("spark.master", "spark://host:7077");
        assertThat(ExecutorSettings.of(conf).tasks(6)).isEqualTo(6);
        assertThat(ExecutorSettings.of(conf.set("spark.task.cpus", "2")).tasks(6))
                .isEqualTo(3);
        conf.set("spark.executor.resource.gpu.amount", "1");
        assertThat(ExecutorSettings.of(conf).tasks(6)).isEqualTo(1);
        conf.set("spark.task.resource.gpu.amount", "0.5");
        assertThat(ExecutorSettings.of(conf).tasks(6)).isEqualTo(2);
    }
}
