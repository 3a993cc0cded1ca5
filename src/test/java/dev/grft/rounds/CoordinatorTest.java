package dev.grft.rounds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

@SuppressWarnings("FutureReturnValueIgnored") // of rounds whose sum does not matter
class CoordinatorTest {
    private static final long MILLI = 1_000_000;

    private long now;
    private final List<String> said = new ArrayList<>();

    private Coordinator<String, String> coordinator(int shards) {
        return new Coordinator<>(shards, (a, b) -> a + b, new Coordinator.Patience(1000, 100, 100, 3, 5000), () -> now);
    }

    /** Asks, and notes the answer. */
    private void ask(Coordinator<String, String> coordinator, String worker, int slots) {
        coordinator.ask(worker, slots, new Coordinator.Asker<>() {
            @Override
            public void work(Round<String> round, List<Integer> shards) {
                said.add(worker + ": " + round.sent() + " " + shards);
            }

            @Override
            public void over() {
                said.add(worker + ": over");
            }
        });
    }

    private void deliver(Coordinator<String, String> coordinator, String worker, int... shards) {
        for (int shard : shards) {
            coordinator.deliver(worker, coordinator.round().number(), Node.of(shard), "" + shard);
        }
    }

    private List<String> said() {
        List<String> all = List.copyOf(said);
        said.clear();
        return all;
    }

    @Test
    void aThousandWorkersThatDieGiveTheBitsOfTheSimpleWay() {
        int shards = 2048;
        int steps = 6;
        Simulation simulation = new Simulation(shards, 16, steps, 1);

        assertThat(simulation.run(1000, 15 * MILLI)).isEqualTo(Simulation.simple(shards, 16, steps));

        assertThat(simulation.deaths).isGreaterThan(50);
        assertThat(simulation.silent).isGreaterThan(20);
        // Of workers that each have about two shards. What is made twice is what the dead and the slow had.
        assertThat(simulation.delivered).isLessThan(2 * steps * 1000);
        assertThat(simulation.computed).isLessThan(steps * shards * 3 / 2);
        assertThat(simulation.mostHeld).isLessThan(1000);
    }

    @Test
    void theDriverGetsOneNodeOfEachWorkerHoweverManyShardsThereAre() {
        for (int shards : new int[] {64, 4096}) {
            int steps = 10;
            Simulation simulation = new Simulation(shards, 4, steps, 2);
            simulation.slots = 2;
            simulation.run(32, 0);
            // In the first round, some ask a second time before all have come.
            assertThat(simulation.delivered).isBetween(steps * 32, (steps + 1) * 32);
            assertThat(simulation.asked).isLessThanOrEqualTo((steps + 2) * 32);
            assertThat(simulation.computed).isEqualTo(steps * shards);
            assertThat(simulation.mostHeld).isLessThan(2 * 32);
        }
    }

    @Test
    void vectorsOfAMillionFloatsHaveTheSameBits() {
        Simulation simulation = new Simulation(16, 1_000_000, 3, 3);

        assertThat(simulation.run(6, 50 * MILLI)).isEqualTo(Simulation.simple(16, 1_000_000, 3));

        assertThat(simulation.deaths + simulation.silent).isPositive();
        assertThat(simulation.mostHeld).isLessThanOrEqualTo(8);
    }

    @Property(tries = 200)
    void theBitsDependOnTheNumberOfShardsAlone(
            @ForAll @IntRange(min = 1, max = 8) int workers,
            @ForAll @IntRange(min = 1, max = 64) int shards,
            @ForAll @IntRange(max = 40) int deathEvery,
            @ForAll long seed) {
        Simulation simulation = new Simulation(shards, 3, 5, seed);

        assertThat(simulation.run(workers, deathEvery == 0 ? 0 : (100 + 10 * deathEvery) * MILLI))
                .isEqualTo(Simulation.simple(shards, 3, 5));
    }

    @Test
    void workersKeepConsecutiveShardsInProportionToTheirSlots() {
        Coordinator<String, String> driver = coordinator(8);
        driver.expect(4);
        CompletableFuture<String> first = driver.begin("one");
        ask(driver, "a", 1);
        ask(driver, "b", 3);
        assertThat(said()).containsExactly("a: one [0, 1]", "b: one [2, 3, 4, 5, 6, 7]");
        deliver(driver, "b", 2, 3, 4, 5, 6, 7);
        ask(driver, "b", 3);
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        assertThat(first).isCompletedWithValue("01234567");
        driver.begin("two");
        assertThat(said()).containsExactly("a: two [0, 1]", "b: two [2, 3, 4, 5, 6, 7]");
    }

    @Test
    void shardsOfAWorkerThatHasGoneOrIsSilentWaitForAnotherOneAtItsPlaceThenGoToOthers() {
        Coordinator<String, String> driver = coordinator(6);
        driver.expect(3);
        CompletableFuture<String> sum = driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        ask(driver, "c", 1);
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        said();
        now = 300;
        driver.gone("b");
        now = 399;
        driver.look();
        assertThat(said()).isEmpty();
        now = 400;
        driver.look();
        assertThat(said()).containsExactly("a: x [2, 3]");
        deliver(driver, "a", 2, 3);
        ask(driver, "a", 1);
        now = 900;
        driver.heard("a");
        driver.look();
        assertThat(driver.workers()).containsExactly("a", "c");
        now = 1001;
        driver.look();
        assertThat(driver.workers()).containsExactly("a");
        assertThat(driver.heard("a")).isEqualTo(1);
        assertThat(driver.heard("c")).as("it has to ask again").isZero();
        assertThat(said()).containsExactly("a: x [4, 5]");
        deliver(driver, "a", 4, 5);
        assertThat(sum).isCompletedWithValue("012345");
        deliver(driver, "c", 4, 5);
        ask(driver, "a", 1);
        driver.begin("y");
        assertThat(said()).containsExactly("a: y [0, 1, 2, 3, 4, 5]");
    }

    @Test
    void shardsStayWhereTheyAre() {
        Coordinator<String, String> driver = coordinator(4);
        driver.expect(3);
        driver.live(Arrays.asList("a", "b", "a", null));
        driver.begin("x");
        ask(driver, "a/1", 1);
        assertThat(said()).containsExactly("a/1: x [0, 2]");
        deliver(driver, "a/1", 0, 2);
        ask(driver, "a/1", 1);
        assertThat(said()).as("shard 1 waits for b").containsExactly("a/1: x [3]");
        ask(driver, "b/1", 2);
        assertThat(said()).containsExactly("b/1: x [1]");
        deliver(driver, "a/1", 3);
        deliver(driver, "b/1", 1);
        driver.rest();
        driver.gone("a/1");
        driver.gone("b/1");

        driver.begin("y");
        ask(driver, "b/2", 2);
        ask(driver, "a/2", 1);
        assertThat(said()).containsExactly("b/2: y [1]", "a/2: y [0, 2, 3]");
        deliver(driver, "b/2", 1);
        deliver(driver, "a/2", 0, 2, 3);
        ask(driver, "a/2", 1);
        ask(driver, "b/2", 2);
        driver.begin("z");
        assertThat(said()).as("by their slots").containsExactly("b/2: z [1, 3]", "a/2: z [0, 2]");
        assertThat(driver.homes()).containsExactly("a", "b", "a", "b");
    }

    @Test
    void shardsThatHaveMovedStayWhereTheyAreWhenThoseOfALostPlaceAreMadeAnew() {
        Coordinator<String, String> driver = coordinator(4);
        driver.expect(2);
        driver.live(List.of("a", "a", "b", "b"));
        driver.begin("x");
        ask(driver, "a/1", 1);
        ask(driver, "b/1", 1);
        driver.heard("c/1", 1);
        ask(driver, "c/1", 2);
        deliver(driver, "a/1", 0, 1);
        deliver(driver, "b/1", 2, 3);
        driver.begin("y");
        ask(driver, "a/1", 1);
        ask(driver, "b/1", 1);
        assertThat(driver.homes()).containsExactly("a", "c", "b", "c");
        deliver(driver, "a/1", 0);
        deliver(driver, "b/1", 2);
        deliver(driver, "c/1", 1, 3);
        assertThat(driver.nowhere().stream()).isEmpty();

        driver.removed("b");
        assertThat(driver.workers()).containsExactly("a/1", "c/1");
        assertThat(driver.nowhere().stream()).containsExactly(2);
        assertThat(driver.homes()).as("until it is made").containsExactly("a", "c", "b", "c");
        driver.live(Arrays.asList(null, null, "a", null));
        assertThat(driver.homes()).containsExactly("a", "c", "a", "c");
        assertThat(driver.nowhere().stream()).isEmpty();

        driver.removed("c");
        assertThat(driver.nowhere().stream()).as("its other shard came from a").containsExactly(3);
        assertThat(driver.homes()).containsExactly("a", "a", "a", "c");
    }

    @Test
    void imagesOfAPlaceThatIsGoneAreNowhereAlsoIfAnotherWorkerHasTakenTheShards() {
        Coordinator<String, String> driver = coordinator(2);
        driver.expect(2);
        driver.live(List.of("a", "b"));
        CompletableFuture<String> sum = driver.begin("x");
        ask(driver, "a/1", 1);
        ask(driver, "b/1", 1);
        deliver(driver, "b/1", 1);
        ask(driver, "b/1", 1);
        now = 1001;
        driver.heard("b/1");
        driver.look(); // a is silent
        assertThat(said()).containsExactly("a/1: x [0]", "b/1: x [1]", "b/1: x [0]");
        assertThat(driver.homes()).containsExactly("b", "b");

        driver.removed("a");
        assertThat(driver.nowhere().stream()).as("b has not made it").containsExactly(0);
        assertThat(driver.homes()).containsExactly("a", "b");
        deliver(driver, "b/1", 0);
        assertThat(sum).isCompletedWithValue("01");
        assertThat(driver.nowhere().stream()).isEmpty();
        driver.live(Arrays.asList("a", null));
        driver.removed("b");
        assertThat(driver.nowhere().stream())
                .as("whoever is gone does not come back")
                .containsExactly(0, 1);
    }

    @Test
    void aRoundGoesOnAfterARestWithWhatHasArrived() {
        Coordinator<String, String> driver = coordinator(4);
        driver.expect(2);
        CompletableFuture<String> sum = driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        driver.rest();
        now = 1;
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        driver.gone("a");
        driver.gone("b");
        assertThat(said()).containsExactly("a: x [0, 1]", "b: x [2, 3]", "a: over");
        driver.live(List.of("a", "a", "c", "c"));
        driver.resume();
        ask(driver, "c", 1);
        assertThat(said()).containsExactly("c: x [2, 3]");
        ask(driver, "d", 2);
        now = 101;
        driver.look();
        assertThat(said()).as("copies, though nothing has arrived since").containsExactly("d: x [2, 3]");
        deliver(driver, "c", 2, 3);
        assertThat(sum).isCompletedWithValue("0123");
    }

    @Test
    void ofALateWorkerOthersComputeCopies() {
        Coordinator<String, String> driver = coordinator(4);
        driver.expect(2);
        driver.begin("w");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        deliver(driver, "a", 0, 1);
        deliver(driver, "b", 2, 3);
        CompletableFuture<String> sum = driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        now = 50;
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        said();
        now = 149;
        driver.look();
        assertThat(said()).isEmpty();
        now = 151; // three times what half of the shards took
        driver.look();
        assertThat(said()).containsExactly("a: x [2]");
        deliver(driver, "a", 2);
        ask(driver, "a", 1);
        assertThat(said()).containsExactly("a: x [3]");
        deliver(driver, "a", 3);
        assertThat(sum).isCompletedWithValue("0123");
        deliver(driver, "b", 2, 3);
        assertThat(driver.held()).isZero();
        ask(driver, "a", 1);
        driver.begin("y");
        assertThat(said()).as("copies that came first stay").containsExactly("a: y [0, 1, 2, 3]");
    }

    /** A driver that looks every 50; after a garbage collection the worker that has ended its part first comes before the next look. */
    @Test
    void aPauseOfTheDriverIsNeitherSilenceNorLatenessOfWorkers() {
        Coordinator<String, String> driver = new Coordinator<>(
                4, (a, b) -> a + b, new Coordinator.Patience(1000, 100, 100, 3, 200), new Awake(() -> now, 60));
        driver.expect(2);
        CompletableFuture<String> sum = driver.begin("x");
        ask(driver, "a/1", 1);
        ask(driver, "b/1", 1);
        now = 10;
        driver.gone("b/1");
        ask(driver, "b/2", 1);
        assertThat(said()).containsExactly("a/1: x [0, 1]", "b/1: x [2, 3]", "b/2: x [2, 3]");
        deliver(driver, "a/1", 0, 1);
        now += 5000;
        ask(driver, "a/1", 1);
        driver.look();
        assertThat(driver.workers()).containsExactly("a/1", "b/2");
        assertThat(said()).isEmpty();
        deliver(driver, "b/2", 2, 3);
        assertThat(sum).isCompletedWithValue("0123");
        now += 5000;
        driver.look();
        assertThat(said()).as("they stay, for the next round").isEmpty();
        for (int look = 0; look < 20; look++) {
            now += 50;
            driver.look();
        }
        assertThat(driver.workers()).as("the driver could hear them").contains("a/1", "b/2");
        now += 50;
        driver.look();
        assertThat(driver.workers()).isEmpty();
    }

    @Test
    void aPauseOfTheDriverDoesNotEndTheTimeForWhichShardsWaitForTheirHome() {
        Coordinator<String, String> driver = new Coordinator<>(
                2, (a, b) -> a + b, new Coordinator.Patience(1000, 100, 100, 3, 200), new Awake(() -> now, 60));
        driver.expect(2);
        driver.live(List.of("a", "b"));
        driver.begin("x");
        ask(driver, "a/1", 1);
        deliver(driver, "a/1", 0);
        now += 5000;
        ask(driver, "a/1", 1);
        driver.look();
        assertThat(said()).as("b was not late").containsExactly("a/1: x [0]");
        now += 50;
        driver.look();
        now += 50;
        driver.look();
        assertThat(said()).containsExactly("a/1: x [1]");
    }

    private Coordinator<String, String> coordinatorThatAvoidsMaking(int shards) {
        return new Coordinator<>(
                shards, (a, b) -> a + b, new Coordinator.Patience(9000, 100, 1000, 3, 5000), () -> now);
    }

    @Test
    void copiesAreComputedWhereTheImagesAreAndElsewhereOnlyMuchLater() {
        Coordinator<String, String> driver = coordinatorThatAvoidsMaking(4);
        driver.expect(3);
        driver.live(List.of("c", "c", "c", "c")); // and now elsewhere, but for the last one
        driver.live(Arrays.asList("a", "b", "b", null));
        driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 2);
        ask(driver, "c", 1);
        assertThat(said()).containsExactly("a: x [0]", "b: x [1, 2]", "c: x [3]");
        now = 10;
        deliver(driver, "a", 0);
        deliver(driver, "c", 3);
        ask(driver, "a", 1);
        now = 100;
        driver.look();
        assertThat(said()).as("a would have to make it").isEmpty();
        ask(driver, "c", 1);
        assertThat(said()).containsExactly("c: x [1]");
        now = 999;
        driver.look();
        assertThat(said()).isEmpty();
        now = 1000;
        driver.look();
        assertThat(said()).containsExactly("a: x [2]");
    }

    @Test
    void shardsOfNobodyAreTakenWhereTheirImagesAre() {
        Coordinator<String, String> driver = coordinatorThatAvoidsMaking(6);
        driver.expect(3);
        driver.live(Arrays.asList(null, null, "a", null, null, "a")); // and now at b
        driver.live(List.of("a", "a", "b", "b", "b", "b"));
        driver.begin("x");
        ask(driver, "a", 1);
        assertThat(said()).containsExactly("a: x [0, 1]");
        deliver(driver, "a", 0, 1);
        now = 100;
        ask(driver, "a", 1);
        assertThat(said()).containsExactly("a: x [2, 5]");
        deliver(driver, "a", 2, 5);
        ask(driver, "a", 1);
        assertThat(said()).as("then what it has to make").containsExactly("a: x [3, 4]");
    }

    @Test
    void aWorkerThatMakesImagesGetsItsShardBackOnceItHasThem() {
        Coordinator<String, String> driver = coordinatorThatAvoidsMaking(4);
        driver.expect(1);
        driver.live(List.of("a", "a", "a", "a"));
        driver.begin("x");
        ask(driver, "a", 1);
        deliver(driver, "a", 0, 1, 2, 3);
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        assertThat(driver.isMaking()).isFalse();
        driver.begin("y");
        assertThat(said()).containsExactly("a: x [0, 1, 2, 3]", "a: y [0, 1]", "b: y [2, 3]");
        assertThat(driver.isMaking()).isTrue();
        now = 10;
        deliver(driver, "a", 0, 1);
        now = 110;
        ask(driver, "a", 1);
        deliver(driver, "a", 2);
        ask(driver, "a", 1);
        deliver(driver, "a", 3);
        ask(driver, "a", 1);
        assertThat(said()).containsExactly("a: y [2]", "a: y [3]");
        driver.begin("z");
        assertThat(said()).as("b is at work").containsExactly("a: z [0, 1, 2, 3]");
        assertThat(driver.isMaking()).as("its one slot makes the first").isTrue();
        driver.deliver("b", 2, Node.of(2), null);
        assertThat(driver.isMaking())
                .as("it gave the other one up with the round")
                .isFalse();
        driver.deliver("b", 2, Node.of(3), null);
        assertThat(driver.isMaking()).isFalse();
        deliver(driver, "a", 0, 1, 2, 3);
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        driver.begin("last");
        assertThat(said()).containsExactly("a: last [0, 1]", "b: last [2, 3]");
        driver.live(Arrays.asList("a", "a", "a", "a"));
        driver.gone("b");
        assertThat(driver.isMaking()).isFalse();
    }

    @Test
    void aWorkerThatJoinsGetsAPartFromTheNextRoundOn() {
        Coordinator<String, String> driver = coordinator(4);
        driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        deliver(driver, "a", 0, 1, 2, 3);
        ask(driver, "a", 1);
        said();
        driver.begin("y");
        assertThat(said()).containsExactly("a: y [0, 1]", "b: y [2, 3]");
    }

    @Test
    void aWorkerThatGrowsOrShrinksWhileItWaitsHasItsPartFromTheNextRoundOn() {
        Coordinator<String, String> driver = coordinator(8);
        driver.expect(2);
        driver.begin("x");
        ask(driver, "a", 1);
        ask(driver, "b", 1);
        deliver(driver, "a", 0, 1, 2, 3);
        ask(driver, "a", 1);
        deliver(driver, "b", 4, 5, 6, 7);
        ask(driver, "b", 1);
        said();
        driver.heard("b", 3);
        driver.begin("y");
        assertThat(said()).containsExactly("a: y [0, 1]", "b: y [2, 3, 4, 5, 6, 7]");
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        deliver(driver, "b", 2, 3, 4, 5, 6, 7);
        ask(driver, "b", 3);
        driver.heard("b", 1);
        driver.begin("z");
        assertThat(said()).as("a had 2 and 3 before").containsExactly("a: z [0, 1, 2, 3]", "b: z [4, 5, 6, 7]");
        assertThat(driver.heard("c", 2)).as("it has not asked").isZero();
        assertThat(driver.workers()).containsExactly("a", "b");
    }

    @Test
    void aWorkerAsksOnceAndIsAnsweredOnce() {
        Coordinator<String, String> driver = coordinator(2);
        driver.expect(1);
        driver.begin("x");
        ask(driver, "a", 1);
        deliver(driver, "a", 0, 1);
        ask(driver, "a", 1);
        assertThatThrownBy(() -> ask(driver, "a", 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the worker a asks again before it is answered");
        driver.begin("y");
        assertThat(said()).containsExactly("a: x [0, 1]", "a: y [0, 1]");
    }

    @Test
    void workersAreToldToGoUntilTheNextRoundBegins() {
        Coordinator<String, String> driver = coordinator(1);
        ask(driver, "a", 1);
        driver.begin("x");
        ask(driver, "a", 1);
        deliver(driver, "a", 0);
        ask(driver, "a", 1);
        driver.rest();
        assertThat(said()).containsExactly("a: over", "a: x [0]", "a: over");
    }

    @Test
    void workersAreToldToGoIfNoRoundBeginsForLong() {
        Coordinator<String, String> driver = coordinator(1);
        driver.begin("x");
        ask(driver, "a", 1);
        deliver(driver, "a", 0);
        ask(driver, "a", 1);
        now = 5000;
        driver.heard("a");
        driver.look();
        assertThat(driver.stay()).isTrue();
        now = 10_000;
        driver.heard("a");
        driver.look();
        assertThat(said()).containsExactly("a: x [0]");
        now = 10_001;
        driver.look();
        assertThat(said()).containsExactly("a: over");
        assertThat(driver.stay()).isFalse();
        driver.begin("y");
        assertThat(driver.stay()).isTrue();
    }

    @Test
    void workersWaitTwiceAsLongAsTheDriverNeededForTheLastRound() {
        Coordinator<String, String> driver =
                new Coordinator<>(1, (a, b) -> a + b, new Coordinator.Patience(9000, 100, 100, 3, 500), () -> now);
        driver.begin("x");
        ask(driver, "a", 1);
        deliver(driver, "a", 0);
        ask(driver, "a", 1);
        now = 501;
        driver.look();
        assertThat(said()).containsExactly("a: x [0]", "a: over");
        now = 2000;
        assertThat(driver.stay())
                .as("it was not known that the driver needs so long")
                .isFalse();
        driver.begin("y");
        ask(driver, "a", 1);
        deliver(driver, "a", 0);
        ask(driver, "a", 1);
        now = 6000;
        driver.look();
        assertThat(said()).containsExactly("a: y [0]");
        now = 6001;
        driver.look();
        assertThat(said()).containsExactly("a: over");
    }

    @Test
    void whatDoesNotBelongToThePresentRoundIsDropped() {
        Coordinator<String, String> driver = coordinator(2);
        CompletableFuture<String> given = driver.begin("x");
        CompletableFuture<String> sum = driver.begin("y");
        driver.deliver("a", 1, Node.of(0), "old");
        deliver(driver, "a", 1, 0, 1);
        assertThat(given).isCancelled();
        assertThat(sum).isCompletedWithValue("01");
        assertThatThrownBy(() -> driver.deliver("a", driver.begin("z").isDone() ? 0 : 3, Node.of(2), "2"))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aRoundWithoutAnyPartEndsInAFailure() {
        Coordinator<String, String> driver = coordinator(1);
        CompletableFuture<String> none = driver.begin("x");
        driver.deliver("a", 1, Node.of(0), null);
        assertThatThrownBy(none::join).hasMessageContaining("no shard has a part in the round");
    }

    @Test
    void aSumThatFailsEndsItsRoundAndNoOther() {
        Coordinator<String, String> driver = new Coordinator<>(
                2,
                (a, b) -> {
                    if (b.isEmpty()) {
                        throw new IllegalArgumentException("nothing to add");
                    }
                    return a + b;
                },
                new Coordinator.Patience(1000, 100, 100, 3, 5000),
                () -> now);
        CompletableFuture<String> failed = driver.begin("x");
        ask(driver, "a", 1);
        driver.deliver("a", 1, Node.of(0), "0");
        driver.deliver("a", 1, Node.of(1), "");
        assertThatThrownBy(failed::join).hasMessageContaining("nothing to add");
        ask(driver, "a", 1);
        assertThat(said()).as("nothing more of that round").containsExactly("a: x [0, 1]");
        CompletableFuture<String> next = driver.begin("y");
        deliver(driver, "a", 0, 1);
        assertThat(next).isCompletedWithValue("01");
    }

    @Test
    void aWorkerThatCannotBeAnsweredLosesItsShardsAndTheOthersAreAnswered() {
        Coordinator<String, String> driver = coordinator(2);
        driver.expect(2);
        Coordinator.Asker<String> lost = new Coordinator.Asker<>() {
            @Override
            public void work(Round<String> round, List<Integer> shards) {
                throw new IllegalStateException("the connection is closed");
            }

            @Override
            public void over() {
                throw new IllegalStateException("the connection is closed");
            }
        };
        driver.ask("lost", 1, lost);
        assertThat(said()).isEmpty(); // it is told to go, for there is no round
        assertThat(driver.workers()).isEmpty();
        CompletableFuture<String> sum = driver.begin("x");
        driver.ask("lost", 1, lost);
        ask(driver, "a", 1);
        deliver(driver, "a", 1);
        ask(driver, "a", 1);
        assertThat(said()).as("the other waits for a worker of that place").containsExactly("a: x [1]");
        now = 100;
        driver.look();
        deliver(driver, "a", 0);
        assertThat(said()).containsExactly("a: x [0]");
        assertThat(sum).isCompletedWithValue("01");
    }
}
