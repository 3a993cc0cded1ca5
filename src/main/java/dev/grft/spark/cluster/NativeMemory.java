package dev.grft.spark.cluster;

import dev.grft.vit.kernels.Backend;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;

/** The memory that this process can still take beside its heap. */
public final class NativeMemory {
    private static final Pattern AVAILABLE = Pattern.compile("MemAvailable:\\s+(\\d+) kB");

    private NativeMemory() {}

    /**
     * Returns how many bytes are left, less than 0 if there are too few: of the GPU's memory, the machine's, the container's, what YARN or
     * Kubernetes give the executor or driver, and {@code org.bytedeco.javacpp.maxphysicalbytes}. The rest of the heap counts as taken.
     *
     * @param wanted how many bytes are needed
     */
    public static long left(long wanted) {
        Runtime java = Runtime.getRuntime();
        long heap = java.maxMemory() - java.totalMemory();
        long resident = Backend.residentBytes();
        long left = Math.min(Backend.freeOnGpu(wanted), Math.min(available(), machine() - resident) - heap);
        if (Backend.mostResidentBytes() > 0) {
            left = Math.min(left, Backend.mostResidentBytes() - resident);
        }
        long limit = limit();
        return limit == 0 ? left : Math.min(left, limit - resident - heap);
    }

    /** Returns the bytes beyond which the cluster kills this process; 0 if it does not. */
    private static long limit() {
        SparkEnv env = SparkEnv.get();
        if (env == null) {
            return 0;
        }
        SparkConf conf = env.conf();
        long heap = Runtime.getRuntime().maxMemory();
        if (env.executorId().equals("driver")) {
            ExecutorSettings.DriverOverhead driver = ExecutorSettings.driverOverhead(conf);
            return driver.limited() ? heap + driver.bytes() : 0;
        }
        ExecutorSettings executor = ExecutorSettings.of(conf);
        return executor.limited() ? heap + executor.overhead() : 0;
    }

    /** Returns the bytes of memory of the machine, or of the container if it has fewer; the largest number if they are not known. */
    static long machine() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : Long.MAX_VALUE;
    }

    /** Returns the bytes of memory that are free or can be freed, of the machine. */
    public static long available() {
        try {
            Matcher matcher = AVAILABLE.matcher(Files.readString(Path.of("/proc/meminfo")));
            if (matcher.find()) {
                return 1024 * Long.parseLong(matcher.group(1));
            }
        } catch (IOException e) {
            // not Linux: ask Java below
        }
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getFreeMemorySize()
                : 0;
    }
}
