package dev.grft.spark.images;

import dev.grft.data.BrokenImages;
import dev.grft.data.Example;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Seeds;
import dev.grft.spark.cluster.Parcels;
import java.io.Serializable;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.LongPredicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.HashPartitioner;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaRDD;
import org.jspecify.annotations.Nullable;

/**
 * A set of images, decoded and prepared, kept on the local disks of the executors, which the operating system holds in
 * memory as far as there is room.
 *
 * <p>An example's id is its rank among the names of all images, broken ones too. The set lies in <i>pieces</i>: partitions of
 * consecutive ids, a few for each task that the cluster runs at a time. Whatever looks at each image once is done piece by piece.
 * Sums and batches are made by <i>blocks</i>, of which a piece has a power of two: a block has as many consecutive ids on any
 * cluster, so results do not depend on the pieces.
 *
 * <p>The steps of a training take examples from <i>shards</i>: shard s has the ids that are s modulo the number of shards, a setting.
 * In local mode they are views of the pieces. On a cluster they are files of their own, made when they are first asked for, and
 * the pieces are deleted; if pieces are asked for again, both stay.
 */
public final class Images implements AutoCloseable {
    /** Fewest ids of a block; more if there would be more than {@link #MOST_BLOCKS}, or if a batch is larger. */
    private static final int LEAST_BLOCK = 16;

    private static final int MOST_BLOCKS = 4096;

    /** Most pieces for each task at a time: with few, one task may be at work when the others have ended. */
    private static final int PIECES_OF_TASK = 4;

    /** Most ids of a piece, unless a block has more: so much is computed again if a task is lost. */
    private static final int MOST_OF_PIECE = 4096;

    private final Supplier<JavaRDD<Shard>> pieces;
    private final Supplier<JavaRDD<Shard>> parts;
    private final int piece;
    private final Supplier<JavaRDD<Shard>> shards;
    private final Labels labels;
    private final long count;
    private final BrokenImages broken;
    private final PassedOver passedOver;
    private final String digest;
    private final Runnable release;

    private Images(
            Supplier<JavaRDD<Shard>> pieces,
            Supplier<JavaRDD<Shard>> shards,
            Supplier<JavaRDD<Shard>> parts,
            int piece,
            Labels labels,
            long count,
            BrokenImages broken,
            PassedOver passedOver,
            String digest,
            Runnable release) {
        this.pieces = pieces;
        this.shards = shards;
        this.parts = parts;
        this.piece = piece;
        this.labels = labels;
        this.count = count;
        this.broken = broken;
        this.passedOver = passedOver;
        this.digest = digest;
        this.release = release;
    }

    /** Returns a set that has been read. */
    static Images of(Kept kept, Labels labels, BrokenImages broken, PassedOver passedOver, String digest) {
        return new Images(
                kept::pieces,
                kept::shards,
                kept::parts,
                kept.piece,
                labels,
                broken.total() - broken.count(),
                broken,
                passedOver,
                digest,
                kept::release);
    }

    /** What the executors keep of a set: pieces, shards or both. */
    static final class Kept {
        private final int piece;
        private final Partitioner byPiece;
        private final int count; // of shards
        private final boolean views;
        private @Nullable Shards pieces;
        private @Nullable Shards shards;

        private Kept(int total, int piece, int count, boolean views) {
            this.piece = piece;
            this.byPiece = new ImageSource.ByRank(Images.pieces(total, piece), piece);
            this.count = count;
            this.views = views;
        }

        /**
         * Returns a set in pieces.
         *
         * @param total number of ids
         * @param piece how many of them each piece has, but for the last
         * @param count number of shards
         * @param views whether shards are views of the pieces
         */
        static Kept inPieces(Shards pieces, int total, int piece, int count, boolean views) {
            Kept kept = new Kept(total, piece, count, views);
            kept.pieces = pieces;
            return kept;
        }

        /** Returns a set in shards, which are files. */
        static Kept inShards(Shards shards, int total, int piece, int count) {
            Kept kept = new Kept(total, piece, count, false);
            kept.shards = shards;
            return kept;
        }

        synchronized JavaRDD<Shard> pieces() {
            Shards found = pieces;
            if (found == null) {
                found = Objects.requireNonNull(shards).shuffled(byPiece);
                pieces = found;
            }
            return found.shards();
        }

        synchronized JavaRDD<Shard> shards() {
            Shards found = shards;
            if (found == null) {
                Shards from = Objects.requireNonNull(pieces);
                if (views) {
                    found = from.views(count);
                } else {
                    found = from.shuffled(new HashPartitioner(count)); // the hash of such an id is the id
                    from.release();
                    pieces = null;
                }
                shards = found;
            }
            return found.shards();
        }

        synchronized JavaRDD<Shard> parts() {
            return Objects.requireNonNull(pieces == null ? shards : pieces).shards();
        }

        synchronized void release() {
            for (Shards set :
                    Stream.of(shards, pieces).flatMap(Stream::ofNullable).toList()) {
                set.release();
                Parcels.release(set.shards()); // now that no set is made of this one
            }
        }
    }

    /** Returns how many ids a block has: a power of two that depends on nothing else. */
    static int block(long total, int batchSize) {
        long least = Math.max(LEAST_BLOCK, Math.max(batchSize, (total + MOST_BLOCKS - 1) / MOST_BLOCKS));
        return Math.toIntExact(Long.highestOneBit(least - 1) << 1);
    }

    /**
     * Returns how many ids a piece has: a block or more, twice, four times as many.
     *
     * @param tasks how many run at a time
     */
    static int piece(long total, int batchSize, int tasks) {
        int piece = block(total, batchSize);
        while (piece < MOST_OF_PIECE && pieces(total, piece) > (long) PIECES_OF_TASK * tasks) {
            piece *= 2;
        }
        return piece;
    }

    /** Returns how many pieces there are. */
    static int pieces(long total, int piece) {
        return Math.toIntExact(Math.max(1, (total + piece - 1) / piece));
    }

    /**
     * Returns how many consecutive ids make a block of a pass: batches of so many do not go beyond it.
     *
     * @throws IllegalArgumentException if the images were read for smaller batches
     */
    public int block(int batchSize) {
        int block = block(broken.total(), batchSize);
        if (block > piece) {
            throw new IllegalArgumentException(
                    "a batch of " + batchSize + " is larger than a piece, of " + piece + " images");
        }
        return block;
    }

    /** Returns piece p, by id, in partition p; a view of what the executors keep, not to be persisted. */
    public JavaRDD<Shard> pieces() {
        return pieces.get();
    }

    /** Returns shard s, by id, in partition s; as {@link #pieces}. */
    public JavaRDD<Shard> shards() {
        return shards.get();
    }

    /** Returns the pieces or the shards, whichever there are; as {@link #pieces}. */
    JavaRDD<Shard> parts() {
        return parts.get();
    }

    /** Returns the examples; those of shard s are in partition s, by id. */
    public JavaRDD<Example> examples() {
        return shards().mapPartitions(part -> part.next().examples().iterator(), true);
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
     * not depend on the preprocessing, the pieces or where the set lies. The label is empty for images read without.
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
        return only(id -> new SplittableRandom(seed ^ (id << 32)).nextInt(2) == which);
    }

    /**
     * Returns one of each {@code step} images that follow each other by id, drawn, since images may alternate between classes; a view, as a
     * half is.
     */
    public Images every(int step) {
        return step == 1 ? this : only(id -> id % step == Seeds.drawn(step, id / step));
    }

    private interface Ids extends LongPredicate, Serializable {}

    private Images only(Ids ids) {
        long inThem =
                parts().map(part -> (long) part.only(ids).examples().size()).reduce(Long::sum);
        return new Images(
                () -> pieces().map(part -> part.only(ids)),
                () -> shards().map(part -> part.only(ids)),
                () -> parts().map(part -> part.only(ids)),
                piece,
                labels,
                inThem,
                broken,
                passedOver,
                digest,
                () -> {});
    }

    /** Frees the disks of the executors; the examples must not be used any more. */
    @Override
    public void close() {
        release.run();
    }
}
