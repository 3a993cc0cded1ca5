package dev.grft.rounds;

import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which places have the images of which shards. A place has a shard from the moment it was found there, or delivered from there, until the place
 * is gone. Not thread-safe.
 */
final class Holdings {
    private static final BitSet NOTHING = new BitSet();

    private final int shards;
    private final Map<String, BitSet> held = new LinkedHashMap<>(); // by place
    private final Set<String> gone = new HashSet<>();

    Holdings(int shards) {
        this.shards = shards;
    }

    /**
     * Notes that a place has consecutive shards; nothing if it is gone, which may be heard first.
     *
     * @return whether that is news of one of them
     */
    boolean add(String place, int from, int to) {
        if (gone.contains(place)) {
            return false;
        }
        BitSet here = held.computeIfAbsent(place, key -> new BitSet());
        boolean news = here.nextClearBit(from) < to;
        here.set(from, to);
        return news;
    }

    boolean has(String place, int shard) {
        return of(place).get(shard);
    }

    /** Returns the shards that a place has, not to be changed. */
    BitSet of(String place) {
        return held.getOrDefault(place, NOTHING);
    }

    /** Returns a place that has a shard, or null. */
    @Nullable
    String place(int shard) {
        return held.keySet().stream()
                .filter(place -> has(place, shard))
                .findFirst()
                .orElse(null);
    }

    /** Returns the shards that no place has. */
    BitSet nowhere() {
        BitSet nowhere = new BitSet();
        nowhere.set(0, shards);
        held.values().forEach(nowhere::andNot);
        return nowhere;
    }

    /** Notes that a place is gone for good, and returns what it had. */
    BitSet remove(String place) {
        gone.add(place);
        BitSet had = held.remove(place);
        return had == null ? new BitSet() : had;
    }
}
