package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.Tiny;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.junit.jupiter.api.Test;

/** The executors of a cluster are made up; what is made anew is in local mode, where Spark's name of the only executor is "driver". */
class HomesTest {
    private static final Queue<Integer> MADE = new ConcurrentLinkedQueue<>();

    private final JavaSparkContext spark =
            JavaSparkContext.fromSparkContext(Tiny.spark("local[2,3]").sparkContext());
    private final Coordinator<String, String> driver = new Coordinator<>(
            4, (one, other) -> one + other, new Coordinator.Patience(1000, 1000, 1000, 3, 1000), System::nanoTime);
    private final JavaRDD<Shard> shards = ExampleShards.noise(spark, 4, 8)
            .mapPartitions(
                    part -> {
                        MADE.add(TaskContext.getPartitionId());
                        return part;
                    },
                    true);

    private static SparkListenerExecutorRemoved removed(String executor) {
        return new SparkListenerExecutorRemoved(0, executor, "its machine was reclaimed");
    }

    @Test
    void onlyShardsThatNoExecutorHasAreMade() {
        List<String> losses = new ArrayList<>();
        MADE.clear();
        driver.live(Arrays.asList("1", "2", null, "1"));
        try (Homes homes = Homes.of(spark, shards, new Device("cpu", 1, false), driver, losses::add)) {
            homes.make("shards");
            assertThat(MADE).containsExactly(2);
            assertThat(driver.homes()).containsExactly("1", "2", "driver", "1");
            homes.make("shards");
            assertThat(MADE).hasSize(1);

            homes.onExecutorRemoved(removed("3"));
            assertThat(losses).as("it had no shard").isEmpty();
            homes.onExecutorRemoved(removed("1"));
            assertThat(losses).containsExactly("executor 1: its machine was reclaimed");
            assertThat(homes.losses()).isEqualTo(losses.get(0));
            homes.make("shards");
            assertThat(MADE).containsExactlyInAnyOrder(2, 0, 3);
            assertThat(driver.homes()).containsExactly("driver", "2", "driver", "driver");
            assertThat(homes.losses()).isNull();
        }
    }
}
