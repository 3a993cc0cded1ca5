package dev.grft.spark.rounds;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Worker;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a thread of a station does while it has no shard. */
class IdleTest {
    private static final int SHARDS = 11;
    private static final String IDLE = "idle after " + SHARDS;

    private final ExecutorService tasks = Executors.newCachedThreadPool();
    private final Coordinator<Packet, Packet> driver = new Coordinator<>(
            SHARDS,
            IdleTest::plus,
            new Coordinator.Patience(
                    TimeUnit.MINUTES.toNanos(5), TimeUnit.MINUTES.toNanos(5), TimeUnit.MINUTES.toNanos(5), 10, 0),
            System::nanoTime);
    private final AtomicBoolean ended = new AtomicBoolean();
    private final List<String> events = new CopyOnWriteArrayList<>();

    @AfterEach
    void end() {
        tasks.shutdownNow();
    }

    private static Packet plus(Packet a, Packet b) {
        return new Packet(new double[] {a.numbers()[0] + b.numbers()[0]}, a.vector());
    }

    /** Notes the questions to the driver. */
    private final class Asking extends PassingLink {
        Asking() {
            super("executor/1", driver);
        }

        @Override
        public void ask(int slots, Coordinator.Asker<Packet> asker) {
            events.add("ask");
            super.ask(slots, asker);
        }
    }

    /** Notes what it computes, and when it has nothing to compute. */
    private final class Computing implements Station.Computing {
        private final boolean stays; // in idle, until the thread is to end

        Computing(boolean stays) {
            this.stays = stays;
        }

        @Override
        public Packet part(Packet sent, int shard, Supplier<Worker.Coming<Packet>> coming) {
            events.add("shard");
            return new Packet(new double[] {shard}, new float[0]);
        }

        @Override
        public void idle(Worker.Coming<Packet> coming, BooleanSupplier over) {
            events.add("idle after " + coming.given().size());
            while (stays && !over.getAsBoolean()) {
                LockSupport.parkNanos(1000);
            }
        }
    }

    /** Returns a thread that has computed a round and was idle so often. */
    private Future<Integer> idle(boolean stays, int times) throws Exception {
        events.clear();
        var sum = driver.begin(new Packet(new double[] {0}, new float[0]));
        Future<Integer> one = tasks.submit(() ->
                Station.work("idle " + stays, Asking::new, SHARDS, IdleTest::plus, new Computing(stays), ended::get));
        assertThat(sum.get(60, TimeUnit.SECONDS).numbers()).containsExactly(55);
        for (int i = 0; i < 60_000 && events.stream().filter(IDLE::equals).count() < times; i++) {
            Thread.sleep(1);
        }
        assertThat(events).contains(IDLE);
        return one;
    }

    @Test
    void aThreadPreparesBeforeEachWaitAndNotBeforeItHasAsked() throws Exception {
        Future<Integer> one = idle(false, 2);
        driver.rest();
        assertThat(one.get(60, TimeUnit.SECONDS)).isEqualTo(SHARDS);
        assertThat(events).filteredOn("ask"::equals).hasSize(2);
        int second = events.lastIndexOf("ask");
        assertThat(events.subList(0, second)) // the first answer is there when the question returns
                .startsWith("ask", "shard")
                .hasSize(1 + SHARDS)
                .doesNotContain(IDLE);
        assertThat(events.subList(second + 1, events.size())).containsOnly(IDLE);
    }

    @Test
    void aThreadThatPreparesSeesThatTheDriverRests() throws Exception {
        Future<Integer> one = idle(true, 1);
        assertThat(one).isNotDone();
        driver.rest();
        assertThat(one.get(60, TimeUnit.SECONDS)).isEqualTo(SHARDS);
    }

    @Test
    void aThreadThatPreparesSeesThatItsTaskIsToEnd() throws Exception {
        Future<Integer> one = idle(true, 1);
        assertThat(one).isNotDone();
        ended.set(true);
        assertThat(one.get(60, TimeUnit.SECONDS)).isEqualTo(SHARDS);
    }
}
