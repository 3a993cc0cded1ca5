package dev.grft.spark.rounds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Node;
import dev.grft.rounds.Worker;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BinaryOperator;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The tasks of a JVM beside each other. */
@SuppressWarnings("FutureReturnValueIgnored") // of rounds whose sum does not matter
class StationTest {
    private static final int SHARDS = 11;

    private final ExecutorService tasks = Executors.newCachedThreadPool();
    private final Coordinator<Packet, Packet> driver = new Coordinator<>(
            SHARDS,
            StationTest::plus,
            new Coordinator.Patience(
                    TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(30), 10, 0),
            System::nanoTime);
    private final AtomicInteger computed = new AtomicInteger();
    private final AtomicInteger links = new AtomicInteger();
    private final Set<Thread> started = ConcurrentHashMap.newKeySet();
    private final Set<Thread> entered = ConcurrentHashMap.newKeySet(); // those that have a link

    private static Packet plus(Packet a, Packet b) {
        return new Packet(new double[] {a.numbers()[0] + b.numbers()[0]}, a.vector());
    }

    @AfterEach
    void end() {
        tasks.shutdownNow();
    }

    /** A link that two threads must not deliver by at once, and that takes its time. */
    private class Narrow extends PassingLink {
        private final AtomicBoolean busy = new AtomicBoolean();

        Narrow() {
            super("executor/" + links.incrementAndGet(), driver);
        }

        @Override
        public void deliver(long round, Node node, @Nullable Packet value) throws Broken {
            assertThat(busy.getAndSet(true)).isFalse();
            LockSupport.parkNanos(1000);
            busy.set(false);
            super.deliver(round, node, value);
        }
    }

    private List<Future<Integer>> start(String name, int count, Station.Computing computing) {
        return start(name, count, Narrow::new, computing);
    }

    private List<Future<Integer>> start(String name, int count, Station.Maker maker, Station.Computing computing) {
        List<Future<Integer>> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(tasks.submit(() -> {
                started.add(Thread.currentThread());
                return Station.work(name, maker, SHARDS, StationTest::plus, computing, () -> {
                    entered.add(Thread.currentThread());
                    return false;
                });
            }));
        }
        return all;
    }

    private static void until(BooleanSupplier condition) throws InterruptedException {
        for (int i = 0; i < 3000 && !condition.getAsBoolean(); i++) {
            Thread.sleep(10);
        }
        assertThat(condition.getAsBoolean()).isTrue();
    }

    @Test
    void threadsShareALinkAndComputeEachShardOnce() throws Exception {
        int rounds = 500;
        driver.expect(6);
        List<Future<Integer>> all = new ArrayList<>();
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        for (String name : List.of("one", "another")) {
            all.addAll(start(name, 3, (sent, shard, coming) -> {
                computed.incrementAndGet();
                return new Packet(new double[] {sent.numbers()[0] + shard}, new float[0]);
            }));
        }
        for (int round = 0; round < rounds; round++) {
            assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(SHARDS * round + 55.0);
            sum = round + 1 == rounds ? sum : driver.begin(new Packet(new double[] {round + 1}, new float[0]));
        }
        until(() -> entered.size() == 6); // one that comes after all rounds has a link of its own
        driver.rest();
        int of = 0;
        for (Future<Integer> one : all) {
            of += one.get(30, TimeUnit.SECONDS);
        }
        assertThat(links).hasValue(2);
        assertThat(driver.workers()).isEmpty();
        assertThat(of).isEqualTo(computed.get());
        assertThat(of - rounds * SHARDS)
                .isBetween(0, SHARDS); // workers that join in the first round may compute one twice
    }

    @Test
    void aShardThatAThreadCannotFinishGoesToAnother() throws Exception {
        AtomicBoolean failed = new AtomicBoolean();
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        List<Future<Integer>> two = start("failing", 2, (sent, shard, coming) -> {
            if (shard == 3 && !failed.getAndSet(true)) {
                throw new IllegalStateException("this task is lost");
            }
            return new Packet(new double[] {shard}, new float[0]);
        });
        if (two.get(0).isDone()) { // alone, a thread takes its worker along
            two.addAll(start("failing", 1, (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0])));
        }
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        driver.rest();
        int failures = 0;
        for (Future<Integer> one : two) {
            try {
                one.get(30, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                assertThat(e).hasStackTraceContaining("this task is lost");
                failures++;
            }
        }
        assertThat(failures).isEqualTo(1);
    }

    @Test
    void aThreadThatIsToEndLeaves() throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        Future<Integer> one = tasks.submit(
                () -> Station.work("ending", Narrow::new, SHARDS, StationTest::plus, StationTest::number, ended::get));
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        Thread.sleep(50);
        assertThat(one).isNotDone(); // it waits for the next round
        ended.set(true);
        assertThat(one.get(30, TimeUnit.SECONDS)).isEqualTo(SHARDS);
        assertThat(driver.workers()).isEmpty();
    }

    @Test
    void aWorkerThatTheDriverHasForgottenAsksAgain() throws Exception {
        driver.begin(new Packet(new double[] {0}, new float[0]));
        List<Future<Integer>> one =
                start("forgotten", 1, (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0]));
        for (int round = 0; round < 3; round++) {
            var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
            assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
            driver.gone(driver.workers().get(0));
        }
        driver.rest();
        assertThat(one.get(0).get(30, TimeUnit.SECONDS)).isGreaterThanOrEqualTo(3 * SHARDS);
    }

    @Test
    void aNodeThatCannotBeDeliveredEndsAllThreadsAndOthersComputeItAnew() throws Exception {
        AtomicBoolean broken = new AtomicBoolean(true);
        CountDownLatch both = new CountDownLatch(2);
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        Station.Maker maker = () -> new Narrow() {
            @Override
            public void deliver(long round, Node node, @Nullable Packet value) throws Broken {
                if (broken.get()) {
                    throw new Broken("the network is down", new IOException());
                }
                super.deliver(round, node, value);
            }
        };
        List<Future<Integer>> lost = start("broken", 2, maker, (sent, shard, coming) -> {
            await(both);
            return new Packet(new double[] {shard}, new float[0]);
        });
        for (Future<Integer> one : lost) {
            assertThatThrownBy(() -> one.get(30, TimeUnit.SECONDS)).hasStackTraceContaining("the network is down");
        }
        broken.set(false);
        List<Future<Integer>> again =
                start("broken", 2, maker, (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0]));
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        driver.rest();
        for (Future<Integer> one : again) {
            one.get(30, TimeUnit.SECONDS);
        }
    }

    private static void await(CountDownLatch both) {
        both.countDown();
        try {
            both.await(30, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void anErrorInTheTimerEndsTheThreadsInPlaceOfSilence() {
        driver.begin(new Packet(new double[] {0}, new float[0]));
        List<Future<Integer>> one = start(
                "timer",
                1,
                () -> new Narrow() {
                    @Override
                    public long beat(int slots) {
                        throw new OutOfMemoryError("none for the beat");
                    }
                },
                (sent, shard, coming) -> null);
        assertThatThrownBy(() -> one.get(0).get(30, TimeUnit.SECONDS)).hasStackTraceContaining("none for the beat");
        assertThat(driver.workers()).isEmpty();
    }

    /** A thread whose task is cancelled has finished some shards and not all: the driver gets those. */
    @Test
    void whatIsSummedIsDeliveredByTheLastThreadThatLeaves() throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        Future<Integer> one = tasks.submit(() -> Station.work(
                "leaving",
                Narrow::new,
                SHARDS,
                StationTest::plus,
                (sent, shard, coming) -> {
                    ended.set(shard == 6);
                    return new Packet(new double[] {shard}, new float[0]);
                },
                ended::get));
        assertThat(one.get(30, TimeUnit.SECONDS)).isEqualTo(7);
        assertThat(driver.workers()).isEmpty();
        List<Integer> again = new CopyOnWriteArrayList<>();
        List<Future<Integer>> other = start("another", 1, (sent, shard, coming) -> {
            again.add(shard);
            return new Packet(new double[] {shard}, new float[0]);
        });
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        driver.rest();
        other.get(0).get(30, TimeUnit.SECONDS);
        assertThat(again).containsExactly(7, 8, 9, 10);
    }

    @Test
    void aTrainingThatConnectsSlowlyDoesNotHoldUpAnother() throws Exception {
        CountDownLatch network = new CountDownLatch(1);
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        List<Future<Integer>> slow = start(
                "slow",
                2,
                () -> {
                    try {
                        network.await(60, TimeUnit.SECONDS);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    return new Narrow();
                },
                (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0]));
        // One thread: of two, the second may come when the first has done all and left.
        List<Future<Integer>> other =
                start("other", 1, (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0]));
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        driver.rest();
        for (Future<Integer> one : other) {
            one.get(30, TimeUnit.SECONDS);
        }
        until(() -> started.stream().anyMatch(thread -> thread.getState() == Thread.State.BLOCKED));
        network.countDown(); // both are there: one connects, the other waits for it
        for (Future<Integer> one : slow) {
            assertThat(one.get(30, TimeUnit.SECONDS)).isZero();
        }
        assertThat(links).as("one for each training").hasValue(2);
    }

    @Test
    void aThreadThatLeavesInTheMiddleOfABeatSaysNothing() throws Exception {
        CountDownLatch beating = new CountDownLatch(1);
        driver.begin(new Packet(new double[] {0}, new float[0]));
        List<String> warnings = Warnings.of(Station.class, () -> {
            List<Future<Integer>> one = start(
                    "quiet",
                    1,
                    () -> new Narrow() {
                        @Override
                        public long beat(int slots) throws Broken {
                            beating.countDown();
                            try {
                                Thread.sleep(60_000);
                            } catch (InterruptedException e) {
                                throw new Broken("interrupted", e);
                            }
                            return super.beat(slots);
                        }
                    },
                    (sent, shard, coming) -> null);
            assertThat(beating.await(30, TimeUnit.SECONDS)).isTrue();
            driver.rest();
            one.get(0).get(30, TimeUnit.SECONDS);
            Thread.sleep(200);
        });
        assertThat(warnings).isEmpty();
    }

    @Test
    void theDriverHearsHowManyThreadsThereAreWhileTheyWait() throws Exception {
        List<Integer> heard = new CopyOnWriteArrayList<>();
        Station.Maker maker = () -> new Narrow() {
            @Override
            public long beat(int slots) throws Broken {
                heard.add(slots);
                return super.beat(slots);
            }
        };
        driver.begin(new Packet(new double[] {0}, new float[0]));
        List<Future<Integer>> grown = new ArrayList<>(start("grown", 1, maker, StationTest::number));
        until(() -> !heard.isEmpty());
        grown.addAll(start("grown", 1, maker, StationTest::number)); // while the first one waits for an answer
        until(() -> heard.contains(2));
        assertThat(heard).contains(1);
        driver.rest();
        for (Future<Integer> one : grown) {
            one.get(30, TimeUnit.SECONDS);
        }
    }

    private static Packet number(Packet sent, int shard, Supplier<Worker.Coming<Packet>> coming) {
        return new Packet(new double[] {shard}, new float[0]);
    }

    /** A sum in place leaves half of itself if memory ends: nothing of this worker may reach the driver. */
    @Test
    void aWorkerWhoseSumHasFailedDeliversNothing() throws Exception {
        AtomicBoolean full = new AtomicBoolean(true);
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        Station.Computing computing = (sent, shard, coming) -> new Packet(new double[] {shard}, new float[0]);
        BinaryOperator<Packet> plus = (a, b) -> {
            a.numbers()[0] += b.numbers()[0];
            if (b.numbers()[0] == 3 && full.getAndSet(false)) {
                throw new OutOfMemoryError("no room for the sum");
            }
            return a;
        };
        Future<Integer> one =
                tasks.submit(() -> Station.work("full", Narrow::new, SHARDS, plus, computing, () -> false));
        assertThatThrownBy(() -> one.get(30, TimeUnit.SECONDS)).hasStackTraceContaining("no room for the sum");
        Future<Integer> again =
                tasks.submit(() -> Station.work("full", Narrow::new, SHARDS, plus, computing, () -> false));
        assertThat(sum.get(30, TimeUnit.SECONDS).numbers()).containsExactly(55);
        driver.rest();
        assertThat(again.get(30, TimeUnit.SECONDS)).isEqualTo(SHARDS);
    }

    /** A task whose own reading fails is for Spark to repeat: the driver can be reached. */
    @Test
    void aFailureOfComputingIsNotOneOfTheLink() {
        driver.begin(new Packet(new double[] {0}, new float[0]));
        assertThatThrownBy(() -> Station.work(
                        "reading",
                        Narrow::new,
                        SHARDS,
                        StationTest::plus,
                        (sent, shard, coming) -> {
                            throw sneaky(new IOException("a piece of a broadcast is lost"));
                        },
                        () -> false))
                .isInstanceOf(IOException.class)
                .isNotInstanceOf(Link.Broken.class)
                .hasMessage("a piece of a broadcast is lost");
    }

    /** Throws a checked exception undeclared, as Spark's Scala code does. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <E extends Throwable> RuntimeException sneaky(Throwable failure) throws E {
        throw (E) failure;
    }

    @Test
    void aDriverThatCannotBeReachedIsAnError() {
        assertThatThrownBy(() -> Station.work(
                        "lost",
                        () -> {
                            throw new Link.Broken("nobody is there", new IOException());
                        },
                        SHARDS,
                        (a, b) -> a,
                        (sent, shard, coming) -> null,
                        () -> false))
                .hasMessage("nobody is there");
    }
}
