package dev.grft.spark.cluster;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import org.apache.spark.SparkEnv;
import org.apache.spark.metrics.MetricsSystem;
import org.apache.spark.metrics.source.Source;
import org.jspecify.annotations.Nullable;

/**
 * What the tasks of this process have computed, in Spark's metrics system under the name {@code grft-executor}: {@code images} that tasks have
 * handled, of all passes; {@code shard_steps}, the parts of training steps; {@code shard_step_seconds} that these took in sum, of which
 * {@code input_seconds} they waited for images; {@code cache_bytes} of outputs of frozen blocks on the local disks; {@code native_bytes} of
 * networks and {@code heap_bytes}. The first four only grow, so that rates are computed from them: images a second of an executor is the
 * growth of {@code images}.
 *
 * <p>Executors have it from their first task on. In local mode the driver's process has it.
 */
public final class ExecutorGauges implements Source {
    private static final String NAME = "grft-executor";
    private static final LongAdder IMAGES = new LongAdder();
    private static final LongAdder STEPS = new LongAdder();
    private static final DoubleAdder SECONDS = new DoubleAdder();
    private static final DoubleAdder INPUT_SECONDS = new DoubleAdder();
    private static final AtomicLong CACHE = new AtomicLong();
    private static final AtomicLong NATIVE = new AtomicLong();

    private static volatile @Nullable MetricsSystem known; // which has these gauges

    private final MetricRegistry registry = new MetricRegistry();

    private ExecutorGauges() {
        gauge("images", IMAGES::sum);
        gauge("shard_steps", STEPS::sum);
        gauge("shard_step_seconds", SECONDS::sum);
        gauge("input_seconds", INPUT_SECONDS::sum);
        gauge("cache_bytes", CACHE::get);
        gauge("native_bytes", NATIVE::get);
        gauge(
                "heap_bytes",
                () -> ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
    }

    private void gauge(String name, Gauge<? extends Number> gauge) {
        registry.register(name, gauge);
    }

    /** Notes images that a task of this process has handled. */
    static void images(long handled) {
        register();
        IMAGES.add(handled);
    }

    /**
     * Notes the part of a step, or of several, that a task of this process has computed.
     *
     * @param seconds that it took
     * @param inputSeconds of these, how long it waited for images
     * @param cacheBytes that this process now keeps of outputs of frozen blocks
     * @param nativeBytes that this process now holds for networks
     */
    public static void steps(int count, double seconds, double inputSeconds, long cacheBytes, long nativeBytes) {
        register();
        STEPS.add(count);
        SECONDS.add(seconds);
        INPUT_SECONDS.add(inputSeconds);
        CACHE.set(cacheBytes);
        NATIVE.set(nativeBytes);
    }

    /** Registers the gauges with Spark's metrics system, once for each: in local mode an application may follow another. */
    private static void register() {
        SparkEnv env = SparkEnv.get();
        if (env == null || env.metricsSystem() == known) {
            return;
        }
        synchronized (ExecutorGauges.class) {
            if (env.metricsSystem() != known) {
                env.metricsSystem().registerSource(new ExecutorGauges());
                known = env.metricsSystem();
            }
        }
    }

    @Override
    public String sourceName() {
        return NAME;
    }

    @Override
    public MetricRegistry metricRegistry() {
        return registry;
    }
}
