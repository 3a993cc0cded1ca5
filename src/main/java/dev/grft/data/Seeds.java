package dev.grft.data;

import java.util.SplittableRandom;

/** Random streams that depend on their keys only: the same on every machine and in any order of calls. */
public final class Seeds {
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    private Seeds() {}

    /** Returns a stream of its own for these numbers in this order. */
    public static SplittableRandom random(long... parts) {
        return new SplittableRandom(hash(parts));
    }

    /** Returns a number in [0, {@code of}) that is drawn for these numbers in this order. */
    public static int drawn(int of, long... parts) {
        return of == 1 ? 0 : random(parts).nextInt(of);
    }

    /** Returns a hash of these numbers in this order. */
    static long hash(long... parts) {
        long hash = 0;
        for (long part : parts) {
            hash = mix(31 * hash + part + GOLDEN);
        }
        return hash;
    }

    /** Returns the bits mixed, one to one (Stafford's variant 13 of MurmurHash3's finalizer). */
    private static long mix(long bits) {
        long mixed = (bits ^ (bits >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
