package dev.grft.spark.images;

import dev.grft.spark.cluster.Sent;
import java.io.File;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.Dependency;
import org.apache.spark.OneToOneDependency;
import org.apache.spark.Partition;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.storage.StorageLevel;
import org.jspecify.annotations.Nullable;
import scala.collection.JavaConverters;
import scala.collection.mutable.Buffer;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * A set of images, decoded and prepared, as the executors hold it: a {@link Shard} for each partition, on the executor that decoded
 * it. Spark's own cache gives out a partition from its beginning only, where a training step wants a few examples from
 * anywhere in it.
 *
 * <p>What Spark does keep is what came of each image, a few bytes; that tells it which executor has a shard, and tasks go
 * there. On an executor that does not have it, a task makes it anew, from Spark's lineage.
 */
final class Shards {
    private static final Map<String, Map<Integer, Slot>> HELD = new HashMap<>(); // executor, by set and partition
    private static String application = "";

    /** The place of one shard, locked while it is made. */
    private static final class Slot {
        @Nullable
        Shard shard;

        /** Returns the shard, unless there is none or its file has turned out to be damaged, in which case it is deleted. */
        @Nullable
        Shard readable() {
            if (shard != null && shard.damaged()) {
                shard.close();
                shard = null;
            }
            return shard;
        }
    }

    private final Sent<String> set;
    private final JavaRDD<Decoded> results;
    private final JavaRDD<Shard> shards;

    /** Returns the shards of these images, those of a partition in a shard; they are decoded when a job first reads them. */
    Shards(JavaRDD<Decoded> decoded) {
        set = Sent.of(
                JavaSparkContext.fromSparkContext(decoded.context()),
                UUID.randomUUID().toString());
        JavaRDD<Shard> made = new ShardRdd(set, decoded.rdd(), null).toJavaRDD();
        results = made.flatMap(shard -> shard.results().iterator()).persist(StorageLevel.MEMORY_AND_DISK());
        shards = new ShardRdd(set, decoded.rdd(), results.rdd()).toJavaRDD();
    }

    /** Returns what came of each image, without the examples. */
    JavaRDD<Decoded> results() {
        return results;
    }

    /** Returns one shard in each partition; not to be persisted or collected. */
    JavaRDD<Shard> shards() {
        return shards;
    }

    /** Deletes the files: in local mode at once, on executors within seconds. */
    void release() {
        results.unpersist(false);
        set.close();
    }

    /** Returns a shard that this JVM has, or null. */
    private static @Nullable Shard found(String set, int partition) {
        Slot slot = slot(set, partition);
        synchronized (slot) {
            return slot.readable();
        }
    }

    /** Returns a shard in this JVM, made now if it is not there. */
    private static Shard made(String set, int partition, Supplier<Iterator<Decoded>> images) {
        Slot slot = slot(set, partition);
        synchronized (slot) {
            Shard shard = slot.readable();
            if (shard == null) {
                // In Spark's local directories, which go with the executor.
                File file = SparkEnv.get()
                        .blockManager()
                        .diskBlockManager()
                        .createTempLocalBlock()
                        ._2();
                shard = Shard.write(file, images.get());
                slot.shard = shard;
            }
            return shard;
        }
    }

    private static Slot slot(String set, int partition) {
        String current = SparkEnv.get().conf().getAppId();
        List<Slot> before = List.of();
        Slot slot;
        synchronized (HELD) {
            if (!application.equals(current)) {
                application = current;
                before = remove(List.copyOf(HELD.keySet())); // their files went with the application before
            }
            slot = HELD.computeIfAbsent(set, key -> new HashMap<>()).computeIfAbsent(partition, key -> new Slot());
        }
        close(before);
        return slot;
    }

    /** Deletes what this JVM has of some sets. */
    private static void drop(Collection<String> sets) {
        List<Slot> dropped;
        synchronized (HELD) {
            dropped = remove(sets);
        }
        close(dropped);
    }

    /** Lets go of all shards of this JVM, as if it had just begun. */
    static void dropAll() {
        List<Slot> dropped;
        synchronized (HELD) {
            dropped = remove(List.copyOf(HELD.keySet()));
        }
        close(dropped);
    }

    /** Returns the slots of some sets, which are no longer found; under the lock of {@code HELD}. */
    private static List<Slot> remove(Collection<String> sets) {
        List<Slot> slots = new ArrayList<>();
        for (String set : sets) {
            Map<Integer, Slot> removed = HELD.remove(set);
            if (removed != null) {
                slots.addAll(removed.values());
            }
        }
        return slots;
    }

    /** Deletes the files of slots that are no longer found; outside that lock, because a slot may be waited for. */
    private static void close(List<Slot> slots) {
        for (Slot slot : slots) {
            synchronized (slot) {
                if (slot.shard != null) {
                    slot.shard.close();
                    slot.shard = null;
                }
            }
        }
    }

    /** Returns how many shards this JVM has. */
    static int held() {
        synchronized (HELD) {
            return HELD.values().stream().mapToInt(Map::size).sum();
        }
    }

    /** One shard in each partition, this JVM's if it has it. */
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    private static final class ShardRdd extends RDD<Shard> {
        private static final long serialVersionUID = 1L;
        private static final ClassTag<Shard> TAG = ClassTag$.MODULE$.apply(Shard.class);

        private final Sent<String> set;
        private final RDD<Decoded> decoded;
        private final @Nullable RDD<Decoded> results;

        /**
         * Returns the shards of these images.
         *
         * @param results what Spark keeps where the shards are, null if these shards are made for that
         */
        ShardRdd(Sent<String> set, RDD<Decoded> decoded, @Nullable RDD<Decoded> results) {
            super(decoded.sparkContext(), dependencies(decoded, results).toSeq(), TAG);
            this.set = set;
            this.decoded = decoded;
            this.results = results;
        }

        /** The results come first: Spark sends a task to where the first of them is that has a place. */
        private static Buffer<Dependency<?>> dependencies(RDD<Decoded> decoded, @Nullable RDD<Decoded> results) {
            List<Dependency<?>> all = new ArrayList<>();
            if (results != null) {
                all.add(new OneToOneDependency<>(results));
            }
            all.add(new OneToOneDependency<>(decoded));
            return JavaConverters.asScalaBuffer(all);
        }

        @Override
        public Partition[] getPartitions() {
            return decoded.partitions();
        }

        @Override
        public scala.collection.Iterator<Shard> compute(Partition split, TaskContext context) {
            // Lazily: the task measures how long it waits.
            return JavaConverters.asScalaIterator(
                    Stream.of(split).map(each -> shard(each, context)).iterator());
        }

        private Shard shard(Partition split, TaskContext context) {
            String name = set.value();
            set.whenOver(() -> drop(List.of(name)));
            Shard shard = found(name, split.index());
            if (shard == null && results != null) {
                // Lost with an executor, they are made again along with the shard, and Spark registers its new place.
                results.iterator(split, context).size();
            }
            if (shard == null) {
                shard = made(
                        name, split.index(), () -> JavaConverters.asJavaIterator(decoded.iterator(split, context)));
            }
            return shard;
        }
    }
}
