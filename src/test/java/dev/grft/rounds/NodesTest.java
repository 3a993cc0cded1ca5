package dev.grft.rounds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.spark.cluster.OrderedTree;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sums that do not depend on who adds what. */
class NodesTest {
    private static Nodes<String> texts(int shards) {
        return new Nodes<>(shards, (a, b) -> "(" + a + " " + b + ")");
    }

    /** Returns the sum as the jobs of the simple way have it; null parts are of shards without examples. */
    private static @Nullable Float inOrder(@Nullable Float[] parts) {
        OrderedTree.Sum<Float> sum = new OrderedTree.Sum<>(Float::sum);
        for (int shard = 0; shard < parts.length; shard++) {
            if (parts[shard] != null) {
                sum.add(shard, parts[shard]);
            }
        }
        return sum.result();
    }

    private static @Nullable Float[] parts(int shards, SplittableRandom random, double empty) {
        Float[] parts = new Float[shards];
        for (int shard = 0; shard < shards; shard++) {
            parts[shard] = random.nextDouble() < empty
                    ? null
                    : (float) Math.scalb(random.nextDouble(-1, 1), random.nextInt(20));
        }
        return parts;
    }

    @Test
    void theBitsAreThoseOfTheSimpleWayForOneToEightHoldersOfOneTo64Shards() {
        SplittableRandom random = new SplittableRandom(3);
        int orderCounts = 0;
        for (int shards = 1; shards <= 64; shards++) {
            for (double empty : new double[] {0, 0.3}) {
                Float[] parts = parts(shards, random, empty);
                float straight = 0;
                for (Float part : parts) {
                    straight += part == null ? 0 : part;
                }
                Float expected = inOrder(parts);
                orderCounts += expected == null || expected == straight ? 0 : 1;
                for (int holders = 1; holders <= 8; holders++) {
                    Nodes<Float> driver = new Nodes<>(shards, Float::sum);
                    List<Nodes.Held<Float>> sent = new ArrayList<>();
                    for (int holder = 0; holder < holders; holder++) {
                        sent.addAll(held(parts, shards * holder / holders, shards * (holder + 1) / holders, random));
                    }
                    Collections.shuffle(sent, new Random(random.nextLong()));
                    sent.forEach(node ->
                            assertThat(driver.add(node.node(), node.value())).isTrue());
                    assertThat(driver.isWhole()).isTrue();
                    assertThat(driver.sum()).isEqualTo(expected);
                }
            }
        }
        assertThat(orderCounts).isGreaterThan(50); // else this test shows nothing
    }

    /** Returns what a holder of consecutive shards sends, which it computes in any order. */
    private static List<Nodes.Held<Float>> held(@Nullable Float[] parts, int from, int to, SplittableRandom random) {
        List<Integer> order = new ArrayList<>();
        for (int shard = from; shard < to; shard++) {
            order.add(shard);
        }
        Collections.shuffle(order, new Random(random.nextLong()));
        Nodes<Float> nodes = new Nodes<>(parts.length, Float::sum);
        order.forEach(shard -> nodes.add(Node.of(shard), parts[shard]));
        int length = Math.max(1, to - from);
        assertThat(nodes.size()).isLessThanOrEqualTo(2 * (32 - Integer.numberOfLeadingZeros(length)));
        return nodes.take();
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4, 8, 16})
    void holdersOfAPowerOfTwoSendOneNodeEach(int each) {
        for (int holder = 0; holder < 64 / each; holder++) {
            assertThat(held(new Float[64], holder * each, (holder + 1) * each, new SplittableRandom(1)))
                    .hasSize(1);
        }
    }

    @Test
    void childrenBecomeTheirParentAndASiblingWithoutShardsIsNotWaitedFor() {
        Nodes<String> five = texts(5);
        five.add(Node.of(4), "4");
        assertThat(five.take()).containsExactly(new Nodes.Held<>(new Node(2, 1), "4"));
        Nodes<String> nodes = texts(5);
        for (int shard : new int[] {4, 3, 0, 2, 1}) {
            assertThat(nodes.isWhole()).isFalse();
            nodes.add(Node.of(shard), "" + shard);
        }
        assertThat(nodes.sum()).isEqualTo("(((0 1) (2 3)) 4)");
        assertThat(nodes.size()).isEqualTo(1);
    }

    @Test
    void aNodeThatIsKnownIsDroppedAndPartsOfALargerOneGiveWay() {
        Nodes<String> nodes = texts(8);
        nodes.add(Node.of(1), "1");
        nodes.add(Node.of(2), "2");
        assertThat(nodes.add(new Node(2, 0), "0 to 3")).isTrue();
        assertThat(nodes.add(Node.of(1), "1 again")).isFalse();
        assertThat(nodes.add(new Node(1, 1), "2 and 3 again")).isFalse();
        assertThat(nodes.add(new Node(2, 0), "again")).isFalse();
        nodes.add(new Node(2, 1), "4 to 7");
        assertThat(nodes.sum()).isEqualTo("(0 to 3 4 to 7)");
    }

    @Test
    void shardsWithoutAPartCountForNothing() {
        Nodes<String> nodes = texts(4);
        for (int shard = 0; shard < 4; shard++) {
            nodes.add(Node.of(shard), shard == 1 ? "1" : null);
        }
        assertThat(nodes.sum()).isEqualTo("1");
        Nodes<String> none = texts(1);
        none.add(Node.of(0), null);
        assertThat(none.isWhole()).isTrue();
        assertThat(none.sum()).isNull();
    }

    @Test
    void aSumThatFailsLosesNoNode() {
        AtomicBoolean fails = new AtomicBoolean(true);
        Nodes<String> nodes = new Nodes<>(2, (a, b) -> {
            if (fails.getAndSet(false)) {
                throw new IllegalStateException("no memory");
            }
            return a + b;
        });
        nodes.add(Node.of(0), "0");
        assertThatThrownBy(() -> nodes.add(Node.of(1), "1")).hasMessage("no memory");
        assertThat(nodes.take()).containsExactly(new Nodes.Held<>(Node.of(0), "0"), new Nodes.Held<>(Node.of(1), "1"));
    }

    @Test
    void nodesThatTheTreeDoesNotHaveAreRefused() {
        assertThatThrownBy(() -> texts(5).add(Node.of(5), "5")).hasMessageStartingWith("no node of 5 shards");
        assertThatThrownBy(() -> texts(5).add(new Node(4, 0), "all")).hasMessageStartingWith("no node of 5 shards");
        assertThatThrownBy(() -> new Node(-1, 0)).hasMessage("no node: level -1, index 0");
        assertThatThrownBy(() -> new Node(30, 2)).hasMessage("no node: level 30, index 2");
        assertThatThrownBy(() -> texts(0)).hasMessage("a tree over 0 shards");
        assertThatThrownBy(() -> texts(2).sum()).hasMessage("shards are missing");
    }
}
