package dev.grft.spark.work;

import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.Shard;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * The executors of a cluster on which the shards of a training are. An ordinary job makes the shards that no executor has; those of the others stay where
 * they are. Thread-safe.
 */
final class Homes extends SparkListener implements AutoCloseable {
    private final JavaSparkContext spark;
    private final JavaRDD<Shard> shards;
    private final Device device;
    private final Coordinator<?, ?> driver;
    private final Consumer<String> lost;
    private final Map<String, String> gone = new ConcurrentHashMap<>(); // executors that were lost, and why

    private Homes(
            JavaSparkContext spark,
            JavaRDD<Shard> shards,
            Device device,
            Coordinator<?, ?> driver,
            Consumer<String> lost) {
        this.spark = spark;
        this.shards = shards;
        this.device = device;
        this.driver = driver;
        this.lost = lost;
    }

    /**
     * Returns the homes of these shards, and listens to Spark from now on.
     *
     * @param driver holds where the shards are
     * @param lost receives the reason when executors were lost and with them the only images of a shard
     */
    static Homes of(
            JavaSparkContext spark,
            JavaRDD<Shard> shards,
            Device device,
            Coordinator<?, ?> driver,
            Consumer<String> lost) {
        Homes homes = new Homes(spark, shards, device, driver, lost);
        spark.sc().addSparkListener(homes);
        return homes;
    }

    /** Makes the shards that no executor has, by a job of that description. */
    void make(String description) {
        int[] nowhere = driver.nowhere().stream().toArray();
        if (nowhere.length == 0) {
            return;
        }
        spark.setJobDescription(description);
        try {
            String[] places = new String[shards.getNumPartitions()];
            List<Tuple2<Integer, String>>[] made = Causes.unwrapped(() -> device.computes(
                            shards.mapPartitionsWithIndex((shard, part) -> placed(shard, part.next()), true))
                    .collectPartitions(nowhere));
            for (List<Tuple2<Integer, String>> found : made) {
                found.forEach(one -> places[one._1()] = one._2());
            }
            driver.live(Arrays.asList(places));
        } finally {
            spark.setJobDescription(null);
        }
    }

    /** Returns in a task which executor has a shard. */
    @SuppressWarnings("unused") // the shard, which is made when it is asked for
    private static Iterator<Tuple2<Integer, String>> placed(int number, Shard shard) {
        return List.of(new Tuple2<>(number, SparkEnv.get().executorId())).iterator();
    }

    /** Returns which executors were lost with shards that are nowhere else, and why; null if none were. */
    @Nullable
    String losses() {
        if (driver.nowhere().isEmpty()) {
            return null;
        }
        return driver.homes().stream()
                .filter(Objects::nonNull)
                .distinct()
                .filter(gone::containsKey)
                .map(gone::get)
                .collect(Collectors.joining("; "));
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        gone.put(removed.executorId(), "executor " + removed.executorId() + ": " + removed.reason());
        driver.removed(removed.executorId());
        String losses = losses();
        if (losses != null) {
            lost.accept(losses);
        }
    }

    @Override
    public void close() {
        spark.sc().removeSparkListener(this);
    }
}
