package dev.grft.spark.images;

import dev.grft.data.BrokenImages;
import dev.grft.data.Example;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import java.util.SplittableRandom;
import org.apache.spark.api.java.JavaRDD;

/**
 * A set of images, decoded and prepared, kept on the local disks of the executors, which the operating system holds in
 * memory as far as there is room.
 */
public final class Images implements AutoCloseable {
    private final JavaRDD<Shard> shards;
    private final Labels labels;
    private final long count;
    private final BrokenImages broken;
    private final PassedOver passedOver;
    private final String digest;
    private final Runnable release;

    Images(
            JavaRDD<Shard> shards,
            Labels labels,
            long count,
            BrokenImages broken,
            PassedOver passedOver,
            String digest,
            Runnable release) {
        this.shards = shards;
        this.labels = labels;
        this.count = count;
        this.broken = broken;
        this.passedOver = passedOver;
        this.digest = digest;
        this.release = release;
    }

    /**
     * Returns the examples; those of shard s are in partition s, by id. An example's id is its rank among the names of
     * all images, broken ones too, and its shard is the id modulo the number of shards: neither depends on how the
     * files were read. A view of what the executors keep; there is no use in persisting it.
     */
    public JavaRDD<Example> examples() {
        return shards.mapPartitions(part -> part.next().examples().iterator(), true);
    }

    /** Returns shard s in partition s, to read some of its examples only. */
    public JavaRDD<Shard> shards() {
        return shards;
    }

    /** Returns the classes, {@link Labels#none} if the images were read without. */
    public Labels labels() {
        return labels;
    }

    /** Returns the number of examples, 1 or more. */
    public long count() {
        return count;
    }

    /** Returns the images that could not be decoded and so are no examples. */
    public BrokenImages broken() {
        return broken;
    }

    /** Returns what lies at the place of the images and was not read. */
    public PassedOver passedOver() {
        return passedOver;
    }

    /**
     * Returns the digest of this set: the SHA-256, in hexadecimal, of a line {@code name TAB label TAB
     * SHA-256 of the encoded bytes LF} in UTF-8 for each image, broken ones too, in the order of their names. It does
     * not depend on the preprocessing, the shards or where the set lies. The label is empty for images read without.
     */
    public String digest() {
        return digest;
    }

    /**
     * Returns a half of these, each image in one of the two by chance. A view: closing it frees nothing.
     *
     * @param which 0 or 1
     */
    public Images half(long seed, int which) {
        JavaRDD<Shard> some =
                shards.map(shard -> shard.only(id -> new SplittableRandom(seed ^ (id << 32)).nextInt(2) == which));
        long inThem = some.map(shard -> (long) shard.examples().size()).reduce(Long::sum);
        return new Images(some, labels, inThem, broken, passedOver, digest, () -> {});
    }

    /** Frees the disks of the executors; the examples must not be used any more. */
    @Override
    public void close() {
        release.run();
    }
}
