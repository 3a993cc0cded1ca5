package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class OrderTest {
    @Property(tries = 200)
    void eachEpochTakesEachExampleOnce(
            @ForAll long seed, @ForAll @IntRange(max = 1000) int shard, @ForAll @IntRange(min = 1, max = 50) int size) {
        Order order = new Order(seed, shard, size);

        for (long epoch = 0; epoch < 3; epoch++) {
            long start = epoch * size;
            assertThat(LongStream.range(start, start + size).mapToInt(order::index))
                    .containsExactlyInAnyOrderElementsOf(
                            IntStream.range(0, size).boxed().toList());
            assertThat(order.epoch(start)).isEqualTo(epoch);
            assertThat(order.epoch(start + size - 1)).isEqualTo(epoch);
        }
    }

    @Test
    void anOrderStaysTheSameFromReleaseToRelease() {
        assertThat(first(new Order(42, 0, 10), 20))
                .containsExactly(4, 3, 7, 1, 2, 5, 0, 8, 6, 9, 1, 0, 9, 3, 2, 5, 7, 6, 8, 4);
    }

    @Test
    void epochsShardsAndSeedsHaveOrdersOfTheirOwn() {
        int[] order = first(new Order(1, 0, 100), 200);

        assertThat(Arrays.copyOfRange(order, 100, 200)).isNotEqualTo(Arrays.copyOf(order, 100));
        assertThat(first(new Order(1, 1, 100), 200)).isNotEqualTo(order);
        assertThat(first(new Order(2, 0, 100), 200)).isNotEqualTo(order);
    }

    @Test
    void anyPositionCanBeAskedForAtAnyTime() throws Exception {
        Order order = new Order(5, 3, 7);
        int late = order.index(1_000_000_000_000L);
        int early = order.index(3);

        assertThat(order.index(1_000_000_000_000L)).isEqualTo(late);
        Order elsewhere = (Order) Copies.sent(order);
        assertThat(elsewhere.index(3)).isEqualTo(early);
        assertThat(elsewhere.index(1_000_000_000_000L)).isEqualTo(late);
    }

    @Test
    void eachOrderIsAsLikelyAsAnyOther() {
        int[] counts = new int[6];
        for (int seed = 0; seed < 6000; seed++) {
            Order order = new Order(seed, 0, 3);
            counts[order.index(0) * 2 + (order.index(1) > order.index(2) ? 1 : 0)]++;
        }
        // 1000 each is expected with a standard deviation of 29.
        assertThat(Arrays.stream(counts)).allMatch(count -> count > 870 && count < 1130);
    }

    @Test
    void thereIsNothingBeforeTheFirstExample() {
        assertThatThrownBy(() -> new Order(0, 0, 1).index(-1)).hasMessage("position -1 is before the first example");
        assertThatThrownBy(() -> new Order(0, 2, 0)).hasMessage("shard 2 of 0 examples has no order");
    }

    private static int[] first(Order order, int count) {
        return IntStream.range(0, count).map(order::index).toArray();
    }
}
