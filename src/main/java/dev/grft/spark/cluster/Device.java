package dev.grft.spark.cluster;

import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.vit.Keep;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Memory;
import dev.grft.vit.kernels.Nd4jKernels;
import java.io.Serializable;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceInformation;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.factory.Nd4j;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a task computes with: kernels, threads, memory, and on GPUs the one that Spark has assigned to it.
 *
 * <p>CPU and GPU differ in the last bits, and so do CPUs with OpenBLAS and with MKL, and in bfloat16 those with AMX and without; and a task may run on any executor. So the driver finds out once which of them computes, and an
 * executor of the other kind refuses the task.
 */
public final class Device implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(Device.class);
    private static final String OF_EXECUTOR = "spark.executor.resource.gpu.amount";
    private static final String OF_TASK = "spark.task.resource.gpu.amount";

    private static int pinned = -1; // on this executor, as it was set last

    /** What computes. */
    public enum Kind {
        CPU("CPU", "CPUs"),
        CPU_WITH_MKL("CPU with MKL", "CPUs with MKL"),
        BF16_AMX("CPU in bfloat16 by AMX", "CPUs in bfloat16 by AMX"),
        BF16_AVX512("CPU in bfloat16 by AVX-512", "CPUs in bfloat16 by AVX-512"),
        BF16_SLOW(
                "CPU in bfloat16 without instructions for it",
                "CPUs in bfloat16 without instructions for it: engine.precision fp32 would be faster"),
        TORCH("CPU with LibTorch", "CPUs with LibTorch"),
        TORCH_BF16_AMX("CPU with LibTorch in bfloat16 by AMX", "CPUs with LibTorch in bfloat16 by AMX"),
        TORCH_BF16_AVX512("CPU with LibTorch in bfloat16 by AVX-512", "CPUs with LibTorch in bfloat16 by AVX-512"),
        TORCH_BF16_SLOW(
                "CPU with LibTorch in bfloat16 without instructions for it",
                "CPUs with LibTorch in bfloat16 without instructions for it: engine.precision fp32 would be faster"),
        GPU("GPU", "GPUs");

        private final String one;
        private final String several;

        Kind(String one, String several) {
            this.one = one;
            this.several = several;
        }

        /**
         * Returns what computes in this process with some {@code engine.kernels} and {@code engine.precision}.
         *
         * @throws UserError if they cannot compute here
         */
        static Kind here(String kernels, String precision) {
            try {
                boolean torch = kernels.equals("torch");
                if (torch) {
                    Backend.requireTorch();
                }
                if (precision.equals("bf16")) {
                    return switch (Backend.bf16(kernels)) {
                        case AMX -> torch ? TORCH_BF16_AMX : BF16_AMX;
                        case AVX512 -> torch ? TORCH_BF16_AVX512 : BF16_AVX512;
                        case CONVERTED -> torch ? TORCH_BF16_SLOW : BF16_SLOW;
                    };
                }
                if (torch) {
                    return TORCH;
                }
                return Backend.onGpu() ? GPU : Backend.onMkl() ? CPU_WITH_MKL : CPU;
            } catch (LinkageError e) {
                throw cannotStart(e);
            }
        }

        public String several() {
            return several;
        }

        @Override
        public String toString() {
            return one;
        }
    }

    private final String kernels;
    private final String precision;
    private final int blasThreads;
    private final boolean recompute;
    private final @Nullable Kind only;
    private final transient @Nullable ResourceProfile profile; // of no use to a task

    /** Returns a device of any kind that computes in fp32. */
    public Device(String kernels, int blasThreads, boolean recompute) {
        this(kernels, "fp32", blasThreads, recompute, null, null);
    }

    private Device(
            String kernels,
            String precision,
            int blasThreads,
            boolean recompute,
            @Nullable Kind only,
            @Nullable ResourceProfile profile) {
        this.kernels = kernels;
        this.precision = precision;
        this.blasThreads = blasThreads;
        this.recompute = recompute;
        this.only = only;
        this.profile = profile;
    }

    /**
     * Returns the device of an application; asks an executor of what kind it is.
     *
     * @throws UserError if a GPU is required and there is none, or Spark's settings give an executor more than one
     */
    public static Device of(JavaSparkContext spark, Settings.Engine engine) {
        ResourceProfile profile = profile(spark.getConf());
        String kernels = engine.kernels();
        String precision = engine.precision();
        String before = spark.getLocalProperty("spark.job.description");
        spark.setJobDescription("what executors compute on");
        Kind kind = spark.isLocal()
                ? Kind.here(kernels, precision)
                : Causes.unwrapped(() -> spark.parallelize(List.of(0), 1)
                        .map(one -> Kind.here(kernels, precision))
                        .first());
        spark.setJobDescription(before);
        if (engine.requireGpu() && kind != Kind.GPU) {
            throw UserError.of(
                    "engine.requireGpu is true, but the program computes on the %s: use executors with NVIDIA GPUs"
                            + " and a build with mvn -Pcuda",
                    kind);
        }
        return new Device(
                kernels, precision, engine.blasThreads(), engine.recompute(), engine.mixed() ? null : kind, profile);
    }

    /** Returns what tasks need of an executor that has a GPU, unless Spark's settings say it; else null. */
    static @Nullable ResourceProfile profile(SparkConf conf) {
        int gpus = conf.getInt(OF_EXECUTOR, 0);
        if (gpus > 1) {
            throw UserError.of(
                    "%s is %d, but the tasks of an executor share one copy of the weights, on one GPU; set it to 1 and have more"
                            + " executors",
                    OF_EXECUTOR, gpus);
        }
        if (gpus == 0 || conf.contains(OF_TASK)) {
            return null;
        }
        if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
            throw UserError.of(
                    "%s is set without %s, which dynamic allocation needs: set it to 1, or to a part of 1 for several tasks on a"
                            + " GPU",
                    OF_EXECUTOR, OF_TASK);
        }
        return new ResourceProfileBuilder()
                .require(new TaskResourceRequests()
                        .cpus(conf.getInt("spark.task.cpus", 1))
                        .resource("gpu", 1))
                .build();
    }

    /** Returns the same device that keeps nothing inside a block for the backward, or all. */
    public Device recomputing(boolean again) {
        return new Device(kernels, precision, blasThreads, again, only, profile);
    }

    /** Returns the same work, whose tasks are given a GPU each, one at a time, where executors have one; to be called in the driver. */
    public <T> JavaRDD<T> computes(JavaRDD<T> work) {
        return profile == null ? work : work.withResources(profile);
    }

    /** Returns how many cores of an executor a task may use beside its GPU, which few tasks share; 1 of a task that computes on its core. */
    public int cores(SparkConf conf) {
        double tasks = profile != null ? 1 : 1 / conf.getDouble(OF_TASK, 0);
        return Math.max(1, (int) (conf.getInt("spark.executor.cores", 1) / tasks));
    }

    /** Returns what all tasks compute on, null if it may differ. */
    @Nullable
    public Kind kind() {
        return only;
    }

    /**
     * Returns whether tasks compute on GPUs. Where kinds are mixed, they do if executors are given any.
     *
     * @param conf of the application
     */
    public boolean onGpus(SparkConf conf) {
        return only == null ? conf.getInt(OF_EXECUTOR, 0) > 0 : only == Kind.GPU;
    }

    /** Returns what a network keeps of a forward that a backward follows or does not. */
    public Keep keep(boolean backward) {
        return !backward ? Keep.NOTHING : recompute ? Keep.INPUTS : Keep.ALL;
    }

    /**
     * Returns kernels for this thread, on the GPU that Spark has assigned to its task, if any.
     *
     * @throws UserError if this executor is not of the kind that others are
     */
    public Kernels kernels() {
        require(only, Kind.here(kernels, precision));
        TaskContext task = TaskContext.get();
        if (task != null) {
            ResourceInformation gpu = task.resourcesJMap().get("gpu");
            if (gpu != null && gpu.addresses().length > 0) {
                pin(index(gpu.addresses()[0]));
            }
        }
        Kernels made = Backend.kernels(kernels, precision);
        if (!(made instanceof Nd4jKernels)) {
            Backend.threads(blasThreads);
        }
        return made;
    }

    /**
     * Returns where the arrays of these kernels lie: frozen weights that tasks share are copied there.
     *
     * @throws UserError for {@code torch} if LibTorch cannot be used
     */
    public Memory memory() {
        return Backend.memory(kernels);
    }

    /** Returns what to tell the user of a backend whose native libraries do not load, or that found no GPU. */
    static UserError cannotStart(LinkageError error) {
        return new UserError(
                "ND4J cannot start on this machine: " + Causes.first(error)
                        + "; a build with mvn -Pcuda needs an NVIDIA GPU, its driver"
                        + " and CUDA 11.6, and any build needs the kind of processor and system that it was built for",
                error);
    }

    /** Refuses an executor of another kind. */
    static void require(@Nullable Kind all, Kind here) {
        if (all != null && all != here) {
            throw UserError.of(
                    "an executor computes on its %s, others on their %s: the last bits of results would depend on the"
                            + " distribution of the work; use executors of one kind, or set engine.mixed=true",
                    here, all);
        }
    }

    /** Returns the number of a GPU by its address, as the discovery script has printed it. */
    static int index(String address) {
        try {
            return Integer.parseInt(address);
        } catch (NumberFormatException e) {
            throw new UserError(
                    "spark.executor.resource.gpu.discoveryScript: it printed the address '" + address
                            + "', expected the number of a GPU, such as 0; jobs/gpus.sh prints those",
                    e);
        }
    }

    private static synchronized void pin(int number) {
        Nd4j.getAffinityManager().unsafeSetDevice(number);
        if (pinned != number) {
            pinned = number;
            LOG.info("tasks compute on GPU {}", number);
        }
    }
}
