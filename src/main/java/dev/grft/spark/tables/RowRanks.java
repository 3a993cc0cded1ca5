package dev.grft.spark.tables;

import dev.grft.data.Sha256;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The ranks of rows by what tells them apart, as the rows of a partition come in any order: 12 bytes a row. Rows with the same key are the
 * same to a training, and take the ranks of that key in turn.
 */
public final class RowRanks implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final RowRanks NONE = new RowRanks(new long[0], new int[0], null);

    private final long[] keys; // ascending
    private final int[] ranks; // of each key
    private final int @Nullable [] numbers; // of each among the rows of its name; null: all are 1

    private RowRanks(long[] keys, int[] ranks, int @Nullable [] numbers) {
        this.keys = keys;
        this.ranks = ranks;
        this.numbers = numbers;
    }

    /**
     * Returns the key of a text: 64 bits of its SHA-256. Among a million strings, two have the same key with a probability of 3e-8.
     */
    public static long key(String text) {
        return ByteBuffer.wrap(Sha256.digest().digest(text.getBytes(StandardCharsets.UTF_8)))
                .getLong();
    }

    /** Collects rows. */
    public static final class Builder {
        private final List<Entry> entries = new ArrayList<>();

        private record Entry(long key, int rank, int number) {}

        /** Adds a row: its key, its rank and its number among those of its name, from 1 on. */
        public void add(long key, long rank, int number) {
            entries.add(new Entry(key, Math.toIntExact(rank), number));
        }

        /** Returns the ranks of the rows so far; the same object whenever there are none. */
        public RowRanks ranks() {
            if (entries.isEmpty()) {
                return NONE;
            }
            entries.sort(Comparator.comparingLong(Entry::key).thenComparingInt(Entry::number));
            int[] numbers = entries.stream().mapToInt(Entry::number).toArray();
            return new RowRanks(
                    entries.stream().mapToLong(Entry::key).toArray(),
                    entries.stream().mapToInt(Entry::rank).toArray(),
                    Arrays.stream(numbers).allMatch(number -> number == 1) ? null : numbers);
        }
    }

    /** Returns the place of the first row with a key that is not taken, and takes it; -1 if there is none. */
    public int take(long key, BitSet taken) {
        int place = taken.nextClearBit(first(key));
        if (place >= keys.length || keys[place] != key) {
            return -1;
        }
        taken.set(place);
        return place;
    }

    /** Returns the place of the first key that is not below this one. */
    private int first(long key) {
        int low = 0;
        for (int high = keys.length; low < high; ) {
            int middle = (low + high) >>> 1;
            if (keys[middle] < key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** Returns the rank of the row at a place. */
    public long rank(int place) {
        return ranks[place];
    }

    /** Returns the number of the row at a place among those of its name, from 1 on. */
    public int number(int place) {
        return numbers == null ? 1 : numbers[place];
    }
}
