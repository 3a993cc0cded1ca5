package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.rounds.Worker;
import dev.grft.spark.images.Shard;
import dev.grft.spark.rounds.Packet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiPredicate;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Batches that a JVM prepares before the standing tasks of a training need them. A task that computes on its core prepares while it waits for
 * the next round, and has no thread beside it. On a GPU, threads prepare while tasks compute. Each task prepares one batch, and no other
 * before that one is used: a task that waits takes no room from one that computes.
 *
 * <p>A batch has the same bits in every thread. A preparation that fails is logged, and the task that needs the batch prepares it again. Batches
 * that are not needed any more are dropped when a task begins another round, waits, or ends.
 */
final class Ahead {
    private static final Logger LOG = LoggerFactory.getLogger(Ahead.class);
    private static final Map<String, Ahead> HERE = new HashMap<>(); // by training
    private static @Nullable Boolean always; // for tests

    private final Sampler sampler;
    private final long steps;
    private final @Nullable ExecutorService threads; // null: tasks prepare
    private final Map<Integer, Shard> shards = new HashMap<>(); // that tasks have begun
    private final Map<Key, FutureTask<Batch>> batches = new HashMap<>();
    private int tasks;

    /** One of the batches of a shard's part of a step. */
    private record Key(int shard, long step, int part) {}

    private Ahead(Sampler sampler, long steps, boolean beside) {
        this.sampler = sampler;
        this.steps = steps;
        this.threads = beside
                ? Executors.newCachedThreadPool(work -> {
                    Thread thread = new Thread(work, "grft-ahead");
                    thread.setDaemon(true);
                    return thread;
                })
                : null;
    }

    /**
     * Enters a task of a training; all in this JVM share what is prepared.
     *
     * @param sampler of the training
     * @param steps of the whole training, after which nothing is prepared
     * @param gpu whether tasks here compute on a GPU
     * @return to be closed by the task when it ends
     */
    static Task enter(String training, Sampler sampler, long steps, boolean gpu) {
        synchronized (HERE) {
            return HERE.computeIfAbsent(training, name -> new Ahead(sampler, steps, always != null ? always : gpu))
            .new Task(training);
        }
    }

    /** Sets whether threads prepare, whatever computes; null for what computes here; for tests. */
    static void threads(@Nullable Boolean beside) {
        synchronized (HERE) {
            always = beside;
        }
    }

    /** Returns how many batches this JVM has prepared or is preparing, of all trainings; for tests. */
    static int held() {
        synchronized (HERE) {
            return HERE.values().stream().mapToInt(Ahead::size).sum();
        }
    }

    private synchronized int size() {
        return batches.size();
    }

    /** Returns how many batches this JVM has prepared, of all trainings, those that have failed too; for tests. */
    static int ready() {
        synchronized (HERE) {
            return HERE.values().stream().mapToInt(Ahead::done).sum();
        }
    }

    private synchronized int done() {
        return (int) batches.values().stream().filter(FutureTask::isDone).count();
    }

    /** Returns the preparation of the batch that is likely to be needed next: of a shard of this round that no task has begun, else of the next round. */
    private @Nullable FutureTask<Batch> likely(Worker.Coming<Packet> next, BooleanSupplier unwanted) {
        Packet sent = next.sent();
        if (sent == null) {
            return null;
        }
        Stream<Key> open = next.open().stream().map(shard -> new Key(shard, Packets.step(sent), 0));
        long after = Packets.end(sent);
        Stream<Key> later = sampler.stepsDone(after) < steps
                ? next.given().stream().map(shard -> new Key(shard, after, 0))
                : Stream.empty();
        return Stream.concat(open, later)
                .map(key -> claim(key, unwanted))
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    /** Returns the preparation of a batch, which is to be started; null if there is no such batch, its shard is not here, or it is prepared already. */
    private @Nullable FutureTask<Batch> claim(Key key, BooleanSupplier unwanted) {
        Shard shard = shards.get(key.shard);
        if (shard == null || batches.containsKey(key)) {
            return null;
        }
        List<Batch> all = sampler.batches(key.shard, shard, key.step, unwanted);
        if (key.part >= all.size()) { // with draws, a step may take nothing of a shard
            return null;
        }
        FutureTask<Batch> made = new FutureTask<>(() -> read(key, all));
        batches.put(key, made);
        return made;
    }

    private Batch read(Key key, List<Batch> all) {
        try {
            return all.get(key.part);
        } catch (CancellationException e) {
            throw e; // the batch is not needed any more
        } catch (RuntimeException | Error e) {
            LOG.warn(
                    "shard {}: its images for step {} could not be prepared ahead; the task that needs them prepares them again",
                    key.shard,
                    sampler.stepsDone(key.step + 1),
                    e);
            throw e;
        }
    }

    private void start(@Nullable FutureTask<Batch> made) {
        if (made == null) {
            return;
        }
        if (threads == null) {
            made.run();
            return;
        }
        try {
            threads.execute(made);
        } catch (OutOfMemoryError
                | RejectedExecutionException e) { // no more threads: the task that needs it prepares it
            LOG.debug("no thread prepares a batch", e);
        }
    }

    /** Drops batches of earlier steps, of steps that are not next after the training went back, and of shards that this JVM has no more. */
    private void keep(Worker.Coming<Packet> next) {
        Packet sent = next.sent();
        if (sent == null) { // a heartbeat has brought the number of a round before its shards
            return;
        }
        Set<Integer> here = new HashSet<>(next.given());
        shards.keySet().retainAll(here);
        drop((key, made) -> !here.contains(key.shard) || key.step < Packets.step(sent) || key.step > Packets.end(sent));
    }

    private void drop(BiPredicate<Key, FutureTask<Batch>> which) {
        batches.entrySet().removeIf(each -> {
            boolean over = which.test(each.getKey(), each.getValue());
            if (over) {
                each.getValue().cancel(threads != null); // a task is not interrupted
            }
            return over;
        });
    }

    /** A task of the training. For one thread. */
    final class Task implements AutoCloseable {
        private final String training;
        private Supplier<Worker.Coming<Packet>> coming = () -> new Worker.Coming<>(null, List.of(), List.of());
        private long end; // of the steps of the round
        private @Nullable FutureTask<Batch> mine; // the newest that it has prepared

        private Task(String training) {
            this.training = training;
            synchronized (Ahead.this) {
                tasks++;
            }
        }

        /**
         * Returns this task, which now computes a shard of a round.
         *
         * @param next returns what this JVM will probably compute next
         */
        Task of(Packet sent, Supplier<Worker.Coming<Packet>> next) {
            coming = next;
            end = Packets.end(sent);
            return this;
        }

        /** Notes that the task begins a shard. */
        void begins(int number, Shard shard) {
            Worker.Coming<Packet> next = coming.get();
            synchronized (Ahead.this) {
                keep(next);
                shards.put(number, shard);
            }
        }

        /** Returns a batch that was prepared, or whose preparation has begun and is waited for; else what {@code otherwise} returns. */
        Batch take(int number, long step, int part, Supplier<Batch> otherwise) {
            FutureTask<Batch> made;
            synchronized (Ahead.this) {
                made = batches.remove(new Key(number, step, part));
            }
            if (made == null) {
                return otherwise.get();
            }
            made.run(); // unless a thread has begun
            try {
                return made.get();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (ExecutionException | CancellationException e) {
                LOG.debug("what was prepared of shard {} is prepared again", number, e);
            }
            return otherwise.get();
        }

        /**
         * Notes that the task computes a batch. On a GPU a thread prepares the next one meanwhile.
         *
         * @param next number of the shard's next batch in this step
         * @param parts batches of the shard in this step
         */
        void computes(int number, long step, int next, int parts) {
            if (threads == null) {
                return;
            }
            Worker.Coming<Packet> after = coming.get();
            prepare(() -> {
                if (next >= parts && step + 1 >= end) {
                    return likely(after, () -> false);
                }
                return claim(next < parts ? new Key(number, step, next) : new Key(number, step + 1, 0), () -> false);
            });
        }

        /**
         * Prepares a batch that a task of this JVM will probably need, or has a thread prepare it.
         *
         * @param unwanted returns whether the batch is not needed any more; asked before each image
         * @return whether there was such a batch
         */
        boolean prepare(Worker.Coming<Packet> next, BooleanSupplier unwanted) {
            return prepare(() -> {
                keep(next);
                return likely(next, unwanted);
            });
        }

        private boolean prepare(Supplier<@Nullable FutureTask<Batch>> claimed) {
            synchronized (Ahead.this) {
                if (mine != null && batches.containsValue(mine)) {
                    return false;
                }
                mine = claimed.get();
            }
            start(mine);
            return mine != null;
        }

        /** Ends the task. A batch that it has prepared, and no task has used, is dropped. */
        @Override
        public void close() {
            synchronized (HERE) {
                synchronized (Ahead.this) {
                    drop((key, made) -> made == mine);
                    tasks--;
                    if (tasks > 0) {
                        return;
                    }
                }
                HERE.remove(training, Ahead.this);
            }
            if (threads != null) {
                threads.shutdownNow();
            }
        }
    }
}
