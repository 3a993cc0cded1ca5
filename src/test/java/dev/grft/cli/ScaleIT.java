package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny;
import dev.grft.spark.verbs.Verbs;
import java.io.IOException;
import java.io.Reader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Executors that are processes of their own, many of them and for long. */
@Tag("clusters")
class ScaleIT {
    @TempDir
    private static Path folder;

    private static Path pretrained;
    private static Path images;
    private static Cluster cluster;

    @BeforeAll
    static void start() throws Exception {
        pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        images = Tiny.images(folder.resolve("images"), 24, 2);
        cluster = Cluster.of(folder.resolve("cluster"), 1, 8, Map.of(), Map.of());
    }

    @AfterAll
    static void end() {
        cluster.close();
    }

    /** Starts Spark with executors of one core each. */
    private static SparkSession spark(int executors) throws IOException {
        String here = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        SparkSession.Builder builder = SparkSession.builder()
                .master(cluster.master())
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.cores.max", executors)
                .config("spark.executor.cores", 1)
                .config("spark.executor.memory", "640m")
                .config("spark.executor.extraClassPath", here)
                .config("spark.scheduler.minRegisteredResourcesRatio", "1")
                .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s");
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(cluster.properties())) {
            properties.load(reader);
        }
        properties.forEach((key, value) -> builder.config(key.toString(), value.toString()));
        return builder.getOrCreate();
    }

    @Test
    void theBitsDependOnTheShardsAndNotOnTheExecutors() throws Exception {
        int[] shards = {1, 2, 4, 8, 16, 32, 64};
        Map<Integer, Map<String, String>> ofOne = new TreeMap<>();
        for (int executors : new int[] {1, 2, 4, 8}) {
            SparkSession spark = spark(executors);
            long start = System.nanoTime();
            try {
                for (int count : shards) {
                    Path directory = folder.resolve(executors + "-" + count);
                    List<String> sets = Tiny.sets(
                            pretrained,
                            images,
                            images,
                            directory,
                            "training.shards=" + count,
                            "training.batchSize=64",
                            "training.epochs=2");
                    Tiny.does(spark, sets, false, Verbs::train);
                    Map<String, String> delta = Tiny.tensors(directory.resolve("delta.safetensors"));
                    assertThat(delta)
                            .as("%d executors, %d shards", executors, count)
                            .isEqualTo(ofOne.computeIfAbsent(count, first -> delta));
                }
            } finally {
                spark.stop();
            }
            System.out.printf("%d executors: %.0f s%n", executors, (System.nanoTime() - start) / 1e9);
        }
        assertThat(ofOne.values()).as("shards change the order of sums").doesNotHaveDuplicates();
    }

    /** What the driver holds after some jobs. */
    private record Held(int jobs, long heap, int threads, long blocks) {}

    /** Looks at the driver when the 100th job has ended, and every 300 later. */
    private static final class Looking extends SparkListener {
        final List<Held> held = new ArrayList<>();
        private int jobs;

        @Override
        public void onJobEnd(SparkListenerJobEnd end) {
            if (++jobs % 300 == 100) {
                System.gc();
                Runtime runtime = Runtime.getRuntime();
                long blocks = Arrays.stream(
                                SparkEnv.get().blockManager().master().getStorageStatus())
                        .mapToLong(status -> status.blocks().size())
                        .sum();
                held.add(new Held(
                        jobs,
                        runtime.totalMemory() - runtime.freeMemory(),
                        ManagementFactory.getThreadMXBean().getThreadCount(),
                        blocks));
            }
        }
    }

    @Test
    void aThousandStepsLeaveNothingBehind() throws Exception {
        Path directory = folder.resolve("long");
        SparkSession spark = spark(2);
        Looking looking = new Looking();
        try {
            List<String> sets = Tiny.sets(
                    pretrained,
                    images,
                    images,
                    directory,
                    "training.shards=2",
                    "training.batchSize=12",
                    "training.epochs=167",
                    "training.checkpointEvery=50");
            spark.sparkContext().addSparkListener(looking);
            Tiny.does(spark, sets, false, Verbs::train);
        } finally {
            spark.stop();
        }
        try (Stream<String> steps = Files.lines(directory.resolve("history.jsonl"))) {
            assertThat(steps.count()).isGreaterThanOrEqualTo(1000);
        }
        System.out.println(looking.held);
        Held early = looking.held.get(1);
        Held late = looking.held.get(looking.held.size() - 1);
        assertThat(late.jobs()).isGreaterThanOrEqualTo(1000);
        assertThat(late.threads()).isLessThanOrEqualTo(early.threads() + 5);
        assertThat(late.blocks()).isLessThanOrEqualTo(early.blocks() + 5);
        assertThat(late.heap()).isLessThan(early.heap() + (20 << 20));
    }
}
