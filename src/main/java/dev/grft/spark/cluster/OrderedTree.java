package dev.grft.spark.cluster;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.BinaryOperator;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.Function2;
import scala.Tuple2;

/**
 * What Spark's {@code treeAggregate} is, but for numbers whose sum depends on the order: parts are put together in the order
 * of their partitions, whichever task ends first.
 */
public final class OrderedTree {
    /** Up to so many parts go to the driver at once; more are first put together in groups on executors. */
    private static final int FAN = 16;

    private OrderedTree() {}

    /**
     * Returns the parts put together, the first partition's first.
     *
     * @param parts one or none in each partition, at least one in all
     * @param merge may change and return its first argument
     */
    public static <T> T reduce(JavaRDD<T> parts, Function2<T, T, T> merge) {
        if (parts.getNumPartitions() <= FAN) {
            return inOrder(parts.collect(), merge);
        }
        int groups = (int) Math.ceil(Math.sqrt(parts.getNumPartitions()));
        int size = (parts.getNumPartitions() + groups - 1) / groups;
        JavaPairRDD<Integer, Tuple2<Integer, T>> keyed = parts.mapPartitionsWithIndex(
                        (partition, part) -> {
                            List<Tuple2<Integer, Tuple2<Integer, T>>> pairs = new ArrayList<>();
                            part.forEachRemaining(
                                    value -> pairs.add(new Tuple2<>(partition / size, new Tuple2<>(partition, value))));
                            return pairs.iterator();
                        },
                        true)
                .mapToPair(pair -> pair);
        List<Tuple2<Integer, T>> merged = new ArrayList<>(keyed.groupByKey(groups)
                .mapValues(group -> {
                    List<Tuple2<Integer, T>> sorted = new ArrayList<>();
                    group.forEach(sorted::add);
                    sorted.sort(Comparator.comparing(Tuple2::_1));
                    return inOrder(sorted.stream().map(Tuple2::_2).toList(), merge);
                })
                .collect());
        merged.sort(Comparator.comparing(Tuple2::_1));
        return inOrder(merged.stream().map(Tuple2::_2).toList(), merge);
    }

    private static <T> T inOrder(List<T> parts, Function2<T, T, T> merge) {
        BinaryOperator<T> operator = (a, b) -> {
            try {
                return merge.call(a, b);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        };
        return parts.stream().reduce(operator).orElseThrow();
    }
}
