package dev.grft.spark.rounds;

import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Nodes;
import dev.grft.rounds.Round;
import dev.grft.rounds.Worker;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BinaryOperator;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The worker of this JVM: tasks enter, compute shards until there is no more to do, and leave. They share one link, one copy of what a round
 * sends, and one sum.
 */
public final class Station {
    private static final Logger LOG = LoggerFactory.getLogger(Station.class);
    private static final Map<String, Station> HERE = new HashMap<>(); // by training
    private static final long BEAT_MILLIS = 1000;
    private static final long LOOK_MILLIS = 200; // whether the task is to end

    private final Object connecting = new Object(); // held by the thread that connects, while the others wait
    private final Worker<Packet, Packet> worker;
    private final ScheduledExecutorService pulse;
    private volatile @Nullable Link link; // null before a thread has connected
    private volatile boolean left;
    private int slots;
    private boolean asking;
    private long questions; // that were asked
    private volatile long sent; // the last one of these that is on its way or there
    private boolean fetching; // a thread gets what the round sends
    private boolean delivering;
    private boolean over;
    private @Nullable Answer answer; // not taken in yet
    private Round<Packet> round = new Round<>(0, null);
    private @Nullable Throwable lost; // what has ended the work of all threads

    private record Answer(Round<Packet> round, List<Integer> shards) {}

    /** Makes a link to the driver. */
    public interface Maker {
        /** Returns a new link. */
        Link link() throws Link.Broken;
    }

    /** Computes a shard's part of a round. */
    public interface Computing {
        /**
         * Returns the part, null if the shard has none.
         *
         * @param coming returns what this JVM will probably compute next
         */
        @Nullable
        Packet part(Packet sent, int shard, Supplier<Worker.Coming<Packet>> coming);

        /**
         * Prepares for a later round. A thread without a shard calls it once before each wait, also if news arrives meanwhile. It must not fail.
         *
         * @param over returns whether the thread is to end, so this method should return soon
         */
        default void idle(Worker.Coming<Packet> coming, BooleanSupplier over) {}
    }

    private Station(int shards, BinaryOperator<Packet> plus) {
        this.worker = new Worker<>(shards, plus);
        this.pulse = Executors.newSingleThreadScheduledExecutor(work -> {
            Thread thread = new Thread(work, "grft-rounds");
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * Computes shards in this thread until the driver says that there is no more to do.
     *
     * @param training its name, which is the same in all tasks
     * @param shards of all workers
     * @param plus may change and return its first argument
     * @param ended whether the thread is to end before
     * @return how many shards were computed
     * @throws Link.Broken if the driver cannot be reached
     * @throws IllegalStateException if another thread of the training has failed in a way that all of them share, such as a sum
     */
    public static int work(
            String training,
            Maker maker,
            int shards,
            BinaryOperator<Packet> plus,
            Computing computing,
            BooleanSupplier ended)
            throws Link.Broken, InterruptedException {
        Station station = enter(training, shards, plus);
        try {
            station.connect(maker);
            return station.work(computing, ended);
        } finally {
            station.leave(training);
        }
    }

    private static Station enter(String training, int shards, BinaryOperator<Packet> plus) {
        synchronized (HERE) {
            Station station = HERE.get(training);
            if (station == null || station.isOver()) {
                station = new Station(shards, plus);
                HERE.put(training, station);
            }
            station.slots++;
            return station;
        }
    }

    /** Connects, or waits for the thread that does. If that fails, it fails for all. */
    @SuppressWarnings("FutureReturnValueIgnored") // of the timer, which the end stops
    private void connect(Maker maker) throws Link.Broken {
        synchronized (connecting) {
            if (link != null) {
                return;
            }
            requireNotLost();
            try {
                link = maker.link();
            } catch (Link.Broken | RuntimeException | Error e) {
                lose(e);
                throw e;
            }
            pulse.scheduleWithFixedDelay(this::beat, BEAT_MILLIS, BEAT_MILLIS, TimeUnit.MILLISECONDS);
        }
    }

    private Link link() {
        return Objects.requireNonNull(link);
    }

    private void leave(String training) {
        synchronized (HERE) {
            slots--;
            if (slots > 0) {
                return;
            }
            HERE.remove(training, this);
        }
        left = true;
        pulse.shutdownNow();
        Link open = link;
        if (open != null) {
            try {
                deliverRest(open);
            } finally {
                open.close();
            }
        }
    }

    /** Delivers what is summed of shards that are finished, if those that are not have kept it here: the driver gives only these to others. */
    private void deliverRest(Link open) {
        boolean interrupted = Thread.interrupted(); // as Spark does to tasks that it cancels
        List<Nodes.Held<Packet>> nodes;
        long number;
        synchronized (this) {
            nodes = lost == null ? worker.leave() : List.of();
            number = round.number();
        }
        try {
            for (Nodes.Held<Packet> node : nodes) {
                open.deliver(number, node.node(), node.value());
            }
        } catch (Link.Broken | RuntimeException e) {
            LOG.info("others compute again what a worker had summed when it left", e);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private synchronized boolean isOver() {
        return over || lost != null;
    }

    private int slots() {
        synchronized (HERE) {
            return Math.max(1, slots); // the last one may be leaving
        }
    }

    private int work(Computing computing, BooleanSupplier ended) throws Link.Broken, InterruptedException {
        int computed = 0;
        while (true) {
            Worker.Task<Packet> task = take(computing, ended);
            if (task == null) {
                return computed;
            }
            Packet part;
            try {
                part = computing.part(Objects.requireNonNull(task.round().sent()), task.shard(), worker::coming);
            } catch (Throwable e) { // Spark throws checked exceptions undeclared
                worker.failed(task);
                wake();
                throw e;
            }
            computed++;
            deliver(task, part);
        }
    }

    /**
     * Delivers what is complete. No thread asks for more meanwhile: the driver would believe that these shards are lost. After a sum that has
     * failed nothing is delivered any more: it may have changed one of its parts.
     */
    private void deliver(Worker.Task<Packet> task, @Nullable Packet part) throws Link.Broken {
        List<Nodes.Held<Packet>> nodes;
        synchronized (this) {
            requireNotLost();
            try {
                nodes = worker.made(task, part);
            } catch (Throwable e) {
                lose(e); // under the same lock, so no thread sees what is held
                throw e;
            }
            if (nodes.isEmpty()) {
                return;
            }
            delivering = true;
        }
        try {
            for (Nodes.Held<Packet> node : nodes) {
                link().deliver(task.round().number(), node.node(), node.value());
            }
        } catch (Link.Broken | RuntimeException | Error e) {
            lose(e); // what was not delivered is gone
            throw e;
        } finally {
            synchronized (this) {
                delivering = false;
                notifyAll();
            }
        }
    }

    /** Ends the work of all threads: the driver does not hear them, or their sum is wrong. */
    private synchronized void lose(Throwable why) {
        lost = lost == null ? why : lost;
        notifyAll();
    }

    /** Throws what has ended the work of all threads, in the type that tells whether it was the link. */
    private synchronized void requireNotLost() throws Link.Broken {
        if (lost instanceof Link.Broken link) {
            throw new Link.Broken(String.valueOf(link.getMessage()), link, link.isSilent());
        }
        if (lost != null) {
            throw new IllegalStateException("another task of this executor has failed: " + lost, lost);
        }
    }

    private synchronized void wake() {
        notifyAll();
    }

    /** Returns the next shard to compute, as soon as there is one; null if the work is over. */
    private Worker.@Nullable Task<Packet> take(Computing computing, BooleanSupplier ended)
            throws Link.Broken, InterruptedException {
        boolean idled = false; // since the last wait
        while (true) {
            Answer news = null;
            boolean ask = false;
            boolean idle = false;
            long question = 0;
            synchronized (this) {
                requireNotLost();
                if (over || ended.getAsBoolean()) {
                    return null;
                }
                if (answer == null) {
                    Worker.Task<Packet> task = worker.next();
                    if (task != null) {
                        return task;
                    }
                    ask = worker.isIdle() && !asking && !delivering;
                    asking |= ask;
                    question = ask ? ++questions : 0;
                    idle = !ask && !idled;
                    if (!ask && !idle) {
                        wait(LOOK_MILLIS);
                        idled = false;
                    }
                } else if (!fetching) {
                    news = answer;
                    fetching = true;
                } else {
                    wait(LOOK_MILLIS);
                }
            }
            if (ask) {
                link().ask(slots(), new Mailbox());
                sent = question;
            } else if (news != null) {
                takeIn(news);
            } else if (idle) {
                computing.idle(worker.coming(), () -> isOver() || ended.getAsBoolean());
                idled = true;
            }
        }
    }

    /** Gets what a round sends, unless it is here, and gives the shards to all threads. */
    private void takeIn(Answer news) throws Link.Broken {
        Round<Packet> known = round;
        try {
            Round<Packet> of = known.number() == news.round.number() ? known : link().round(news.round);
            synchronized (this) {
                if (of != null) {
                    round = of;
                    worker.given(of, news.shards);
                }
            }
        } finally {
            synchronized (this) {
                answer = null;
                asking = false;
                fetching = false;
                notifyAll();
            }
        }
    }

    private final class Mailbox implements Coordinator.Asker<Packet> {
        @Override
        public void work(Round<Packet> of, List<Integer> shards) {
            synchronized (Station.this) {
                answer = new Answer(of, shards);
                Station.this.notifyAll();
            }
        }

        @Override
        public void over() {
            synchronized (Station.this) {
                over = true;
                Station.this.notifyAll();
            }
        }
    }

    private void beat() {
        try {
            long asked = sent;
            long number = link().beat(slots());
            worker.heard(number);
            synchronized (this) {
                // A question that came after the beat has made the worker known again.
                if (number == 0 && asked == questions && answer == null) {
                    asking = false;
                }
                notifyAll();
            }
        } catch (Throwable e) { // else the timer would stop, and the threads wait
            if (left) { // which has interrupted it
                return;
            }
            LOG.warn("a worker has lost the driver", e);
            lose(e);
        }
    }
}
