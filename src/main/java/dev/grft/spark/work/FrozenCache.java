package dev.grft.spark.work;

import dev.grft.data.Augment;
import dev.grft.data.FrozenOutputs;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.Sent;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.io.File;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntFunction;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * What the frozen stages of a training, those below the first that trains, make of each image. It is the same in each epoch: executors compute it
 * once, image by image, and keep it on their local disks, beside the prepared images.
 *
 * <p>Kept or computed again, an output has the same bits, because each image is computed alone. So results depend neither on the room on the disks
 * nor on executors that were lost.
 */
public final class FrozenCache implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    /** Share of a disk that stays free. */
    private static final double FREE = 0.1;

    private static final Map<Long, Map<Integer, OutputFile>> HELD = new HashMap<>(); // by cache and shard
    private static final AtomicLong TAKEN = new AtomicLong(); // bytes of all files of this JVM

    private final Sent<Long> most; // bytes on each executor
    private final int stages;
    private final int length; // numbers of an output

    private FrozenCache(Sent<Long> most, int stages, int length) {
        this.most = most;
        this.stages = stages;
        this.length = length;
    }

    /**
     * Returns how many stages of a training, from the first on, always make the same of an image; 0 if none of them is an encoder block, if
     * images or paths change at random, or on GPUs, which one image does not keep busy.
     *
     * @param layout of what trains
     * @param dropPath {@code training.dropPath}
     */
    public static int stages(Layout layout, Augment augment, double dropPath, Device.@Nullable Kind kind) {
        boolean same = augment.changesNothing() && dropPath == 0 && kind != Device.Kind.GPU;
        return same && layout.frozenStages() > 1 ? layout.frozenStages() : 0;
    }

    /** Returns how many numbers the output of that many stages has for an image. */
    public static int length(VitConfig config, int stages) {
        boolean all = stages <= config.depth() || !config.variant().pooling().classTokenOnly();
        return Math.multiplyExact(all ? config.tokens() : 1, config.width());
    }

    /**
     * Returns a cache; to be closed.
     *
     * @param stages number of frozen stages, 1 or more
     * @param most bytes that each executor keeps
     */
    public static FrozenCache of(JavaSparkContext spark, VitConfig config, int stages, long most) {
        return new FrozenCache(Sent.of(spark, most), stages, length(config, stages));
    }

    /** Returns the bytes of an image's output. */
    public long bytes() {
        return (long) length * Float.BYTES;
    }

    /** Returns the file of a shard on this executor. */
    private OutputFile file(int shard, int examples) {
        long room = most.value(); // fails if the training is over: nothing is made then that nobody deletes
        OutputFile file;
        synchronized (HELD) {
            file = HELD.computeIfAbsent(most.id(), id -> new HashMap<>())
                    .computeIfAbsent(shard, id -> new OutputFile(place(), examples, length, new Disk(room)));
        }
        long id = most.id();
        most.whenOver(() -> drop(id));
        return file;
    }

    /**
     * Returns the outputs of a batch.
     *
     * @param indices of its examples in the shard
     * @param image returns an image as the network reads it, {@code [3*S*S]}, by its index
     */
    FrozenOutputs of(int shard, int examples, int[] indices, IntFunction<float[]> image) {
        OutputFile file = file(shard, examples);
        float[][] outputs = new float[indices.length][];
        float[][] images = new float[indices.length][];
        for (int b = 0; b < indices.length; b++) {
            float[] kept = file.read(indices[b]);
            if (kept == null) {
                images[b] = image.apply(indices[b]);
            } else {
                outputs[b] = kept;
            }
        }
        return new FrozenOutputs(outputs, images, length, (b, output) -> file.write(indices[b], output));
    }

    /** Returns a new file in Spark's local directories, which go with the executor. */
    private static File place() {
        return SparkEnv.get()
                .blockManager()
                .diskBlockManager()
                .createTempLocalBlock()
                ._2();
    }

    /** Deletes what this JVM has of a cache. */
    private static void drop(long id) {
        Map<Integer, OutputFile> files;
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
        most.close();
    }

    /** The disks of this executor. */
    private record Disk(long most) implements OutputFile.Room {
        @Override
        public boolean take(File folder, long bytes) {
            if (TAKEN.addAndGet(bytes) > most || folder.getUsableSpace() - bytes < FREE * folder.getTotalSpace()) {
                give(bytes);
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
