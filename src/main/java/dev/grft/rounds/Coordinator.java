package dev.grft.rounds;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BinaryOperator;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The driver's side: the present round, the nodes of its sum that have arrived, and which worker has which shards.
 *
 * <p>A worker asks when it has nothing to do, and is answered when there is something; nobody polls. Workers keep their shards from round
 * to round, consecutive ones, in proportion to their slots. Those of a worker that has gone or is silent wait for another one at its place for a
 * while, then others take them. Of shards that are late, others compute copies: what arrives first counts, both have the same bits, and whose came
 * first keeps the shard. Places that have the images of a shard come before those that would have to make them.
 *
 * <p>Thread-safe. It has no thread of its own: {@link #look} is to be called every now and then.
 *
 * @param <S> what a round sends to its workers
 * @param <T> a part of the sum
 */
public final class Coordinator<S, T> {
    private static final Logger LOG = LoggerFactory.getLogger(Coordinator.class);

    private final int shards;
    private final BinaryOperator<T> plus;
    private final Patience patience;
    private final LongSupplier clock;
    private final Members<Asker<S>> members;
    private final Copies copies;
    private final List<Runnable> answers = new ArrayList<>(); // to give when the lock is free
    private Round<S> round = new Round<>(0, null);
    private Nodes<T> arrived;
    private BitSet missing = new BitSet(); // shards of the present round
    private CompletableFuture<T> sum = CompletableFuture.completedFuture(null);
    private boolean resting = true;
    private long over; // when the last round was over
    private long idle; // after which workers are sent away

    /**
     * How long to wait, in nanoseconds.
     *
     * @param silence after which a worker that was not heard has lost its shards
     * @param late least time of a round after which copies are made; so long shards wait for a worker at their home
     * @param making the same for copies at places that have to make the images first, {@code late} or more
     * @param lateFactor copies are made after so many times what half of the shards took, more than 1
     * @param idle after which workers are sent away because no round begins; twice as long as the driver needed for the last one, if that is longer, but not
     *     longer than {@code silence}
     */
    public record Patience(long silence, long late, long making, double lateFactor, long idle) {}

    /** How a worker that has asked is answered, once. Must not wait: the thread is that of another worker. */
    public interface Asker<S> {
        /** Takes shards of the present round to compute, one or more. */
        void work(Round<S> round, List<Integer> shards);

        /** There is no more to do at present; the worker may go. */
        void over();
    }

    /**
     * Returns a driver that rests.
     *
     * @param shards 1 or more; they decide the tree of the sum
     * @param plus may change and return its first argument
     * @param clock of nanoseconds, read by one thread at a time
     */
    public Coordinator(int shards, BinaryOperator<T> plus, Patience patience, LongSupplier clock) {
        this.shards = shards;
        this.plus = plus;
        this.patience = patience;
        this.clock = clock;
        this.idle = patience.idle;
        this.arrived = new Nodes<>(shards, plus);
        this.members = new Members<>(shards, patience.late);
        this.copies = new Copies(shards, patience);
    }

    /** Says how many slots are to come, so that the first workers do not take what is meant for all. */
    public synchronized void expect(int count) {
        members.expect(count);
    }

    /**
     * Says where shards are that were found or made. The place of a worker is its name up to a slash.
     *
     * @param places the place of each shard, null for those that are where they were
     */
    public synchronized void live(List<@Nullable String> places) {
        members.live(places);
    }

    /** Returns where the shards belong: the place of the worker that has or had each, null for none. */
    public synchronized List<@Nullable String> homes() {
        return members.homes();
    }

    /** Returns the shards whose images no place has: none was said to be there, and none has delivered them. */
    public synchronized BitSet nowhere() {
        return members.nowhere();
    }

    /** Returns whether a worker makes the images of a shard at a place that did not have them. */
    public synchronized boolean isMaking() {
        return members.isMaking();
    }

    /** Notes that a place is gone for good, and all workers and images there. */
    public void removed(String place) {
        run(() -> {
            List.copyOf(members.all()).stream()
                    .filter(member -> member.place.equals(place))
                    .forEach(member -> lose(member.name, clock.getAsLong()));
            members.remove(place);
            serveAll();
        });
    }

    /**
     * Begins a round. An earlier one that is not over is given up.
     *
     * @return the sum of the parts, once it is there
     */
    public CompletableFuture<T> begin(S sent) {
        CompletableFuture<T> begun = new CompletableFuture<>();
        run(() -> {
            sum.cancel(false);
            sum = begun;
            round = new Round<>(round.number() + 1, sent);
            arrived = new Nodes<>(shards, plus);
            missing = all();
            copies.begin();
            go();
        });
        return begun;
    }

    /** Goes on with the present round after a rest. What has arrived is kept. */
    public void resume() {
        run(this::go);
    }

    private void go() {
        resting = false;
        long now = clock.getAsLong();
        copies.go(now);
        members.begin(now);
        members.deal(now);
        serveAll();
    }

    private void serveAll() {
        members.all().forEach(this::serve);
    }

    /** Ends the work for now: every worker that asks is sent away, until a round begins or is resumed. What was computed is taken. */
    public void rest() {
        run(() -> {
            resting = true;
            serveAll();
        });
    }

    /**
     * Has the workers wait for the next round, however long the last one has been over.
     *
     * @return whether they still wait
     */
    public synchronized boolean stay() {
        long now = clock.getAsLong();
        idle = Math.max(patience.idle, Math.min(2 * (now - over), patience.silence));
        over = now;
        return !resting;
    }

    /** Returns the present round, of number 0 before the first. */
    public synchronized Round<S> round() {
        return round;
    }

    /** Returns the names of the workers. */
    public synchronized List<String> workers() {
        return members.all().stream().map(member -> member.name).toList();
    }

    /** Returns how many shards of the present round have not arrived. */
    public synchronized int missing() {
        return missing.cardinality();
    }

    /** Returns how many nodes of the present sum are held here. */
    synchronized int held() {
        return arrived.size();
    }

    /**
     * Takes the question of a worker that has nothing to do. The first one makes it known here.
     *
     * @param slotsOfIt how many shards it computes at once, 1 or more
     * @throws IllegalArgumentException if its last question is not answered yet
     */
    public void ask(String worker, int slotsOfIt, Asker<S> asker) {
        requireSlots(slotsOfIt);
        run(() -> {
            Members.Member<Asker<S>> member = members.known(worker, slotsOfIt);
            if (member.asker != null) {
                throw new IllegalArgumentException("the worker " + worker + " asks again before it is answered");
            }
            member.heard = clock.getAsLong();
            member.asker = asker;
            serve(member);
        });
    }

    /**
     * Takes a node of the sum of a round. One that is known is dropped, and so is what comes of an earlier round. If the sum cannot be
     * computed, the round ends by that failure.
     *
     * @param value null if none of its shards has a part in the round; belongs to this afterwards
     * @throws IllegalArgumentException if the tree has no such node
     */
    public void deliver(String worker, long number, Node node, @Nullable T value) {
        run(() -> {
            heard(worker);
            arrived.require(node);
            int to = (int) Math.min(shards, node.to());
            boolean late = number != round.number() || missing.isEmpty();
            members.holds(worker, node.from(), to, late);
            if (late) {
                return;
            }
            try {
                arrived.add(node, value);
            } catch (RuntimeException | Error e) {
                end(null, e);
                return;
            }
            members.keepCopies(worker, missing, node.from(), to);
            missing.clear(node.from(), to);
            copies.arrived(missing, clock.getAsLong());
            if (arrived.isWhole()) {
                end(arrived.sum(), new IllegalStateException("no shard has a part in the round"));
            }
        });
    }

    /** Ends the present round, if it is not over, because the driver cannot go on with it. */
    public void fail(Throwable failure) {
        run(() -> {
            if (!missing.isEmpty()) {
                end(null, failure);
            }
        });
    }

    /** Ends the present round by its sum, or by a failure if there is none. */
    private void end(@Nullable T all, Throwable failure) {
        CompletableFuture<T> ended = sum;
        over = clock.getAsLong();
        missing = new BitSet();
        arrived = new Nodes<>(shards, plus);
        answers.add(() -> {
            if (all == null) {
                ended.completeExceptionally(failure);
            } else {
                ended.complete(all);
            }
        });
    }

    /**
     * Notes that a worker lives.
     *
     * @return the number of the present round; 0 if the worker is not known, because it has not asked or was silent for too long: it asks again
     */
    public synchronized long heard(String worker) {
        Members.Member<Asker<S>> member = members.find(worker);
        if (member == null) {
            return 0;
        }
        member.heard = clock.getAsLong();
        return round.number();
    }

    /**
     * Notes that a worker lives, and how many slots it has by now. Its part of the shards follows with the next round.
     *
     * @param slotsOfIt how many shards it computes at once, 1 or more
     * @return as {@link #heard(String)} does
     */
    public synchronized long heard(String worker, int slotsOfIt) {
        requireSlots(slotsOfIt);
        if (members.find(worker) != null) {
            members.known(worker, slotsOfIt);
        }
        return heard(worker);
    }

    private static void requireSlots(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("a worker of " + count + " slots");
        }
    }

    /** Notes that a worker has gone. */
    public void gone(String worker) {
        run(() -> {
            lose(worker, clock.getAsLong());
            serveAll();
        });
    }

    /** Looks for workers that are silent, late, or not needed at present. */
    public void look() {
        run(() -> {
            long now = clock.getAsLong();
            List.copyOf(members.all()).stream()
                    .filter(member -> now - member.heard > patience.silence)
                    .forEach(member -> lose(member.name, member.heard));
            resting |= missing.isEmpty() && now - over > idle;
            serveAll();
        });
    }

    private void lose(String worker, long since) {
        Members.Member<Asker<S>> lost = members.lose(worker, since);
        if (lost != null) {
            copies.lose(lost.copies);
        }
    }

    /** Does something under the lock, and what comes of it for others outside: they may come back at once. */
    private void run(Runnable change) {
        List<Runnable> due;
        synchronized (this) {
            change.run();
            due = List.copyOf(answers);
            answers.clear();
        }
        due.forEach(Runnable::run);
    }

    /** Answers a worker if it has asked and there is something to say. */
    private void serve(Members.Member<Asker<S>> member) {
        Asker<S> asker = member.asker;
        if (asker == null) {
            return;
        }
        if (resting) {
            member.asker = null;
            answer(member, asker::over);
            return;
        }
        BitSet work = work(member);
        if (!work.isEmpty()) {
            member.asker = null;
            member.given.or(work);
            Round<S> present = round;
            answer(member, () -> asker.work(present, work.stream().boxed().toList()));
        }
    }

    /** Answers a worker when the lock is free. One that cannot be answered loses its shards; the others are answered all the same. */
    private void answer(Members.Member<Asker<S>> member, Runnable answer) {
        answers.add(() -> {
            try {
                answer.run();
            } catch (Throwable e) { // also what transports throw undeclared
                LOG.warn("the worker {} cannot be answered, and others get its shards", member.name, e);
                gone(member.name);
            }
        });
    }

    /** Returns what a worker is to compute: its own shards, those of nobody, or copies of those of a late worker. */
    private BitSet work(Members.Member<Asker<S>> member) {
        if (missing.intersects(member.owned)) {
            return Members.both(missing, member.owned);
        }
        long now = clock.getAsLong();
        BitSet taken = members.take(member, missing, now);
        if (!taken.isEmpty()) {
            return taken;
        }
        BitSet late = copies.of(missing, members.here(member), member.slots, now);
        member.copies.or(late);
        return late;
    }

    private BitSet all() {
        BitSet all = new BitSet();
        all.set(0, shards);
        return all;
    }
}
