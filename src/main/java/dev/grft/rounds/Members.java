package dev.grft.rounds;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The workers that have connected to the driver, and which of them has which shards. A shard that nobody has waits for a worker at its home, the place where it was last;
 * after a while any worker may take it. Not thread-safe.
 *
 * @param <A> answers a worker that has asked
 */
final class Members<A> {
    private final int shards;
    private final long patience;
    private final Holdings holdings;
    private final Map<String, Member<A>> all = new LinkedHashMap<>();
    private final BitSet unowned = new BitSet();
    private final @Nullable String[] homes; // by shard; null: none
    private final Map<String, Long> left = new HashMap<>(); // when a worker of a place was lost, in this round
    private boolean changed; // workers or their images, since shards were last dealt
    private int expected;
    private long slots; // of all
    private long began;

    /** A worker. */
    static final class Member<A> {
        final String name;
        final String place;
        int slots;
        long heard;
        final BitSet owned = new BitSet();
        final BitSet copies = new BitSet(); // that it computes in this round
        final BitSet given = new BitSet(); // in this round, and what it may still make of earlier ones

        @Nullable
        A asker; // null: the worker is busy

        Member(String name) {
            this.name = name;
            this.place = placeOf(name);
        }
    }

    private static String placeOf(String worker) {
        return worker.substring(0, (worker + "/").indexOf('/'));
    }

    /**
     * Returns no workers.
     *
     * @param patience how long a shard waits for a worker at its home, nanoseconds
     */
    Members(int shards, long patience) {
        this.shards = shards;
        this.patience = patience;
        this.holdings = new Holdings(shards);
        this.homes = new String[shards];
        unowned.set(0, shards);
    }

    /** Says how many slots are to come. */
    void expect(int count) {
        expected = count;
    }

    /** Says where shards are, null for those of which it is not said. */
    void live(List<@Nullable String> places) {
        for (int shard = 0; shard < shards; shard++) {
            String place = places.get(shard);
            if (place != null) {
                homes[shard] = place;
                holdings.add(place, shard, shard + 1);
            }
        }
    }

    /**
     * Notes that the place of a worker has consecutive shards.
     *
     * @param late whether the round that they were made for is over: they are not only copies, but can be dealt to it from now on
     */
    void holds(String worker, int from, int to, boolean late) {
        boolean news = holdings.add(placeOf(worker), from, to);
        changed |= late && news;
    }

    /** Returns whether a worker has been given a shard whose images its place has to make first, and has not made them yet. */
    boolean isMaking() {
        return all.values().stream().anyMatch(member -> !making(member).isEmpty());
    }

    /** Returns the shards whose images are at the place of a worker. */
    BitSet here(Member<A> member) {
        return holdings.of(member.place);
    }

    /** Returns the shards that no place has. */
    BitSet nowhere() {
        return holdings.nowhere();
    }

    /**
     * Notes that a place is gone for good. Its shards are at home where else they are; those that are nowhere stay at home there, also if
     * a worker at another place has begun to make them.
     */
    void remove(String place) {
        BitSet had = holdings.remove(place);
        for (int shard = 0; shard < shards; shard++) {
            if (had.get(shard) || place.equals(homes[shard])) {
                String other = holdings.place(shard);
                if (other == null) {
                    homes[shard] = place;
                } else if (place.equals(homes[shard])) {
                    homes[shard] = other;
                }
            }
        }
    }

    /** Returns the home of each shard, null for those without. */
    List<@Nullable String> homes() {
        return Arrays.asList(homes.clone());
    }

    Collection<Member<A>> all() {
        return all.values();
    }

    @Nullable
    Member<A> find(String name) {
        return all.get(name);
    }

    /** Returns a worker of so many slots, which is new or known. */
    Member<A> known(String name, int count) {
        Member<A> member = all.computeIfAbsent(name, Member::new);
        changed |= member.slots != count;
        slots += count - member.slots;
        member.slots = count;
        return member;
    }

    /**
     * Forgets a worker. Its shards are nobody's.
     *
     * @param since when it was lost; its shards wait from then on
     */
    @Nullable
    Member<A> lose(String name, long since) {
        Member<A> lost = all.remove(name);
        if (lost != null) {
            changed = true;
            slots -= lost.slots;
            unowned.or(lost.owned);
            left.put(lost.place, since);
        }
        return lost;
    }

    /** Begins a round, or goes on with one. Shards wait from now on. */
    void begin(long now) {
        began = now;
        left.clear();
        all.values().forEach(member -> {
            member.copies.clear();
            giveUp(member);
        });
    }

    /** A worker gives up what it has not begun when another round begins: of what it was given, its slots make the first shards that are not there. */
    private void giveUp(Member<A> member) {
        BitSet making = making(member);
        Arrays.stream(making.stream().toArray()).skip(member.slots).forEach(making::clear);
        member.given.clear();
        member.given.or(making);
    }

    /** Returns the shards that a worker was given and whose images its place does not have. */
    private BitSet making(Member<A> member) {
        BitSet making = (BitSet) member.given.clone();
        making.andNot(here(member));
        return making;
    }

    /**
     * Returns which of some shards of nobody a worker takes: all whose home is its place, else its part of those that wait for no other, and of these only those
     * whose images are at its place if there are any.
     */
    BitSet take(Member<A> member, BitSet some, long now) {
        BitSet here = new BitSet();
        BitSet others = new BitSet();
        for (int shard : both(some, unowned).stream().toArray()) {
            if (member.place.equals(homes[shard])) {
                here.set(shard);
            } else if (!waits(shard, now)) {
                others.set(shard);
            }
        }
        if (here.isEmpty()) {
            if (others.intersects(here(member))) {
                others.and(here(member));
            }
            others.stream().limit(share(member, Math.max(expected, slots))).forEach(here::set);
        }
        if (!here.isEmpty()) {
            own(member, here);
        }
        return here;
    }

    private boolean waits(int shard, long now) {
        String home = homes[shard];
        return home != null && now - Math.max(began, left.getOrDefault(home, began)) < patience;
    }

    /** Gives a worker those of consecutive shards that were missing, so that its copies have come first. */
    void keepCopies(String worker, BitSet missing, int from, int to) {
        Member<A> member = all.get(worker);
        if (member != null && !member.copies.isEmpty()) {
            BitSet first = both(missing, member.copies);
            first.clear(0, from);
            first.clear(to, shards);
            own(member, first);
        }
    }

    /** Gives a worker shards, whichever worker has them. */
    void own(Member<A> member, BitSet some) {
        all.values().forEach(other -> other.owned.andNot(some));
        unowned.andNot(some);
        member.owned.or(some);
        some.stream().forEach(shard -> homes[shard] = member.place);
    }

    /** Returns how many shards a worker has at most, of so many slots. */
    private int share(Member<A> member, long of) {
        return (int) Math.max(1, ((long) shards * member.slots + of - 1) / of);
    }

    /**
     * Deals shards anew, if workers or images have come or gone: one that has more than its part gives some away, and those of nobody go home, or to workers
     * that have less: where their images are, else beside others of theirs if there is room. The rest stay where they are.
     */
    void deal(long now) {
        if (!changed) {
            return;
        }
        changed = false;
        List<Member<A>> order = new ArrayList<>(all.values());
        for (Member<A> member : order) {
            while (member.owned.cardinality() > share(member, slots)) {
                int given = surplus(member);
                member.owned.clear(given);
                unowned.set(given);
                homes[given] = null;
            }
        }
        order.sort(Comparator.comparingInt(one -> one.owned.isEmpty() ? shards : one.owned.nextSetBit(0)));
        for (int shard : unowned.stream().toArray()) {
            Member<A> taker = taker(order, shard, now);
            if (taker != null) {
                unowned.clear(shard);
                taker.owned.set(shard);
                homes[shard] = taker.place;
            }
        }
    }

    /** Returns which shard a worker gives away: the last one of which a worker with room has the images or makes them, else its last one. */
    private int surplus(Member<A> member) {
        BitSet ready = new BitSet();
        all.values().stream().filter(this::hasRoom).forEach(other -> {
            ready.or(here(other));
            ready.or(other.given);
        });
        ready.and(member.owned);
        return (ready.isEmpty() ? member.owned : ready).length() - 1;
    }

    private boolean hasRoom(Member<A> member) {
        return member.owned.cardinality() < share(member, slots);
    }

    /** Returns which worker is to have a shard of nobody: null if it waits, or nobody has room. */
    private @Nullable Member<A> taker(List<Member<A>> order, int shard, long now) {
        Member<A> first = null;
        Member<A> ready = null;
        for (Member<A> member : order) {
            if (hasRoom(member)) {
                if (member.place.equals(homes[shard])) {
                    return member;
                }
                if (holdings.has(member.place, shard) || member.given.get(shard)) {
                    ready = member;
                }
                boolean beside = shard > 0 && member.owned.get(shard - 1);
                first = first == null || beside ? member : first;
            }
        }
        return waits(shard, now) ? null : ready == null ? first : ready;
    }

    static BitSet both(BitSet one, BitSet other) {
        BitSet both = (BitSet) one.clone();
        both.and(other);
        return both;
    }
}
