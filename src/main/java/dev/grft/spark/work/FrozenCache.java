package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.FrozenOutputs;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Scratch;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Shard;
import dev.grft.tuning.FrozenStages;
import java.io.File;
import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the {@link FrozenStages} of a training make of each image. Executors compute it once, image by image, and keep it on their local disks,
 * beside the prepared images.
 *
 * <p>Kept or computed again, an output has the same bits, because each image is computed alone. So results depend neither on the room on the disks
 * nor on executors that were lost.
 */
public final class FrozenCache implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(FrozenCache.class);

    /** Share of a disk that stays free. YARN gives up a disk that is 90 % full, and Kubernetes evicts pods at 85 or 90 %. */
    static final double FREE = 0.2;

    private static final Map<Long, Map<String, OutputFile>> HELD = new HashMap<>(); // by cache and place
    private static final AtomicLong TAKEN = new AtomicLong(); // bytes of all files of this JVM
    static final AtomicBoolean TOLD = new AtomicBoolean(); // of a full disk

    private final Sent<Disk> disk; // of each executor
    private final int length; // numbers of an output

    private FrozenCache(Sent<Disk> disk, int length) {
        this.disk = disk;
        this.length = length;
    }

    /**
     * Returns an empty cache; to be closed.
     *
     * @param most bytes that each executor keeps, of all caches
     */
    public static FrozenCache of(JavaSparkContext spark, FrozenStages stages, long most) {
        return of(spark, stages, new Disk(most, FREE));
    }

    /** Returns an empty cache on disks of which another share stays free; to be closed. */
    static FrozenCache of(JavaSparkContext spark, FrozenStages stages, Disk disk) {
        return new FrozenCache(Sent.of(spark, disk), stages.length());
    }

    /** Returns the file of a place on this executor. */
    private OutputFile file(String place, int examples) {
        Disk room = disk.value(); // fails if the training is over: nothing is made then that nobody deletes
        OutputFile file;
        synchronized (HELD) {
            file = HELD.computeIfAbsent(disk.id(), id -> new HashMap<>())
                    .computeIfAbsent(place, id -> new OutputFile(Scratch.file(), examples, length, room));
        }
        long id = disk.id();
        disk.whenOver(() -> drop(id));
        return file;
    }

    /**
     * Returns a batch of which a network reads these outputs. Of images whose outputs are kept, no pixels are read.
     *
     * @param place of the shard: a word and its number, which stand for the same examples as long as the cache is open
     * @param indices of the examples in the shard
     * @param seeds {@code [B]}, see {@link Batch#seeds}
     * @param unwanted see {@link Sampler#batches}
     */
    Batch batch(
            String place, Shard shard, int[] indices, long[] seeds, Preprocess preprocess, BooleanSupplier unwanted) {
        int size = indices.length;
        OutputFile file = file(place, shard.size());
        float[] @Nullable [] outputs = new float[size][];
        float[] @Nullable [] images = new float[size][];
        Target[] targets = new Target[size];
        float[] weights = new float[size];
        for (int b = 0; b < size; b++) {
            Sampler.requireWanted(unwanted);
            targets[b] = shard.target(indices[b]);
            weights[b] = shard.weight(indices[b]);
            outputs[b] = file.read(indices[b]);
            if (outputs[b] == null) {
                Example example = shard.examples().get(indices[b]);
                images[b] = Batch.of(List.of(example), preprocess).images();
            }
        }
        return Batch.frozen(
                targets,
                weights,
                seeds,
                preprocess.imageSize(),
                new FrozenOutputs(outputs, images, length, (b, output) -> file.write(indices[b], output)));
    }

    /** Deletes what this JVM has of a cache. */
    private static void drop(long id) {
        Map<String, OutputFile> files;
        synchronized (HELD) {
            files = HELD.remove(id);
        }
        if (files != null) {
            files.values().forEach(OutputFile::close);
        }
    }

    /** Returns the bytes that this JVM keeps of all trainings. */
    static long taken() {
        return TAKEN.get();
    }

    /** Deletes what the executors keep: in local mode at once, on executors within seconds. */
    @Override
    public void close() {
        disk.close();
    }

    /**
     * The disks of an executor.
     *
     * @param most bytes of all files of a JVM
     * @param free share of a disk that stays free
     */
    record Disk(long most, double free) implements OutputFile.Room, Serializable {
        @Override
        public boolean take(File folder, long bytes) {
            if (TAKEN.addAndGet(bytes) > most) {
                give(bytes);
                return false;
            }
            if (folder.getUsableSpace() - bytes < free * folder.getTotalSpace()) {
                give(bytes);
                if (!TOLD.getAndSet(true)) {
                    LOG.warn(
                            "{}: less than {} % of the disk would stay free; outputs of frozen blocks that are not kept yet are computed in each"
                                    + " epoch. Free some of the disk, or set spark.local.dir to another one",
                            folder, Math.round(100 * free));
                }
                return false;
            }
            return true;
        }

        @Override
        public void give(long bytes) {
            TAKEN.addAndGet(-bytes);
        }
    }
}
