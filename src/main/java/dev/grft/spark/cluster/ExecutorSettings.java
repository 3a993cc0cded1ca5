package dev.grft.spark.cluster;

import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.jspecify.annotations.Nullable;

/**
 * What the settings of Spark give an executor.
 *
 * @param cores of an executor
 * @param cpus of these, how many a task is given
 * @param sharing how many tasks may share its GPU; a great number if there is none
 * @param heap bytes of Java's heap
 * @param overhead bytes beside the heap
 * @param limited whether an executor that needs more than these is killed: YARN and Kubernetes do so
 */
public record ExecutorSettings(int cores, int cpus, int sharing, long heap, long overhead, boolean limited) {
    private static final long MIB = 1 << 20;
    private static final long LEAST_OVERHEAD = 384 * MIB; // Spark's, as the factor is

    /** Returns those of an application that is not in local mode. */
    public static ExecutorSettings of(SparkConf conf) {
        String master = conf.get("spark.master");
        boolean limited = master.startsWith("yarn") || master.startsWith("k8s");
        long heap = MIB * conf.getSizeAsMb("spark.executor.memory", "1g");
        double factor = conf.getDouble("spark.executor.memoryOverheadFactor", 0.1);
        long overhead = conf.contains("spark.executor.memoryOverhead")
                ? MIB * conf.getSizeAsMb("spark.executor.memoryOverhead")
                : Math.max((long) (factor * heap), LEAST_OVERHEAD);
        int gpus = conf.getInt("spark.executor.resource.gpu.amount", 0);
        return new ExecutorSettings(
                conf.getInt("spark.executor.cores", 1),
                conf.getInt("spark.task.cpus", 1),
                gpus == 0 ? Integer.MAX_VALUE : (int) (gpus / conf.getDouble("spark.task.resource.gpu.amount", 1)),
                heap,
                overhead,
                limited);
    }

    /** Returns how many tasks of an application run at a time, once all its executors have come. */
    public static int tasksAtATime(SparkContext spark) {
        int registered = spark.defaultParallelism();
        SparkConf conf = spark.getConf();
        return Math.max(1, spark.isLocal() ? registered : of(conf).tasksOfCluster(conf, registered));
    }

    /** Returns how many tasks compute on an executor at a time. */
    public int tasks() {
        return tasks(cores);
    }

    /** Returns how many tasks compute at a time on an executor that has so many cores. */
    int tasks(int ofExecutor) {
        return Math.min(ofExecutor / cpus, sharing);
    }

    /**
     * Returns how many tasks compute in the whole cluster at a time, once all executors have come.
     *
     * @param registered cores that have come by now; they count if the settings name no number of executors or cores
     */
    int tasksOfCluster(SparkConf conf, int registered) {
        boolean dynamic = conf.getBoolean("spark.dynamicAllocation.enabled", false);
        int executors = conf.getInt(dynamic ? "spark.dynamicAllocation.maxExecutors" : "spark.executor.instances", 0);
        return executors > 0
                ? (int) Math.min(Integer.MAX_VALUE, (long) executors * tasks())
                : conf.getInt("spark.cores.max", registered) / cpus;
    }

    /** What the tasks of a process share beside its heap, or on its GPU, bytes. */
    public record Shared(long bytes, int tasks) {
        /**
         * Returns what arrays may take of a GPU's memory: four fifths of it less 1 GiB. The rest is for CUDA, LibTorch's temporary arrays and the gaps
         * between arrays, an estimate.
         *
         * @param all bytes that the GPU has
         */
        public static Shared ofGpu(long all, int tasks) {
            return new Shared(Math.max(0, all / 5 * 4 - (1L << 30)), Math.max(1, tasks));
        }
    }

    /**
     * Returns what the tasks of an executor share beside its heap, or those of the one process of local mode: what the settings say or the
     * manager of the cluster allows; in local mode without setting, what the machine or container has in all, less the heap.
     *
     * @param local whether the application is in local mode, and of how many tasks then
     * @return null if there is no limit, or the arrays are on GPUs
     */
    public static @Nullable Shared shared(SparkConf conf, boolean local, int tasks) {
        if (!local) {
            ExecutorSettings executor = of(conf);
            boolean limited = executor.limited || conf.contains("spark.executor.memoryOverhead");
            return limited && executor.sharing == Integer.MAX_VALUE && executor.tasks() > 0
                    ? new Shared(executor.overhead, executor.tasks())
                    : null;
        }
        if (conf.contains("spark.driver.memoryOverhead")) {
            return new Shared(driverOverhead(conf).bytes, tasks);
        }
        long machine = NativeMemory.machine();
        return machine == Long.MAX_VALUE
                ? null
                : new Shared(machine - Runtime.getRuntime().maxMemory(), tasks);
    }

    /**
     * What the driver has beside its heap.
     *
     * @param limited whether a driver that needs more is killed: in cluster mode YARN and Kubernetes do so. In a pod, Spark starts the driver
     *     in client mode and sets {@code spark.kubernetes.submitInDriver}.
     */
    public record DriverOverhead(long bytes, boolean limited) {}

    /** Returns what the settings give the driver beside its heap. */
    public static DriverOverhead driverOverhead(SparkConf conf) {
        String master = conf.get("spark.master");
        boolean inCluster = conf.get("spark.submit.deployMode", "client").equals("cluster");
        boolean inPod = conf.getBoolean("spark.kubernetes.submitInDriver", false);
        boolean limited =
                (master.startsWith("yarn") && inCluster) || (master.startsWith("k8s") && (inCluster || inPod));
        double factor = conf.getDouble("spark.driver.memoryOverheadFactor", 0.1);
        long heap = MIB * conf.getSizeAsMb("spark.driver.memory", "1g");
        long bytes = conf.contains("spark.driver.memoryOverhead")
                ? MIB * conf.getSizeAsMb("spark.driver.memoryOverhead")
                : Math.max((long) (factor * heap), LEAST_OVERHEAD);
        return new DriverOverhead(bytes, limited);
    }
}
