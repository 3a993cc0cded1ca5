package dev.grft.rounds;

import java.util.BitSet;

/** Which shards of a round are late, so that a worker that has nothing else to do computes copies. Not thread-safe. */
final class Copies {
    private final int shards;
    private final Coordinator.Patience patience;
    private BitSet copied = new BitSet(); // in this round
    private long began;
    private long half; // how long it took until half of the shards were there; 0: they are not

    Copies(int shards, Coordinator.Patience patience) {
        this.shards = shards;
        this.patience = patience;
    }

    /** Begins a round. */
    void begin() {
        half = 0;
    }

    /** Goes on with the round, without copies. */
    void go(long now) {
        began = now;
        copied = new BitSet();
    }

    /** Notes which shards are still missing after some have arrived. */
    void arrived(BitSet missing, long now) {
        if (half == 0 && 2L * missing.cardinality() <= shards) {
            half = now - began;
        }
    }

    /** Notes that the worker is lost that computed these copies. */
    void lose(BitSet copies) {
        copied.andNot(copies);
    }

    /**
     * Returns late shards that a worker is to compute, as many as it has slots: those whose images are at its place. Others would have to be made there
     * first, so they are copied only after a longer time.
     *
     * @param here the shards whose images are at its place
     */
    BitSet of(BitSet missing, BitSet here, int slots, long now) {
        BitSet copies = new BitSet();
        long elapsed = now - began;
        if (half > 0 && elapsed >= patience.late() && elapsed >= patience.lateFactor() * half) {
            BitSet late = (BitSet) missing.clone();
            late.andNot(copied);
            if (late.intersects(here) || elapsed < patience.making()) {
                late.and(here);
            }
            late.stream().limit(slots).forEach(copies::set);
            copied.or(copies);
        }
        return copies;
    }
}
