package dev.grft.data;

import java.io.Serializable;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The order in which a shard's examples are taken: an endless sequence, each epoch of which is a shuffle of all of
 * them.
 *
 * <p>Any position can be read directly, so a resumed run takes the examples that it would have taken. Reads within one
 * epoch are cheap. Safe for use by several threads.
 */
public final class Order implements Serializable {
    private static final long serialVersionUID = 1L;

    private final long seed;
    private final int shard;
    private final int shardSize;
    private transient volatile @Nullable Shuffle latest; // lost on the way to another machine

    private static final class Shuffle {
        final long epoch;
        final int[] indices; // [shardSize]

        Shuffle(long epoch, int[] indices) {
            this.epoch = epoch;
            this.indices = indices;
        }
    }

    /**
     * Returns the order of a shard, which depends on nothing but the three numbers.
     *
     * @param shardSize how many examples the shard has, 1 or more
     */
    public Order(long seed, int shard, int shardSize) {
        if (shard < 0 || shardSize < 1) {
            throw new IllegalArgumentException("shard " + shard + " of " + shardSize + " examples has no order");
        }
        this.seed = seed;
        this.shard = shard;
        this.shardSize = shardSize;
    }

    /** Returns which example comes at a position, counted from 0 over all epochs; in [0, shardSize). */
    public int index(long position) {
        long epoch = epoch(position);
        Shuffle shuffle = latest;
        if (shuffle == null || shuffle.epoch != epoch) {
            shuffle = shuffled(epoch);
            latest = shuffle;
        }
        return shuffle.indices[Math.toIntExact(position % shardSize)];
    }

    /** Returns the epoch of a position, from 0. */
    public long epoch(long position) {
        if (position < 0) {
            throw new IllegalArgumentException("position " + position + " is before the first example");
        }
        return position / shardSize;
    }

    /** Fisher and Yates, as in Durstenfeld, CACM 7(7), 1964. */
    private Shuffle shuffled(long epoch) {
        SplittableRandom random = Seeds.random(seed, shard, epoch);
        int[] indices = new int[shardSize];
        for (int i = 0; i < shardSize; i++) { // inside out: indices[0..i] is a shuffle of 0..i
            int j = random.nextInt(i + 1);
            indices[i] = indices[j];
            indices[j] = i;
        }
        return new Shuffle(epoch, indices);
    }
}
