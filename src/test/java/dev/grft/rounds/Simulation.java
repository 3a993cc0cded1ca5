package dev.grft.rounds;

import dev.grft.spark.cluster.OrderedTree;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A cluster in one thread, in simulated time: messages and computing take as long as chance has it, in order on each connection, and workers die, fall
 * silent, become slow and are replaced.
 */
final class Simulation {
    private static final long MILLI = 1_000_000;
    private static final long SECOND = 1000 * MILLI;

    private record Event(long time, long number, Runnable act) {}

    private final SplittableRandom random;
    private final PriorityQueue<Event> events =
            new PriorityQueue<>(Comparator.comparingLong(Event::time).thenComparingLong(Event::number));
    private final List<Machine> machines = new ArrayList<>(); // alive
    private final Coordinator<float[], float[]> coordinator;
    private final int shards;
    private final int steps;
    private final float[] vector;
    private long now;
    private long count;
    private int started;
    private int step;
    private boolean over;

    int slots; // of each worker; 0: 1 to 3
    int asked; // messages to the driver, by kind
    int delivered;
    int computed; // parts
    int mostHeld; // nodes on the driver
    int deaths;
    int silent;

    Simulation(int shards, int length, int steps, long seed) {
        this.random = new SplittableRandom(seed);
        this.shards = shards;
        this.steps = steps;
        this.vector = start(length);
        this.coordinator = new Coordinator<>(
                shards,
                Simulation::plus,
                new Coordinator.Patience(5 * SECOND, 200 * MILLI, 200 * MILLI, 3, SECOND),
                () -> now);
    }

    static float[] start(int length) {
        float[] vector = new float[length];
        for (int i = 0; i < length; i++) {
            vector[i] = (float) Math.sin(i + 1);
        }
        return vector;
    }

    /** Adds y to x. */
    static float[] plus(float[] x, float[] y) {
        for (int i = 0; i < x.length; i++) {
            x[i] += y[i];
        }
        return x;
    }

    /** Returns what a shard makes of a vector; one of seven has no part in the round. */
    static float @Nullable [] part(float[] vector, int shard) {
        if (shard % 7 == 3) {
            return null;
        }
        float[] part = new float[vector.length];
        float factor = 1 + 0.37f * shard;
        for (int i = 0; i < part.length; i++) {
            part[i] = factor * vector[i] + 1f / (shard + 1 + i % 5);
        }
        return part;
    }

    static void update(float[] vector, float[] sum, int shards) {
        for (int i = 0; i < vector.length; i++) {
            vector[i] -= 0.01f / shards * sum[i] / shards;
        }
    }

    /** Returns what comes of the steps by the simple way, without workers. */
    static float[] simple(int shards, int length, int steps) {
        float[] vector = start(length);
        for (int step = 0; step < steps; step++) {
            OrderedTree.Sum<float[]> sum = new OrderedTree.Sum<>(Simulation::plus);
            for (int shard = 0; shard < shards; shard++) {
                float[] part = part(vector, shard);
                if (part != null) {
                    sum.add(shard, part);
                }
            }
            update(vector, Objects.requireNonNull(sum.result()), shards);
        }
        return vector;
    }

    private void after(long delay, Runnable act) {
        events.add(new Event(now + delay, count++, act));
    }

    private long around(long mean) {
        return 1 + (long) (-mean * Math.log(1 - random.nextDouble()));
    }

    /** Runs the training with so many workers; a worker dies about every {@code deathEvery} nanoseconds, 0 for never. */
    float[] run(int workers, long deathEvery) {
        coordinator.expect(workers * Math.max(1, slots));
        coordinator.live(IntStream.range(0, shards)
                .mapToObj(shard -> "worker " + (long) shard * workers / shards)
                .toList());
        for (int i = 0; i < workers; i++) {
            after(around(20 * MILLI), () -> new Machine().start());
        }
        if (deathEvery > 0) {
            after(around(deathEvery), () -> harm(deathEvery));
        }
        after(0, this::look);
        begin();
        while (!over) {
            Event next = Objects.requireNonNull(events.poll());
            now = next.time;
            next.act.run();
            mostHeld = Math.max(mostHeld, coordinator.held());
        }
        while (!events.isEmpty()) { // what is under way arrives, and nothing else happens
            Event next = events.poll();
            now = next.time;
            next.act.run();
        }
        return vector;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // what follows is in it
    private void begin() {
        coordinator.begin(vector.clone()).whenComplete((sum, failure) -> {
            update(vector, Objects.requireNonNull(sum), shards);
            step++;
            if (step == steps) {
                over = true;
                coordinator.rest();
            } else {
                after(MILLI, this::begin);
            }
        });
    }

    private void look() {
        coordinator.look();
        if (!over) {
            after(100 * MILLI, this::look);
        }
    }

    private void harm(long every) {
        if (over) {
            return;
        }
        if (!machines.isEmpty()) {
            Machine victim = machines.get(random.nextInt(machines.size()));
            switch (random.nextInt(4)) {
                case 0 -> victim.fallSilent();
                case 1 -> victim.slow = 1000;
                default -> victim.die();
            }
        }
        after(around(every), () -> harm(every));
    }

    /** A worker and its connection. */
    private final class Machine {
        private final String name = "worker " + started++;
        private final int slots = Simulation.this.slots == 0 ? 1 + random.nextInt(3) : Simulation.this.slots;
        private final Worker<float[], float[]> worker = new Worker<>(shards, Simulation::plus);
        private boolean alive = true;
        private boolean mute;
        private boolean waits;
        private int busy;
        private long questions;
        private long slow = 1;
        private long up; // when the last message to the driver arrives
        private long down;

        Machine() {
            machines.add(this);
        }

        void start() {
            ask();
            after(SECOND, this::beat);
        }

        private void beat() {
            if (alive && !over) {
                long asked = questions;
                toDriver(() -> {
                    long number = coordinator.heard(name, slots);
                    toWorker(() -> {
                        worker.heard(number);
                        waits &= number > 0 || asked < questions;
                        askIfIdle();
                    });
                });
                after(SECOND, this::beat);
            }
        }

        /** Dies; the driver hears of it, and soon another one comes. */
        void die() {
            deaths++;
            end();
            up = Math.max(up, now + around(MILLI));
            events.add(new Event(up, count++, () -> coordinator.gone(name)));
        }

        /** Is cut off: the driver hears nothing. */
        void fallSilent() {
            silent++;
            mute = true;
            end();
            after(
                    8 * SECOND,
                    () -> { // longer than a driver waits
                        mute = false;
                        alive = true;
                        beat();
                    });
        }

        private void end() {
            alive = false;
            machines.remove(this);
            after(around(300 * MILLI), () -> {
                if (!over) {
                    new Machine().start();
                }
            });
        }

        private void toDriver(Runnable message) {
            if (alive) {
                up = Math.max(up, now + around(MILLI / 2));
                events.add(new Event(up, count++, message));
            }
        }

        private void toWorker(Runnable message) {
            down = Math.max(down, now + around(MILLI / 2));
            events.add(new Event(down, count++, () -> {
                if (alive && !mute) {
                    message.run();
                }
            }));
        }

        private void askIfIdle() {
            if (worker.isIdle() && !waits) {
                ask();
            }
        }

        private void ask() {
            waits = true;
            questions++;
            asked++;
            toDriver(() -> coordinator.ask(name, slots, new Coordinator.Asker<float[]>() {
                @Override
                public void work(Round<float[]> round, List<Integer> some) {
                    toWorker(() -> {
                        waits = false;
                        worker.given(round, some);
                        fill();
                        askIfIdle();
                    });
                }

                @Override
                public void over() {
                    toWorker(() -> coordinator.gone(name));
                }
            }));
        }

        private void fill() {
            for (Worker.Task<float[]> task = null; busy < slots && (task = worker.next()) != null; ) {
                Worker.Task<float[]> taken = task;
                busy++;
                after(slow * around(5 * MILLI), () -> made(taken));
            }
        }

        private void made(Worker.Task<float[]> task) {
            if (!alive) {
                return;
            }
            busy--;
            computed++;
            float[] part = part(Objects.requireNonNull(task.round().sent()), task.shard());
            for (Nodes.Held<float[]> node : worker.made(task, part)) {
                delivered++;
                toDriver(() -> coordinator.deliver(name, task.round().number(), node.node(), node.value()));
            }
            fill();
            askIfIdle();
        }
    }
}
