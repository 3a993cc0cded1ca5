package dev.grft.spark.cluster;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import dev.grft.train.Trainer;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.apache.spark.SparkEnv;
import org.apache.spark.metrics.source.Source;
import scala.runtime.BoxedUnit;

/**
 * What a training does at present, in Spark's metrics system under the name {@code grft}, or {@code grft-2} and so on for others at the same
 * time, for whatever sinks it has, such as the Prometheus servlet. Of the driver: {@code step} and {@code steps}; {@code loss} of the last batch; {@code images_per_second} of the
 * last step; {@code skipped_images}, the broken ones; {@code sent_bytes} since the start, of parameters, gradients and their sums between the
 * driver and executors; {@code heap_bytes} and {@code native_bytes} of this process.
 */
public final class Gauges implements Source, AutoCloseable {
    private static final String NAME = "grft";

    private final MetricRegistry registry = new MetricRegistry();
    private volatile Trainer.Step step = new Trainer.Step(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    private final AtomicLong skippedImages = new AtomicLong();
    private final AtomicLong sentBytes = new AtomicLong();

    private final String name;
    private volatile boolean closed;

    private Gauges(String name, LongSupplier nativeBytes) {
        this.name = name;
        gauge("step", () -> step.step());
        gauge("steps", () -> step.steps());
        gauge("loss", () -> step.loss());
        gauge("images_per_second", () -> step.seconds() > 0 ? step.examples() / step.seconds() : 0);
        gauge("skipped_images", skippedImages::get);
        gauge("sent_bytes", sentBytes::get);
        gauge(
                "heap_bytes",
                () -> ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
        gauge("native_bytes", nativeBytes::getAsLong);
    }

    private void gauge(String name, Gauge<? extends Number> gauge) {
        registry.register(name, gauge);
    }

    /**
     * Returns gauges that Spark's metrics system of this application has. Those that are closed make way.
     *
     * @param nativeBytes returns the native memory that this process holds for networks
     */
    public static synchronized Gauges registered(LongSupplier nativeBytes) {
        var system = SparkEnv.get().metricsSystem();
        for (int number = 1; ; number++) {
            Gauges gauges = new Gauges(number == 1 ? NAME : NAME + "-" + number, nativeBytes);
            var earlier = system.getSourcesByName(gauges.name);
            if (!earlier.exists(source -> source instanceof Gauges at && !at.closed)) {
                earlier.foreach(source -> {
                    system.removeSource(source);
                    return BoxedUnit.UNIT;
                });
                system.registerSource(gauges);
                return gauges;
            }
        }
    }

    /** Leaves the last values where they are, until others take the name. */
    @Override
    public void close() {
        closed = true;
    }

    /** Notes a step and the bytes that it has sent. */
    public void step(Trainer.Step made, long bytes) {
        step = made;
        sentBytes.addAndGet(bytes);
    }

    /** Notes images that could not be decoded. */
    public void skipped(long images) {
        skippedImages.addAndGet(images);
    }

    @Override
    public String sourceName() {
        return name;
    }

    @Override
    public MetricRegistry metricRegistry() {
        return registry;
    }
}
