package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.verbs.Tiny;
import dev.grft.spark.verbs.Verbs;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeviceTest {
    private static final String OF_EXECUTOR = "spark.executor.resource.gpu.amount";

    @TempDir
    Path folder;

    @Test
    void whoRequiresAGpuIsToldThatThereIsNone() throws Exception {
        Tiny.Shared shared = Tiny.Shared.in(folder);
        SparkSession spark = Tiny.spark("local[2]");
        List<String> sets = shared.sets(folder.resolve("run"), "engine.kernels=auto", "engine.requireGpu=true");
        assertThatThrownBy(() -> Tiny.does(spark, sets, false, Verbs::train))
                .isInstanceOf(UserError.class)
                .hasMessage("engine.requireGpu is true, but the program computes on the "
                        + Device.Kind.here("auto", "fp32")
                        + ": use executors with NVIDIA GPUs and a build with mvn -Pcuda");
        List<String> cpu = shared.sets(folder.resolve("run"), "engine.requireGpu=true");
        assertThatThrownBy(() -> Tiny.does(spark, cpu, false, Verbs::train))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "--set: engine.requireGpu is true, but engine.kernels is cpu, which computes on CPUs; set it to auto");
        assertThat(Tiny.does(spark, shared.sets(folder.resolve("run")), false, Verbs::select)
                        .err())
                .containsOnlyOnce("computing on CPUs");
    }

    @Test
    void aTaskWithAGpuMayUseTheCoresThatOthersCannot() {
        Device device = new Device("cpu", 1, false);
        SparkConf conf = new SparkConf(false).set("spark.executor.cores", "8");
        assertThat(device.cores(conf)).isEqualTo(1);
        assertThat(device.cores(conf.set("spark.task.resource.gpu.amount", "1")))
                .isEqualTo(8);
        assertThat(device.cores(conf.set("spark.task.resource.gpu.amount", "0.5")))
                .isEqualTo(4);
    }

    @Test
    void whereKindsAreMixedTasksComputeOnGpusIfExecutorsHaveAny() {
        Device mixed = new Device("auto", 1, false);
        assertThat(mixed.onGpus(new SparkConf(false))).isFalse();
        assertThat(mixed.onGpus(new SparkConf(false).set(OF_EXECUTOR, "0"))).isFalse();
        assertThat(mixed.onGpus(new SparkConf(false).set(OF_EXECUTOR, "1"))).isTrue();
    }

    @Test
    void anExecutorOfAnotherKindIsRefused() {
        Device.Kind cpu = Device.Kind.cpu("");
        Device.Kind h100 = Device.Kind.gpu("NVIDIA H100 PCIe", "tf32");
        assertThatThrownBy(() -> Device.require(h100, cpu))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "an executor computes on its CPU, others on their GPU NVIDIA H100 PCIe in tf32: the last bits of results"
                                + " would depend on the distribution of the work; use executors of one kind, or set engine.mixed=true");
        assertThatThrownBy(() -> Device.require(Device.Kind.cpu(" with MKL"), cpu))
                .hasMessageStartingWith(
                        "an executor computes on its CPU, others on their CPU with MKL: the last bits of results");
        for (Device.Kind other : List.of(
                Device.Kind.gpu("NVIDIA H100 PCIe", "fp32"),
                Device.Kind.gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "tf32"))) {
            assertThatThrownBy(() -> Device.require(h100, other))
                    .hasMessageStartingWith("an executor computes on its " + other
                            + ", others on their GPU NVIDIA H100 PCIe in tf32: the last bits");
        }
        assertThatCode(() -> Device.require(h100, Device.Kind.gpu("NVIDIA H100 PCIe", "tf32")))
                .doesNotThrowAnyException();
        assertThatCode(() -> Device.require(null, h100)).doesNotThrowAnyException();
    }

    @Test
    void tasksThatComputeAskForAGpuOnlyIfExecutorsHaveOneAndTheSettingsDoNotShareIt() {
        SparkConf conf = new SparkConf(false);
        assertThat(Device.profile(conf)).isNull();

        conf.set(OF_EXECUTOR, "1").set("spark.task.cpus", "2");
        ResourceProfile profile = Device.profile(conf);
        assertThat(profile.taskResourcesJMap().get("gpu").amount()).isEqualTo(1);
        assertThat(profile.taskResourcesJMap().get("cpus").amount()).isEqualTo(2);
        assertThat(profile.executorResourcesJMap()).as("any executor will do").isEmpty();

        conf.set("spark.dynamicAllocation.enabled", "true");
        assertThatThrownBy(() -> Device.profile(conf))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("is set without spark.task.resource.gpu.amount, which dynamic allocation needs");

        conf.set("spark.task.resource.gpu.amount", "0.5");
        assertThat(Device.profile(conf)).isNull();

        conf.set(OF_EXECUTOR, "2");
        assertThatThrownBy(() -> Device.profile(conf))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "spark.executor.resource.gpu.amount is 2, but the tasks of an executor share one copy");
    }

    /** Without a GPU of its own such a task computes on the CPU, or beside all others on the GPU of its executor. */
    @Test
    void theTasksOfADataFrameNeedAGpuEachFromSparksSettings() {
        Device device = new Device("auto", 1, false);
        SparkConf conf = new SparkConf(false);
        assertThatCode(() -> device.requireGivenToAll(conf, "transform")).doesNotThrowAnyException();
        conf.set(OF_EXECUTOR, "1");
        assertThatThrownBy(() -> device.requireGivenToAll(conf, "transform"))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        OF_EXECUTOR + " is set without spark.task.resource.gpu.amount, which transform needs: set it"
                                + " to 1, or to a part of 1 for several tasks on a GPU");
        conf.set("spark.task.resource.gpu.amount", "1");
        assertThatCode(() -> device.requireGivenToAll(conf, "transform")).doesNotThrowAnyException();
    }

    @Test
    void aBackendThatCannotStartTellsWhy() {
        LinkageError error = new NoClassDefFoundError("Could not initialize class dev.grft.vit.kernels.nd4j.Flat");
        error.initCause(new ExceptionInInitializerError(new IllegalStateException("no code for this processor")));
        assertThat(Device.cannotStart("ND4J", error))
                .hasMessageStartingWith(
                        "ND4J cannot start on this machine: no code for this processor; a build needs the kind of processor");
    }
}
