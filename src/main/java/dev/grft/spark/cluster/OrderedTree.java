package dev.grft.spark.cluster;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.function.BinaryOperator;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.Function2;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * Sums numbers whose sum depends on the order, over a binary tree of fixed shape. The numbers of the leaves decide the shape: leaf
 * 2i is added to leaf 2i + 1, their sum to that of the next two, and so on upwards. A missing leaf counts for nothing.
 *
 * <p>So it does not matter which task adds what, nor which ends first: a task that has all leaves from i 2^k to (i + 1) 2^k may add
 * them up, and their sum is the leaf i of the rest of the tree.
 */
public final class OrderedTree {
    /** Up to so many parts go to the driver at once; more are first added in groups on executors. */
    private static final int FAN = 16;

    private OrderedTree() {}

    /** The sum of leaves that come in the order of their numbers. Holds one value for each level of the tree, at most. */
    public static final class Sum<T> {
        private final BinaryOperator<T> merge;
        private final Deque<Node<T>> nodes = new ArrayDeque<>(); // the latest first

        private record Node<T>(long leaf, T value) {}

        /**
         * Returns the sum of no leaves.
         *
         * @param merge may change and return its first argument
         */
        public Sum(BinaryOperator<T> merge) {
            this.merge = merge;
        }

        /** Adds a leaf whose number is larger than those before. */
        public void add(long leaf, T value) {
            while (nodes.size() > 1) {
                Node<T> right = nodes.pop();
                if (height(nodes.element().leaf, right.leaf) > height(right.leaf, leaf)) {
                    nodes.push(right);
                    break;
                }
                join(right);
            }
            nodes.push(new Node<>(leaf, value));
        }

        /** Adds a node to the one on its left. */
        private void join(Node<T> right) {
            Node<T> left = nodes.pop();
            nodes.push(new Node<>(left.leaf, merge.apply(left.value, right.value)));
        }

        /** Returns how far up the tree two leaves meet. */
        private static int height(long leaf, long other) {
            return Long.SIZE - Long.numberOfLeadingZeros(leaf ^ other);
        }

        /** Returns the sum; null if there was no leaf. */
        public @Nullable T result() {
            while (nodes.size() > 1) {
                join(nodes.pop());
            }
            return nodes.isEmpty() ? null : nodes.element().value;
        }
    }

    /**
     * Returns the sum of the parts, each of which is the leaf of its partition's number.
     *
     * @param parts one or none in each partition, at least one in all
     * @param merge may change and return its first argument
     */
    public static <T> T reduce(JavaRDD<T> parts, Function2<T, T, T> merge) {
        int count = parts.getNumPartitions();
        JavaPairRDD<Integer, T> numbered = parts.mapPartitionsWithIndex(
                        (partition, part) -> {
                            List<Tuple2<Integer, T>> one = new ArrayList<>(1);
                            part.forEachRemaining(value -> one.add(new Tuple2<>(partition, value)));
                            return one.iterator();
                        },
                        true)
                .mapToPair(pair -> pair);
        if (count <= FAN) {
            return sum(numbered.collect(), merge);
        }
        int levels =
                (Integer.SIZE - Integer.numberOfLeadingZeros(count)) / 2; // a group has about the root of the parts
        return sum(
                numbered.mapToPair(pair -> new Tuple2<>(pair._1() >> levels, pair))
                        .groupByKey(((count - 1) >> levels) + 1)
                        .mapValues(group -> sum(group, merge))
                        .collect(),
                merge);
    }

    private static <T> T sum(Iterable<Tuple2<Integer, T>> parts, Function2<T, T, T> merge) {
        List<Tuple2<Integer, T>> sorted = new ArrayList<>();
        parts.forEach(sorted::add);
        sorted.sort(Comparator.comparing(Tuple2::_1));
        Sum<T> sum = new Sum<>((a, b) -> {
            try {
                return merge.call(a, b);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        sorted.forEach(part -> sum.add(part._1(), part._2()));
        T all = sum.result();
        if (all == null) {
            throw new IllegalArgumentException("there is no part to sum");
        }
        return all;
    }
}
