package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class ExecutorSettingsTest {
    private static final long MIB = 1 << 20;

    private static ExecutorSettings of(String... keysAndValues) {
        return ExecutorSettings.of(conf(keysAndValues));
    }

    private static SparkConf conf(String... keysAndValues) {
        SparkConf conf = new SparkConf(false);
        for (int i = 0; i < keysAndValues.length; i += 2) {
            conf.set(keysAndValues[i], keysAndValues[i + 1]);
        }
        return conf;
    }

    @Test
    void tasksShareWhatTheirProcessHasBesideItsHeap() {
        assertThat(ExecutorSettings.shared(conf("spark.master", "yarn", "spark.executor.cores", "4"), false, 2))
                .isEqualTo(new ExecutorSettings.Shared(384 * MIB, 4));
        String[] standalone = {"spark.master", "spark://host:7077"};
        assertThat(ExecutorSettings.shared(conf(standalone), false, 2)).isNull();
        SparkConf told = conf(standalone).set("spark.executor.memoryOverhead", "5g");
        assertThat(ExecutorSettings.shared(told, false, 2)).isEqualTo(new ExecutorSettings.Shared(5 * 1024 * MIB, 1));

        String[] local = {"spark.master", "local[2]"};
        assertThat(ExecutorSettings.shared(conf(local), true, 2)).satisfies(all -> {
            assertThat(all.tasks()).isEqualTo(2);
            assertThat(all.bytes()).isPositive();
        });
        told = conf(local).set("spark.driver.memoryOverhead", "2g");
        assertThat(ExecutorSettings.shared(told, true, 2)).isEqualTo(new ExecutorSettings.Shared(2 * 1024 * MIB, 2));
    }

    @Test
    void arraysMayTakeFourFifthsOfAGpuLessAGibibyte() {
        assertThat(ExecutorSettings.Shared.ofGpu(80L * 1024 * MIB, 2))
                .isEqualTo(new ExecutorSettings.Shared(63L * 1024 * MIB, 2));
        assertThat(ExecutorSettings.Shared.ofGpu(1024 * MIB, 0)).isEqualTo(new ExecutorSettings.Shared(0, 1));
    }

    @Test
    void withoutSettingsAnExecutorHasWhatSparkGivesIt() {
        assertThat(of("spark.master", "yarn"))
                .isEqualTo(new ExecutorSettings(1, 1, Integer.MAX_VALUE, 1024 * MIB, 384 * MIB, true));
    }

    @Test
    void theOverheadIsATenthUnlessItIsSet() {
        assertThat(of("spark.master", "k8s://https://host", "spark.executor.memory", "8g")
                        .overhead())
                .isEqualTo(8L * 1024 * MIB / 10);
        assertThat(of(
                                "spark.master",
                                "yarn",
                                "spark.executor.memory",
                                "8g",
                                "spark.executor.memoryOverheadFactor",
                                "0.5")
                        .overhead())
                .isEqualTo(4096 * MIB);
        assertThat(of("spark.master", "yarn", "spark.executor.memoryOverhead", "3000")
                        .overhead())
                .as("a number alone is in MiB")
                .isEqualTo(3000 * MIB);
    }

    @Test
    void tasksShareTheCores() {
        ExecutorSettings executor =
                of("spark.master", "spark://host:7077", "spark.executor.cores", "8", "spark.task.cpus", "3");
        assertThat(executor.tasks()).isEqualTo(2);
        assertThat(executor.limited()).as("a standalone worker kills nobody").isFalse();
    }

    @Test
    void onAGpuATaskIsAloneUnlessTheSettingsLetSeveralShareIt() {
        String[] gpu = {
            "spark.master",
            "yarn",
            "spark.executor.cores",
            "4",
            "spark.executor.resource.gpu.amount",
            "1",
            "spark.task.resource.gpu.amount",
            "0.5"
        };
        assertThat(of(gpu).tasks()).isEqualTo(2);
        assertThat(of(Arrays.copyOf(gpu, 6)).tasks()).isEqualTo(1);
    }

    @Test
    void aDriverIsLimitedWhereTheClusterRunsIt() {
        SparkConf conf = conf("spark.master", "yarn", "spark.driver.memory", "8g");
        assertThat(ExecutorSettings.driverOverhead(conf))
                .isEqualTo(new ExecutorSettings.DriverOverhead(8L * 1024 * MIB / 10, false));
        conf.set("spark.submit.deployMode", "cluster");
        assertThat(ExecutorSettings.driverOverhead(conf).limited()).isTrue();
        conf.set("spark.driver.memoryOverheadFactor", "0.5");
        assertThat(ExecutorSettings.driverOverhead(conf).bytes()).isEqualTo(4096 * MIB);
        conf.set("spark.driver.memoryOverhead", "3000");
        assertThat(ExecutorSettings.driverOverhead(conf).bytes())
                .as("a number alone is in MiB")
                .isEqualTo(3000 * MIB);
        assertThat(ExecutorSettings.driverOverhead(conf("spark.master", "k8s://https://host"))
                        .bytes())
                .as("1g of heap: a tenth is less than the least")
                .isEqualTo(384 * MIB);
        SparkConf pod = conf("spark.master", "k8s://https://host", "spark.submit.deployMode", "client");
        assertThat(ExecutorSettings.driverOverhead(pod).limited()).isFalse();
        assertThat(ExecutorSettings.driverOverhead(pod.set("spark.kubernetes.submitInDriver", "true"))
                        .limited())
                .as("in a pod, Spark starts the driver in client mode")
                .isTrue();
        SparkConf standalone = conf("spark.master", "spark://host:7077", "spark.submit.deployMode", "cluster");
        assertThat(ExecutorSettings.driverOverhead(standalone).limited()).isFalse();
    }

    private static int tasksOfCluster(String... keysAndValues) {
        SparkConf conf = new SparkConf(false).set("spark.master", "spark://host:7077");
        for (int i = 0; i < keysAndValues.length; i += 2) {
            conf.set(keysAndValues[i], keysAndValues[i + 1]);
        }
        return ExecutorSettings.of(conf).tasksOfCluster(conf, 12);
    }

    @Test
    void theTasksOfAClusterAreThoseOfAllItsExecutorsOrOfTheCoresThatCame() {
        String[] cores = {"spark.executor.cores", "4", "spark.task.cpus", "2"};
        assertThat(tasksOfCluster()).isEqualTo(12);
        assertThat(tasksOfCluster(cores)).isEqualTo(6);
        assertThat(tasksOfCluster("spark.cores.max", "8", cores[0], cores[1], cores[2], cores[3]))
                .isEqualTo(4);
        assertThat(tasksOfCluster("spark.executor.instances", "10", cores[0], cores[1], cores[2], cores[3]))
                .isEqualTo(20);
        assertThat(tasksOfCluster(
                        "spark.dynamicAllocation.enabled",
                        "true",
                        "spark.dynamicAllocation.maxExecutors",
                        "30",
                        "spark.executor.instances",
                        "1"))
                .isEqualTo(30);
    }
}
