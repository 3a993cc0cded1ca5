package dev.grft.rounds;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.BinaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What one side holds of a round's sum: nodes of which none is below another. Two children become their parent as soon as both are
 * there, so {@code n} consecutive shards take at most two nodes for each level, about {@code 2 log2(n)}. Not thread-safe.
 *
 * @param <T> a part of the sum
 */
public final class Nodes<T> {
    private final int shards;
    private final BinaryOperator<T> plus;
    private final NavigableMap<Integer, Held<T>> held = new TreeMap<>(); // by the first shard

    /**
     * A node that is held.
     *
     * @param value null if none of its shards has a part in the round
     */
    public record Held<T>(Node node, @Nullable T value) {}

    /**
     * Returns no nodes yet.
     *
     * @param shards 1 or more; they decide the tree
     * @param plus may change and return its first argument
     */
    public Nodes(int shards, BinaryOperator<T> plus) {
        if (shards < 1) {
            throw new IllegalArgumentException("a tree over " + shards + " shards");
        }
        this.shards = shards;
        this.plus = plus;
    }

    /**
     * Adds a node. Nodes below it that are held give way to it: they are parts of the same sum.
     *
     * @param value null if none of its shards has a part; belongs to this afterwards
     * @return whether it was not held yet; if a sum fails, none of the nodes is to be used any more
     * @throws IllegalArgumentException if the tree has no such node
     */
    public boolean add(Node node, @Nullable T value) {
        require(node);
        if (has(node.from(), node.to())) {
            return false;
        }
        int end = (int) Math.min(shards, node.to());
        held.subMap(node.from(), end).clear();
        held.put(node.from(), new Held<>(node, value));
        join(node);
        return true;
    }

    /** Throws an {@link IllegalArgumentException} if the tree has no such node. */
    void require(Node node) {
        if (node.from() >= shards || node.level() > Node.root(shards).level()) {
            throw new IllegalArgumentException("no node of " + shards + " shards: " + node);
        }
    }

    /** Adds siblings to each other, upwards from a node. If a sum fails, both siblings stay, and the left one may have been changed. */
    private void join(Node from) {
        Node node = from;
        while (node.level() < Node.root(shards).level()) {
            Node parent = node.parent();
            Held<T> left = held.get(parent.from());
            int middle = (int) ((parent.from() + parent.to()) / 2);
            Held<T> right = middle >= shards ? null : held.get(middle);
            if (left == null || left.node.level() != node.level()) {
                return;
            }
            if (middle < shards) { // else the sibling has no shard
                if (right == null || right.node.level() != node.level()) {
                    return;
                }
            }
            T sum = sum(left.value, right == null ? null : right.value);
            held.remove(middle);
            held.put(parent.from(), new Held<>(parent, sum));
            node = parent;
        }
    }

    private @Nullable T sum(@Nullable T left, @Nullable T right) {
        return left == null ? right : right == null ? left : plus.apply(left, right);
    }

    /** Returns whether a shard is below a node that is held. */
    boolean has(int shard) {
        return has(shard, shard + 1L);
    }

    private boolean has(int from, long to) {
        Map.Entry<Integer, Held<T>> before = held.floorEntry(from);
        return before != null && before.getValue().node.to() >= to;
    }

    /** Returns whether all shards are there. */
    boolean isWhole() {
        return has(0, Node.root(shards).to());
    }

    /** Returns the sum of all shards; null if none of them has a part. */
    @Nullable
    T sum() {
        if (!isWhole()) {
            throw new IllegalStateException("shards are missing");
        }
        return held.firstEntry().getValue().value;
    }

    /** Returns how many nodes are held. */
    int size() {
        return held.size();
    }

    /** Returns the nodes in the order of their shards, and lets go of them. */
    List<Held<T>> take() {
        List<Held<T>> all = new ArrayList<>(held.values());
        held.clear();
        return all;
    }
}
