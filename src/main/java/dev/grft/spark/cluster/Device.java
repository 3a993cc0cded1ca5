package dev.grft.spark.cluster;

import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.vit.Keep;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Memory;
import dev.grft.vit.kernels.Nd4jKernels;
import dev.grft.vit.kernels.onednn.OneDnn;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a task computes with: kernels, threads, memory, and on GPUs the one that Spark has assigned to it.
 *
 * <p>CPUs and GPUs differ in the last bits, and so do GPUs of different names, CPUs with OpenBLAS and with MKL, and in bfloat16 those with AMX and
 * without; and a task may run on any executor. So the driver finds out once which of them computes, and an executor of another kind refuses
 * the task.
 */
public final class Device implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(Device.class);
    private static final String OF_EXECUTOR = "spark.executor.resource.gpu.amount";
    private static final String OF_TASK = "spark.task.resource.gpu.amount";

    private static @Nullable String assigned; // to this executor

    /** What computes. Results of different kinds differ in the last bits. No record: tasks return it, and Kryo cannot serialize one. */
    public static final class Kind implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String one;
        private final String several;
        private final boolean gpu;

        /**
         * Returns a kind.
         *
         * @param one its name
         * @param several the same of several
         * @param gpu whether it is a GPU
         */
        private Kind(String one, String several, boolean gpu) {
            this.one = one;
            this.several = several;
            this.gpu = gpu;
        }

        /** Returns a GPU in a precision. That all of a name have the same bits holds for the same libraries, and was not measured. */
        static Kind gpu(String name, String precision) {
            String what = " " + name + " in " + precision;
            return new Kind("GPU" + what, "GPUs" + what, true);
        }

        /** Returns CPUs of some libraries and instructions. */
        static Kind cpu(String with) {
            return new Kind("CPU" + with, "CPUs" + with, false);
        }

        /** Returns CPUs in bfloat16. */
        private static Kind narrow(String with, OneDnn.Bf16 bf16) {
            String in = with + " in bfloat16";
            return switch (bf16) {
                case AMX -> cpu(in + " by AMX");
                case AVX512 -> cpu(in + " by AVX-512");
                case CONVERTED -> {
                    Kind slow = cpu(in + " without instructions for it");
                    yield new Kind(slow.one, slow.several + ": engine.precision fp32 would be faster", false);
                }
            };
        }

        /**
         * Returns what computes in this process with some {@code engine.kernels} and {@code engine.precision}.
         *
         * @throws UserError if they cannot compute here
         */
        static Kind here(String kernels, String precision) {
            boolean torch = kernels.equals("torch");
            String library = torch || Backend.onGpu(kernels) ? "LibTorch" : "ND4J";
            try {
                if (Backend.onGpu(kernels)) {
                    return gpu(Backend.gpu(precision), precision);
                }
                Backend.requirePrecision(kernels, precision);
                if (torch) {
                    Backend.requireTorch();
                }
                String with = torch ? " with LibTorch" : Backend.onMkl() ? " with MKL" : "";
                if (!precision.equals("bf16")) {
                    return cpu(with);
                }
                library = "oneDNN";
                return narrow(with, Backend.bf16(kernels));
            } catch (LinkageError e) {
                throw cannotStart(library, e);
            }
        }

        /** Returns the name of several of the kind. */
        public String several() {
            return several;
        }

        /** Returns whether it is a GPU. */
        public boolean gpu() {
            return gpu;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Kind kind && one.equals(kind.one);
        }

        @Override
        public int hashCode() {
            return one.hashCode();
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
    private final boolean local;
    private final @Nullable Kind only;
    private final long gpuBytes;
    private final transient @Nullable ResourceProfile profile; // of no use to a task

    /** Returns a device of any kind that computes in fp32, on GPUs only where Spark assigns one. */
    public Device(String kernels, int blasThreads, boolean recompute) {
        this(kernels, "fp32", blasThreads, recompute, false, null, 0, null);
    }

    private Device(
            String kernels,
            String precision,
            int blasThreads,
            boolean recompute,
            boolean local,
            @Nullable Kind only,
            long gpuBytes,
            @Nullable ResourceProfile profile) {
        this.kernels = kernels;
        this.precision = precision;
        this.blasThreads = blasThreads;
        this.recompute = recompute;
        this.local = local;
        this.only = only;
        this.gpuBytes = gpuBytes;
        this.profile = profile;
    }

    /**
     * Returns the device of an application; asks an executor of what kind it is.
     *
     * @throws UserError if a GPU is required and there is none, or Spark's settings give an executor more than one
     */
    public static Device of(JavaSparkContext spark, Settings.Engine engine) {
        ResourceProfile profile = profile(spark.getConf());
        Device any = new Device(
                engine.kernels(),
                engine.precision(),
                engine.blasThreads(),
                engine.recompute(),
                spark.isLocal(),
                null,
                0,
                profile);
        String before = spark.getLocalProperty("spark.job.description");
        spark.setJobDescription("what executors compute on");
        Found found = any.local
                ? any.find()
                : Causes.unwrapped(
                        () -> any.computes(spark.parallelize(List.of(0), 1).map(one -> any.find()))
                                .first());
        Kind kind = found.kind;
        spark.setJobDescription(before);
        if (engine.requireGpu() && !kind.gpu) {
            throw UserError.of(
                    "engine.requireGpu is true, but the program computes on the %s: use executors with NVIDIA GPUs"
                            + " and a build with mvn -Pcuda",
                    kind);
        }
        return any.with(any.recompute, engine.mixed() ? null : kind, found.bytes);
    }

    /** Returns whether Spark gives the executors of an application GPUs; in local mode, where it gives none, whether this process takes one. */
    public static boolean hasGpus(JavaSparkContext spark) {
        if (!spark.isLocal()) {
            return spark.getConf().getInt(OF_EXECUTOR, 0) > 0;
        }
        Backend.takeGpu("auto", null);
        return Backend.onGpu("auto");
    }

    private Device with(boolean again, @Nullable Kind kind, long bytes) {
        return new Device(kernels, precision, blasThreads, again, local, kind, bytes, profile);
    }

    /** What computes, and the bytes of its memory if it is a GPU. */
    private static final class Found implements Serializable {
        private static final long serialVersionUID = 1L;

        private final Kind kind;
        private final long bytes;

        Found(Kind kind, long bytes) {
            this.kind = kind;
            this.bytes = bytes;
        }
    }

    private Found find() {
        return new Found(here(), Backend.ofGpu());
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
            throw neededBy("dynamic allocation");
        }
        return new ResourceProfileBuilder()
                .require(new TaskResourceRequests()
                        .cpus(conf.getInt("spark.task.cpus", 1))
                        .resource("gpu", 1))
                .build();
    }

    private static UserError neededBy(String what) {
        return UserError.of(
                "%s is set without %s, which %s needs: set it to 1, or to a part of 1 for several tasks on a GPU",
                OF_EXECUTOR, OF_TASK, what);
    }

    /**
     * Requires that Spark gives every task a GPU, if tasks compute on GPUs: those of a data frame cannot ask for one as {@link #computes}
     * does.
     *
     * @param what the data frame is for
     */
    public void requireGivenToAll(SparkConf conf, String what) {
        if (!local && onGpus(conf) && profile(conf) != null) {
            throw neededBy(what);
        }
    }

    /** Returns the same device that keeps nothing inside a block for the backward, or all. */
    public Device recomputing(boolean again) {
        return with(again, only, gpuBytes);
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
     * Returns whether tasks compute on GPUs. Where kinds are mixed, they do if executors are given any, or one was found.
     *
     * @param conf of the application
     */
    public boolean onGpus(SparkConf conf) {
        return only == null ? gpuBytes > 0 || conf.getInt(OF_EXECUTOR, 0) > 0 : only.gpu;
    }

    /** Returns the bytes of memory of the GPU that was found; 0 if it was a CPU. */
    public long gpuBytes() {
        return gpuBytes;
    }

    /** Returns what a network keeps of a forward that a backward follows or does not. */
    public Keep keep(boolean backward) {
        return !backward ? Keep.NOTHING : recompute ? Keep.INPUTS : Keep.ALL;
    }

    /**
     * Returns kernels for this thread, on the GPU that Spark has assigned to its task, if any.
     *
     * @throws UserError if this executor is not of the kind that others are, or cannot use that GPU
     */
    public Kernels kernels() {
        require(only, here());
        Kernels made = Backend.kernels(kernels, precision);
        if (!(made instanceof Nd4jKernels)) {
            Backend.threads(blasThreads);
        }
        return made;
    }

    /**
     * Returns where the arrays of these kernels lie: frozen weights that tasks share are copied there.
     *
     * @throws UserError if LibTorch is needed and cannot be used
     */
    public Memory memory() {
        takeGpu();
        return Backend.memory(kernels);
    }

    /** Returns whether this task computes on a GPU. */
    public boolean onGpu() {
        takeGpu();
        return Backend.onGpu(kernels);
    }

    /** Returns what computes here. */
    private Kind here() {
        takeGpu();
        return Kind.here(kernels, precision);
    }

    /** Takes the GPU that Spark has assigned to this task; in local mode, where Spark assigns none, the first one. */
    private void takeGpu() {
        String address = address();
        if (address != null || local) {
            Backend.takeGpu(kernels, address);
        }
    }

    private static @Nullable String address() {
        TaskContext task = TaskContext.get();
        ResourceInformation gpu = task == null ? null : task.resourcesJMap().get("gpu");
        if (gpu == null || gpu.addresses().length == 0) {
            return null;
        }
        String address = gpu.addresses()[0];
        synchronized (Device.class) {
            if (!address.equals(assigned)) {
                assigned = address;
                LOG.info("Spark has assigned the GPU {} to this executor", address);
            }
        }
        return address;
    }

    /** Returns what to tell the user of a library whose native code does not load. */
    static UserError cannotStart(String library, LinkageError error) {
        return new UserError(
                library + " cannot start on this machine: " + Causes.first(error)
                        + "; a build needs the kind of processor and system that it was built for",
                error);
    }

    /** Refuses an executor of another kind. */
    static void require(@Nullable Kind all, Kind here) {
        if (all != null && !all.equals(here)) {
            throw UserError.of(
                    "an executor computes on its %s, others on their %s: the last bits of results would depend on the"
                            + " distribution of the work; use executors of one kind, or set engine.mixed=true",
                    here, all);
        }
    }
}
