package dev.grft.spark.images;

import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.EveryPartition;
import dev.grft.spark.cluster.Places;
import dev.grft.spark.cluster.Scratch;
import dev.grft.spark.cluster.Sent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.Dependency;
import org.apache.spark.OneToOneDependency;
import org.apache.spark.Partition;
import org.apache.spark.Partitioner;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;
import scala.collection.JavaConverters;
import scala.collection.mutable.Buffer;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * A set of images, decoded and prepared, as the executors hold it: a {@link Shard} for each partition, on the executor that made
 * it. Spark's own cache gives out a partition from its beginning only, where a training step wants a few examples from
 * anywhere in it.
 *
 * <p>What Spark does keep is what came of each image, a few bytes; that tells it which executor has a shard, and tasks go
 * there. On an executor that does not have it, a task makes it anew, from Spark's lineage.
 *
 * <p>The same images are available in other partitions ({@link #shuffled}), without decoding them again. In local mode all files lie on
 * one machine, and {@link #views} need no other files.
 */
final class Shards {
    private static final Map<String, Map<Integer, Slot>> HELD = new HashMap<>(); // executor, by set and partition
    private static final Map<String, Partition[]> PIECES = new ConcurrentHashMap<>(); // local mode, by set of views

    private static final long LOOK_NANOS = 1_000_000_000;

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
    private final @Nullable JavaRDD<Decoded> results; // null: views of what another set keeps
    private final List<ShardRdd> made = new ArrayList<>(); // with the set, as long as it is not released
    private final JavaRDD<Shard> shards;

    /** Returns the shards of these images, those of a partition in a shard; they are decoded when a job first reads them. */
    Shards(JavaRDD<Decoded> decoded) {
        this(decoded, false);
    }

    /**
     * Returns the same.
     *
     * @param spread whether consecutive shards are made on the same executor, where the images lie does not matter
     */
    private Shards(JavaRDD<Decoded> decoded, boolean spread) {
        set = sent(decoded.context());
        ShardRdd first = new FileRdd(set, decoded.rdd(), null, spread);
        results =
                first.toJavaRDD().flatMap(shard -> shard.results().iterator()).persist(StorageLevel.MEMORY_AND_DISK());
        ShardRdd kept = new FileRdd(set, decoded.rdd(), results.rdd(), false);
        made.addAll(List.of(first, kept));
        shards = kept.toJavaRDD();
    }

    private Shards(Shards pieces, int count) {
        results = null;
        set = sent(pieces.shards.context());
        PIECES.put(set.value(), pieces.shards.rdd().partitions()); // with the tasks they would travel in each step
        ShardRdd views = new ViewRdd(set, pieces.shards.rdd(), count);
        made.add(views);
        shards = views.toJavaRDD();
    }

    private static Sent<String> sent(SparkContext context) {
        return Sent.of(
                JavaSparkContext.fromSparkContext(context), UUID.randomUUID().toString());
    }

    /** Returns so many shards of the same examples in local mode, as views: an example is in the shard of its id modulo their number. */
    Shards views(int count) {
        return new Shards(this, count);
    }

    /**
     * Returns the same examples in other partitions, by id, in files of their own. They are made now.
     *
     * <p>One shuffle takes the prepared images there. Its files stay on the executors beside: what is lost is made of them again, and no
     * image is decoded again.
     */
    Shards shuffled(Partitioner partitioner) {
        Shards moved = new Shards(
                shards.flatMapToPair(part -> part.withSources().examples().stream()
                                .map(example -> new Tuple2<>(example.id(), Decoded.before(example)))
                                .iterator())
                        .repartitionAndSortWithinPartitions(partitioner)
                        .values(),
                true);
        try {
            Causes.unwrapped(() -> moved.results().count());
        } catch (RuntimeException e) {
            moved.release();
            throw e;
        }
        return moved;
    }

    /** Returns what came of each image, without the examples. */
    JavaRDD<Decoded> results() {
        return Objects.requireNonNull(results);
    }

    /** Returns one shard in each partition; not to be persisted or collected. */
    JavaRDD<Shard> shards() {
        return shards;
    }

    /** Deletes the files: in local mode at once, on executors within seconds. */
    void release() {
        if (results != null) {
            results.unpersist(false);
        }
        made.forEach(rdd -> {
            rdd.sent = null;
            PIECES.remove(rdd.set);
        });
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
    private static Shard made(String set, int partition, Supplier<Shard> maker) {
        Slot slot = slot(set, partition);
        synchronized (slot) {
            Shard shard = slot.readable();
            if (shard == null) {
                shard = maker.get();
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
    private abstract static class ShardRdd extends RDD<Shard> {
        private static final long serialVersionUID = 1L;
        private static final ClassTag<Shard> TAG = ClassTag$.MODULE$.apply(Shard.class);

        final String set;

        /** Null once the set is released: an executor that computes this then, for a set made of this one, keeps nothing. */
        volatile @Nullable Sent<String> sent;

        ShardRdd(Sent<String> sent, SparkContext context, Buffer<Dependency<?>> dependencies) {
            super(context, dependencies.toSeq(), TAG);
            this.set = sent.value();
            this.sent = sent;
        }

        @Override
        @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
        public scala.collection.Iterator<Shard> compute(Partition split, TaskContext context) {
            Sent<String> present = sent;
            if (present != null) {
                String name = set;
                present.whenOver(() -> drop(List.of(name)));
            }
            // Lazily: the task measures how long it waits.
            return JavaConverters.asScalaIterator(
                    Stream.of(split).map(each -> shard(each, context)).iterator());
        }

        boolean isReleased() {
            return sent == null;
        }

        abstract Shard shard(Partition split, TaskContext context);
    }

    /** Shards in files of their own. */
    @SuppressWarnings("deprecation") // JavaConverters, as above
    private static final class FileRdd extends ShardRdd {
        private static final long serialVersionUID = 1L;

        private final RDD<Decoded> decoded;
        private final @Nullable RDD<Decoded> results;
        private final boolean spread;
        private transient List<String> executors = List.of();
        private transient long looked;

        /**
         * Returns the shards of these images.
         *
         * @param results what Spark keeps where the shards are, null if these shards are made for that
         * @param spread whether tasks prefer executors in the order of the partitions
         */
        FileRdd(Sent<String> set, RDD<Decoded> decoded, @Nullable RDD<Decoded> results, boolean spread) {
            super(set, decoded.sparkContext(), dependencies(decoded, results));
            this.decoded = decoded;
            this.results = results;
            this.spread = spread;
        }

        /** Sums of consecutive shards then need not leave their executor one by one. */
        @Override
        public synchronized scala.collection.immutable.Seq<String> getPreferredLocations(Partition split) {
            List<String> here = List.of();
            if (spread && !sparkContext().isLocal()) {
                if (executors.isEmpty() || System.nanoTime() - looked > LOOK_NANOS) {
                    executors = List.copyOf(Places.of(sparkContext()).values());
                    looked = System.nanoTime();
                }
                if (!executors.isEmpty()) {
                    int place = (int) ((long) split.index() * executors.size() / partitions().length);
                    here = List.of(executors.get(place));
                }
            }
            return JavaConverters.asScalaBuffer(here).toList();
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
        Shard shard(Partition split, TaskContext context) {
            if (isReleased()) {
                // A set that was made of this one has lost its shuffle files. Nothing is to stay.
                Shard passing = written(split, context);
                context.addTaskCompletionListener((TaskCompletionListener) ended -> passing.close());
                return passing;
            }
            Shard shard = found(set, split.index());
            if (shard == null && results != null) {
                // Lost with an executor, they are made again along with the shard, and Spark registers its new place.
                results.iterator(split, context).size();
            }
            if (shard == null) {
                shard = made(set, split.index(), () -> written(split, context));
            }
            return shard;
        }

        private Shard written(Partition split, TaskContext context) {
            return Shard.write(Scratch.file(), JavaConverters.asJavaIterator(decoded.iterator(split, context)));
        }
    }

    /** Shards that are views of all pieces, which lie on this machine. */
    @SuppressWarnings("deprecation") // JavaConverters, as above
    private static final class ViewRdd extends ShardRdd {
        private static final long serialVersionUID = 1L;

        private final RDD<Shard> pieces;
        private final int count;

        ViewRdd(Sent<String> set, RDD<Shard> pieces, int count) {
            super(
                    set,
                    pieces.sparkContext(),
                    JavaConverters.asScalaBuffer(List.<Dependency<?>>of(new EveryPartition<>(pieces))));
            this.pieces = pieces;
            this.count = count;
        }

        @Override
        public Partition[] getPartitions() {
            return EveryPartition.numbered(count);
        }

        @Override
        Shard shard(Partition split, TaskContext context) {
            return made(
                    set,
                    split.index(),
                    () -> Shard.dealt(
                            Stream.of(Objects.requireNonNull(PIECES.get(set)))
                                    .map(piece ->
                                            pieces.iterator(piece, context).next())
                                    .toList(),
                            split.index(),
                            count));
        }
    }
}
