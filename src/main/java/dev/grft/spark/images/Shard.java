package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.Order;
import dev.grft.data.Pixels;
import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.RandomAccess;
import java.util.function.LongPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The examples of a shard on an executor: their pixels in a file of its local disk, one after the other, so that a batch is read
 * without the rest. What is read often stays in the memory of the operating system as far as there is room; the heap
 * holds none of it. Safe for use by several threads.
 */
public final class Shard implements AutoCloseable {
    private final File file;
    private final RandomAccessFile pixels;
    private final List<Entry> entries;
    private final List<Decoded> results;
    private volatile boolean damaged;
    private @Nullable Order order;
    private long orderSeed;

    private static final class Entry {
        final long id;
        final int label;
        final String name;
        final int height;
        final int width;
        final long at; // in the file

        Entry(Example example, long at) {
            this.id = example.id();
            this.label = example.label();
            this.name = example.name();
            this.height = example.pixels().height();
            this.width = example.pixels().width();
            this.at = at;
        }
    }

    private Shard(File file, List<Entry> entries, List<Decoded> results) {
        this(file, opened(file), entries, results);
    }

    private Shard(File file, RandomAccessFile pixels, List<Entry> entries, List<Decoded> results) {
        this.file = file;
        this.pixels = pixels;
        this.entries = entries;
        this.results = results;
    }

    /**
     * Returns the shard of some images, none of which stays in memory.
     *
     * @param file is written; deleted by {@link #close}, or at once if this fails
     * @throws UserError if there is no room for it; what {@code images} throws passes as it is
     */
    static Shard write(File file, Iterator<Decoded> images) {
        List<Entry> entries = new ArrayList<>();
        List<Decoded> results = new ArrayList<>();
        Shard shard = null;
        try {
            try (Pile pile = new Pile(file)) {
                while (images.hasNext()) {
                    Decoded image = images.next();
                    results.add(image.withoutExample());
                    if (image.example != null) {
                        entries.add(new Entry(
                                image.example, pile.add(image.example.pixels().rgb())));
                    }
                }
            }
            shard = new Shard(file, entries, results);
            return shard;
        } finally {
            if (shard == null) {
                delete(file);
            }
        }
    }

    /** A file that bytes are added to; whatever keeps it from growing is for the user to mend. */
    private static final class Pile implements AutoCloseable {
        private final File file;
        private final OutputStream out;
        private long size;

        Pile(File file) {
            this.file = file;
            try {
                out = new BufferedOutputStream(new FileOutputStream(file), 1 << 16);
            } catch (IOException e) {
                throw noRoom(e);
            }
        }

        /** Returns where in the file they begin. */
        long add(byte[] bytes) {
            long at = size;
            try {
                out.write(bytes);
            } catch (IOException e) {
                throw noRoom(e);
            }
            size += bytes.length;
            return at;
        }

        @Override
        public void close() {
            try {
                out.close();
            } catch (IOException e) {
                throw noRoom(e);
            }
        }

        private UserError noRoom(IOException e) {
            return new UserError(
                    file + ": the prepared images cannot be kept there (" + e.getMessage()
                            + "); make room, or set spark.local.dir to a larger disk",
                    e);
        }
    }

    /** Returns the examples by id, a view: each access reads the file. */
    public List<Example> examples() {
        return new Examples();
    }

    private final class Examples extends AbstractList<Example> implements RandomAccess {
        @Override
        public Example get(int index) {
            return read(entries.get(index));
        }

        @Override
        public int size() {
            return entries.size();
        }
    }

    /** Returns the examples at positions from {@code from} on, at most {@code count}; a view, too. */
    public List<Example> range(int from, int count) {
        int start = Math.min(from, entries.size());
        return examples().subList(start, start + Math.min(count, entries.size() - start));
    }

    /** Returns the shard of the examples with some ids only: a view, of which {@link #close} must not be called. */
    Shard only(LongPredicate ids) {
        return new Shard(
                file,
                pixels,
                entries.stream().filter(entry -> ids.test(entry.id)).toList(),
                List.of());
    }

    /** Returns the ids of the examples of each class, {@code [classes][any]}, ascending; reads no pixels. */
    long[][] idsByClass(int classes) {
        Map<Integer, List<Long>> ids = entries.stream()
                .collect(Collectors.groupingBy(
                        entry -> entry.label, Collectors.mapping(entry -> entry.id, Collectors.toList())));
        return IntStream.range(0, classes)
                .mapToObj(k -> ids.getOrDefault(k, List.of()).stream()
                        .mapToLong(Long::longValue)
                        .sorted()
                        .toArray())
                .toArray(long[][]::new);
    }

    /** Returns what came of each image, broken ones too, without the examples. */
    List<Decoded> results() {
        return results;
    }

    /**
     * Returns the order in which a training takes the examples, which keeps the shuffle of its epoch.
     *
     * @param number of this shard
     */
    public synchronized Order order(long seed, int number) {
        Order found = order;
        if (found == null || orderSeed != seed) {
            found = new Order(seed, number, entries.size());
            order = found;
            orderSeed = seed;
        }
        return found;
    }

    private Example read(Entry entry) {
        byte[] rgb = new byte[3 * entry.height * entry.width];
        try {
            synchronized (pixels) {
                pixels.seek(entry.at);
                pixels.readFully(rgb);
            }
        } catch (IOException e) {
            damaged = true;
            throw new IllegalStateException(file + ": " + entry.name + " cannot be read back: " + e.getMessage(), e);
        }
        return new Example(entry.id, entry.label, entry.name, new Pixels(entry.height, entry.width, rgb));
    }

    /** Returns the path of the file. */
    @Override
    public String toString() {
        return file.toString();
    }

    /** Returns whether an example could not be read back: the next task makes the shard anew. */
    boolean damaged() {
        return damaged;
    }

    private static RandomAccessFile opened(File file) {
        try {
            return new RandomAccessFile(file, "r");
        } catch (IOException e) {
            throw new IllegalStateException(file + ": has been written and cannot be opened", e);
        }
    }

    /** Deletes the file; later reads fail. */
    @Override
    public void close() {
        try {
            pixels.close();
        } catch (IOException e) {
            throw new IllegalStateException(file + ": cannot be closed", e);
        } finally {
            delete(file);
        }
    }

    private static void delete(File file) {
        if (!file.delete() && file.exists()) {
            file.deleteOnExit();
        }
    }
}
