package dev.grft.rounds;

/**
 * A node of the binary tree over the shards: shard s is the node s of level 0, and node i of a level has the nodes 2i and 2i + 1 below it as
 * its children.
 *
 * @param level 0 for a shard, at most 30
 * @param index from 0 within the level
 */
public record Node(int level, int index) {
    public Node {
        if (level < 0 || level > 30 || index < 0 || index > Integer.MAX_VALUE >> level) {
            throw new IllegalArgumentException("no node: level " + level + ", index " + index);
        }
    }

    /** Returns the node of a shard. */
    public static Node of(int shard) {
        return new Node(0, shard);
    }

    /** Returns the node over all shards. */
    static Node root(int shards) {
        return new Node(Integer.SIZE - Integer.numberOfLeadingZeros(shards - 1), 0);
    }

    /** Returns the first shard below it. */
    public int from() {
        return index << level;
    }

    /** Returns the shard after the last one below it, which may be more than there are. */
    public long to() {
        return (index + 1L) << level;
    }

    boolean isLeft() {
        return index % 2 == 0;
    }

    Node parent() {
        return new Node(level + 1, index / 2);
    }
}
