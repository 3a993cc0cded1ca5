package dev.grft.rounds;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.function.BinaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The side that computes: shards of the present round which the driver has given, taken by one or more slots, and the sum of what they
 * made. What comes of a round that is over is dropped.
 *
 * @param <S> what the driver sends to each round
 * @param <T> a part of the sum
 */
public final class Worker<S, T> {
    private final int shards;
    private final BinaryOperator<T> plus;
    private final Queue<Integer> open = new ArrayDeque<>();
    private final List<Integer> given = new ArrayList<>(); // in the present round
    private Round<S> round = new Round<>(0, null);
    private Nodes<T> made;
    private int atWork;

    /**
     * A shard to compute.
     *
     * @param round what it is computed of
     */
    public record Task<S>(Round<S> round, int shard) {}

    /**
     * What a worker will probably compute next.
     *
     * @param sent to the present round; null if it is not known here
     * @param open shards of the present round that no slot has begun, in their order
     * @param given all shards that the worker was given in the present round, in their order; it will probably have them in the next one
     */
    public record Coming<S>(@Nullable S sent, List<Integer> open, List<Integer> given) {}

    /**
     * Returns a worker without work.
     *
     * @param shards of the whole sum
     * @param plus may change and return its first argument
     */
    public Worker(int shards, BinaryOperator<T> plus) {
        this.shards = shards;
        this.plus = plus;
        this.made = new Nodes<>(shards, plus);
    }

    /** Takes shards of a round to compute. Those of an earlier round are given up. */
    public synchronized void given(Round<S> of, List<Integer> some) {
        begin(of);
        if (of.number() == round.number()) {
            round = of; // what is sent to it may not have been known
            open.addAll(some);
            given.addAll(some);
        }
    }

    private void begin(Round<S> of) {
        if (of.number() > round.number()) {
            round = of;
            open.clear();
            given.clear();
            made = new Nodes<>(shards, plus);
            atWork = 0;
        }
    }

    /** Gives up all of an earlier round if the driver is at a later one by now: slots that are still at work have no part in it. */
    public synchronized void heard(long number) {
        begin(new Round<>(number, null));
    }

    /** Returns the next shard to compute; null if there is none. */
    public synchronized @Nullable Task<S> next() {
        Integer shard = open.poll();
        if (shard == null) {
            return null;
        }
        atWork++;
        return new Task<>(round, shard);
    }

    /** Returns what is to be computed next, as far as it is known before the driver says it. */
    public synchronized Coming<S> coming() {
        return new Coming<>(round.sent(), List.copyOf(open), List.copyOf(given));
    }

    /**
     * Takes what a slot has made of a shard.
     *
     * @param value null if the shard has no part in the round; belongs to this afterwards
     * @return what to deliver to the driver for the round of the task: nothing before the last shard that was given is there. If that round is over, a node
     *     without a value, from which the driver learns that the shard is here
     */
    public synchronized List<Nodes.Held<T>> made(Task<S> task, @Nullable T value) {
        if (task.round.number() != round.number()) {
            return List.of(new Nodes.Held<>(Node.of(task.shard), null));
        }
        atWork--;
        made.add(Node.of(task.shard), value);
        return isIdle() ? made.take() : List.of();
    }

    /** Returns a shard that a slot could not finish, to those that are open. */
    public synchronized void failed(Task<S> task) {
        if (task.round.number() == round.number()) {
            atWork--;
            open.add(task.shard);
        }
    }

    /** Returns the sums of the present round when the worker leaves, for delivery. Other workers compute the shards that it has not finished. */
    public synchronized List<Nodes.Held<T>> leave() {
        open.clear();
        return made.take();
    }

    /** Returns whether nothing is open or at work: the worker asks the driver for more. */
    public synchronized boolean isIdle() {
        return open.isEmpty() && atWork == 0;
    }
}
