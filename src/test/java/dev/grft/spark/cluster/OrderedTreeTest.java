package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.OnSpark;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.apache.spark.api.java.JavaRDD;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OrderedTreeTest extends OnSpark {
    /** Returns a partition for each number, with its text in it; the first one is the last to end. */
    private static JavaRDD<String> parts(int count) {
        List<Integer> numbers = IntStream.range(0, count).boxed().toList();
        return context.parallelize(numbers, count).map(number -> {
            if (number == 0) {
                Thread.sleep(200);
            }
            return number + " ";
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 16, 17, 40})
    void partsArePutTogetherInTheOrderOfTheirPartitions(int count) {
        String inOrder =
                IntStream.range(0, count).mapToObj(number -> number + " ").collect(Collectors.joining());

        assertThat(OrderedTree.reduce(parts(count), String::concat)).isEqualTo(inOrder);
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 40})
    void emptyPartitionsCountForNothing(int count) {
        List<String> inOrder = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            if (number % 3 == 1) {
                inOrder.add(number + " ");
            }
        }

        JavaRDD<String> some = parts(count).filter(text -> Integer.parseInt(text.strip()) % 3 == 1);

        assertThat(some.getNumPartitions()).isEqualTo(count);
        assertThat(OrderedTree.reduce(some, String::concat)).isEqualTo(String.join("", inOrder));
    }

    /** Returns the sum of leaves from {@code from} on, below {@code from + width}, by the definition; null if there is none. */
    private static @Nullable String tree(Set<Integer> leaves, int from, int width) {
        if (width == 1) {
            return leaves.contains(from) ? Integer.toString(from) : null;
        }
        String left = tree(leaves, from, width / 2);
        String right = tree(leaves, from + width / 2, width / 2);
        return left == null ? right : right == null ? left : sum(left, right);
    }

    /** Shows which sums were added. */
    private static String sum(String left, String right) {
        return "(" + left + " " + right + ")";
    }

    private static String sumOf(Collection<Integer> leaves) {
        OrderedTree.Sum<String> sum = new OrderedTree.Sum<>(OrderedTreeTest::sum);
        leaves.forEach(leaf -> sum.add(leaf, Integer.toString(leaf)));
        return String.valueOf(sum.result());
    }

    @Property
    void theLeavesDecideTheTree(@ForAll @Size(min = 1) Set<@IntRange(max = 300) Integer> leaves) {
        assertThat(sumOf(new TreeSet<>(leaves))).isEqualTo(tree(leaves, 0, 512));
    }

    @Property
    void whoAddsAWholeSubtreeChangesNothing(
            @ForAll @Size(min = 1) Set<@IntRange(max = 300) Integer> leaves, @ForAll @IntRange(max = 9) int levels) {
        SortedMap<Integer, List<Integer>> pieces = new TreeMap<>();
        new TreeSet<>(leaves)
                .forEach(leaf -> pieces.computeIfAbsent(leaf >> levels, key -> new ArrayList<>())
                        .add(leaf));
        OrderedTree.Sum<String> sum = new OrderedTree.Sum<>(OrderedTreeTest::sum);
        pieces.forEach((piece, some) -> sum.add(piece, sumOf(some)));

        assertThat(sum.result()).isEqualTo(tree(leaves, 0, 512));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 16, 17, 40, 300})
    void partitionsAreTheLeaves(int count) {
        JavaRDD<String> parts = context.parallelize(
                        IntStream.range(0, count).boxed().toList(), count)
                .map(number -> Integer.toString(number));

        assertThat(OrderedTree.reduce(parts, OrderedTreeTest::sum))
                .isEqualTo(tree(IntStream.range(0, count).boxed().collect(Collectors.toSet()), 0, 512));
    }

    @Test
    void nothingHasNoSum() {
        assertThat(new OrderedTree.Sum<>(String::concat).result()).isNull();
    }
}
