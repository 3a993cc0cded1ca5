package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.cost.Fit;
import dev.grft.cost.MemoryModel;
import dev.grft.spark.cluster.ExecutorSettings;
import dev.grft.spark.training.TrainingLoop;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What {@code check} refuses, because a driver or executors would run out of memory: just too little, and just enough. */
class MemoryRefusedTest {
    private static final long MIB = 1 << 20;

    private static MemoryModel.Needs needs(long heap, long overhead) {
        return new MemoryModel.Needs(heap * MIB, overhead * MIB);
    }

    @Test
    void aHeapOfTheDriverThatIsTooSmall() {
        Settings settings = Config.load(List.of(), List.of(), new Configuration());
        VitConfig model = VitConfig.preset("vit_base_patch16_224", 100);
        MemoryModel costs = MemoryModel.of(model, settings, 1_000_000);

        assertThatThrownBy(() -> CheckVerb.requireHeap(settings, 1023 * MIB, 1024 * MIB, costs))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "memory: the driver's heap has 1073 MB, tuning.method grft with 4 shards and 334,948 trained parameters (and"
                                + " 333 MB of features for the linear probe) needs 1074 MB; set --driver-memory 1024m");
        assertThatCode(() -> CheckVerb.requireHeap(settings, 1024 * MIB, 1024 * MIB, costs))
                .doesNotThrowAnyException();
    }

    @Test
    void tooLittleBesideTheHeapOfADriverThatIsKilledForIt() {
        SparkConf conf = new SparkConf(false)
                .set("spark.master", "yarn")
                .set("spark.submit.deployMode", "cluster")
                .set("spark.driver.memory", "8g");

        assertThatThrownBy(() -> CheckVerb.requireOverhead(ExecutorSettings.driverOverhead(conf), 820 * MIB, 1000))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("the driver has 859 MB beside its heap, 1,000 trained parameters need 860 MB")
                .hasMessageEndingWith("set --conf spark.driver.memoryOverhead=820m");
        assertThatCode(() -> CheckVerb.requireOverhead(ExecutorSettings.driverOverhead(conf), 819 * MIB, 1000))
                .doesNotThrowAnyException();
        conf.set("spark.submit.deployMode", "client");
        assertThatCode(() -> CheckVerb.requireOverhead(ExecutorSettings.driverOverhead(conf), 820 * MIB, 1000))
                .as("nothing kills a driver on the machine of the user")
                .doesNotThrowAnyException();
    }

    @Test
    void executorsWithTooLittleHeapOrTooLittleBesideIt() {
        SparkConf conf = new SparkConf(false)
                .set("spark.master", "k8s://https://host")
                .set("spark.executor.memory", "2g")
                .set("spark.executor.memoryOverhead", "1g");
        ExecutorSettings executor = ExecutorSettings.of(conf);

        assertThatThrownBy(() -> CheckVerb.requireExecutor(executor, needs(2049, 10)))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("set --executor-memory 2049m");
        assertThatThrownBy(() -> CheckVerb.requireExecutor(executor, needs(10, 1025)))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("set --conf spark.executor.memoryOverhead=1025m, or fewer");
        assertThatCode(() -> CheckVerb.requireExecutor(executor, needs(2048, 1024)))
                .doesNotThrowAnyException();
        ExecutorSettings unlimited = ExecutorSettings.of(conf.set("spark.master", "spark://host:7077"));
        assertThatCode(() -> CheckVerb.requireExecutor(unlimited, needs(10, 1025)))
                .doesNotThrowAnyException();
    }

    @Test
    void moreThanSparkLetsTheDriverGather() {
        SparkConf conf = new SparkConf(false);
        long bytes = 1025 * MIB;

        assertThatThrownBy(() -> TrainingLoop.requireGathered(conf, 4, bytes))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "memory: 4 shards return 1025 MiB in a round, spark.driver.maxResultSize is 1024 MiB");
        assertThatCode(() -> TrainingLoop.requireGathered(conf.set("spark.driver.maxResultSize", "2g"), 4, bytes))
                .doesNotThrowAnyException();
        assertThatCode(() -> TrainingLoop.requireGathered(conf.set("spark.driver.maxResultSize", "0"), 4, bytes))
                .doesNotThrowAnyException();
    }

    /** Returns the settings of an application that is submitted with files of {@code conf/spark}, the later over the earlier. */
    private static SparkConf shipped(String master, String... files) throws IOException {
        Properties conf = new Properties();
        for (String file : files) {
            try (Reader reader = Files.newBufferedReader(Path.of("conf/spark", file))) {
                conf.load(reader);
            }
        }
        SparkConf spark = new SparkConf(false);
        conf.stringPropertyNames().forEach(key -> spark.set(key, conf.getProperty(key)));
        return spark.set("spark.master", master);
    }

    /** The driver's pod: Spark starts the program in it in client mode. */
    private static SparkConf inPod(SparkConf conf) {
        return conf.set("spark.submit.deployMode", "client").set("spark.kubernetes.submitInDriver", "true");
    }

    static Stream<Arguments> clusters() throws IOException {
        return Stream.of(
                Arguments.of("standalone.conf", shipped("spark://host:7077", "standalone.conf")),
                Arguments.of("yarn.conf", shipped("yarn", "yarn.conf")),
                Arguments.of("kubernetes.conf", inPod(shipped("k8s://https://host", "kubernetes.conf"))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("clusters")
    void theSettingsForClustersAreEnoughForAVitB16(String file, SparkConf conf) {
        Settings settings = Config.load(List.of(), List.of(), new Configuration());
        VitConfig model = VitConfig.preset("vit_base_patch16_224", 100);
        ExecutorSettings executor = ExecutorSettings.of(conf);
        ExecutorSettings.Shared shared = ExecutorSettings.shared(conf, false, 1);
        Fit fit = shared == null
                ? Fit.unlimited(model, settings)
                : Fit.of(model, settings, shared.bytes(), shared.tasks());
        MemoryModel costs = MemoryModel.of(model, fit.settings(), 1_000_000);
        MemoryModel.Needs driver = costs.driver();
        long heap = MIB * conf.getSizeAsMb("spark.driver.memory");

        assertThatCode(() -> CheckVerb.requireHeap(settings, heap, driver.heap(), costs))
                .doesNotThrowAnyException();
        assertThatCode(() -> CheckVerb.requireOverhead(
                        ExecutorSettings.driverOverhead(conf), driver.overhead(), costs.trained()))
                .doesNotThrowAnyException();
        assertThatCode(() -> CheckVerb.requireExecutor(
                        executor, costs.executor(executor.tasks(), fit.withBackward(), fit.withoutBackward())))
                .doesNotThrowAnyException();
        assertThat(fit.settings()).as("nothing is reduced").isEqualTo(settings);
    }

    @Test
    void theSettingsForGpusOnKubernetesGiveTheHostWhatItNeeds() throws IOException {
        SparkConf spark = shipped("k8s://https://host", "kubernetes.conf", "kubernetes-gpu.conf");
        MemoryModel.Needs needs = new MemoryModel.Needs(1024 * MIB, CheckVerb.HOST_OF_GPU);
        assertThatCode(() -> CheckVerb.requireExecutor(ExecutorSettings.of(spark), needs))
                .doesNotThrowAnyException();
        ExecutorSettings tenth = ExecutorSettings.of(spark.remove("spark.executor.memoryOverhead"));
        assertThatThrownBy(() -> CheckVerb.requireExecutor(tenth, needs))
                .hasMessageContaining("spark.executor.memoryOverhead=5000m");
    }

    @Test
    void aGpuThatIsTooSmallNamesItsTasks() {
        assertThatThrownBy(() -> CheckVerb.requireGpu(new ExecutorSettings.Shared(16_000_000_000L, 4), 17_000_000_000L))
                .hasMessage(
                        "memory: a GPU has 16000 MB for arrays (80 % of its memory less 1 GiB), 4 tasks on it need an"
                                + " estimated 17000 MB (weights, activations); use fewer tasks on it"
                                + " (spark.task.resource.gpu.amount=1, in local mode --master 'local[1]'), a smaller"
                                + " training.microBatch, or engine.recompute=true");
        assertThatCode(() -> CheckVerb.requireGpu(new ExecutorSettings.Shared(16_000_000_000L, 4), 16_000_000_000L))
                .doesNotThrowAnyException();
    }
}
