package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.ClassDraws;
import dev.grft.data.Example;
import dev.grft.data.Order;
import dev.grft.data.Pixels;
import dev.grft.data.Target;
import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.RandomAccess;
import java.util.Set;
import java.util.function.LongPredicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The examples of a partition on an executor: their pixels in a file of its local disk, one after the other, each followed by what
 * random crops are cut from if that is kept. A batch is read without the rest; or a view of examples that lie in the files of others. What is read often stays in the memory of the operating
 * system as far as there is room; the heap holds none of it. Safe for use by several threads.
 */
public final class Shard implements AutoCloseable {
    private final @Nullable Pixelfile own; // null: a view
    private final List<Entry> entries;
    private final Set<Pixelfile> files;
    private final List<Decoded> results;
    private final boolean sources; // whether examples are read with theirs
    private @Nullable Order order;
    private long orderSeed;
    private @Nullable ClassDraws draws;
    private int @Nullable [] drawsOf;

    private static final class Entry {
        final Pixelfile file;
        final long id;
        final Target target;
        final String name;
        final int height;
        final int width;
        final float weight;
        final int sourceHeight; // 0: no source
        final int sourceWidth;
        final long at; // in the file, followed by the source

        Entry(Pixelfile file, Example example, long at) {
            this.file = file;
            this.id = example.id();
            this.target = example.target().shared();
            this.name = example.name();
            this.height = example.pixels().height();
            this.width = example.pixels().width();
            this.weight = example.weight();
            Pixels source = example.source();
            this.sourceHeight = source == null ? 0 : source.height();
            this.sourceWidth = source == null ? 0 : source.width();
            this.at = at;
        }

        long sourceAt() {
            return at + 3L * height * width;
        }
    }

    private Shard(Pixelfile own, List<Entry> entries, List<Decoded> results) {
        this.own = own;
        this.entries = entries;
        this.files = Set.of(own);
        this.results = results;
        this.sources = false;
    }

    /** Returns a view, of which {@link #close} does nothing. */
    private Shard(List<Entry> entries, Set<Pixelfile> files, boolean sources) {
        this.own = null;
        this.entries = entries;
        this.files = files;
        this.results = List.of();
        this.sources = sources;
    }

    private static Shard view(Stream<Entry> some, boolean sources) {
        List<Entry> entries = some.toList();
        return new Shard(
                entries, entries.stream().map(entry -> entry.file).collect(Collectors.toUnmodifiableSet()), sources);
    }

    /** Returns a view of the same examples, which are read with {@linkplain Example#source what random crops are cut from}. */
    public Shard withSources() {
        return new Shard(entries, files, true);
    }

    /**
     * Returns one of the shards of a training: every example of some pieces whose id is {@code number} modulo {@code shards}.
     *
     * @param pieces by id
     */
    static Shard dealt(List<Shard> pieces, int number, int shards) {
        return view(
                pieces.stream().flatMap(piece -> piece.entries.stream()).filter(entry -> entry.id % shards == number),
                false);
    }

    /** A file of pixels that has been written. */
    private static final class Pixelfile implements AutoCloseable {
        private final File file;
        private final RandomAccessFile pixels;
        private volatile boolean damaged;

        Pixelfile(File file) {
            this.file = file;
            try {
                this.pixels = new RandomAccessFile(file, "r");
            } catch (IOException e) {
                throw new IllegalStateException(file + ": has been written and cannot be opened", e);
            }
        }

        Example read(Entry entry, boolean withSource) {
            Pixels source = withSource && entry.sourceHeight > 0
                    ? read(entry, entry.sourceAt(), entry.sourceHeight, entry.sourceWidth)
                    : null;
            Pixels prepared = read(entry, entry.at, entry.height, entry.width);
            return new Example(entry.id, entry.target, entry.name, prepared, source, entry.weight);
        }

        private Pixels read(Entry entry, long at, int height, int width) {
            byte[] rgb = new byte[3 * height * width];
            try {
                synchronized (pixels) {
                    pixels.seek(at);
                    pixels.readFully(rgb);
                }
            } catch (IOException e) {
                damaged = true;
                throw new IllegalStateException(
                        file + ": " + entry.name + " cannot be read back: " + e.getMessage(), e);
            }
            return new Pixels(height, width, rgb);
        }

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
        Pile pile = new Pile(file);
        Pixelfile pixels = new Pixelfile(file);
        boolean written = false;
        try (pile) {
            while (images.hasNext()) {
                Decoded image = images.next();
                results.add(image.withoutExample());
                if (image.example != null) {
                    long at = pile.add(image.example.pixels().rgb());
                    Pixels source = image.example.source();
                    if (source != null) {
                        pile.add(source.rgb());
                    }
                    entries.add(new Entry(pixels, image.example, at));
                }
            }
            pile.end();
            written = true;
            return new Shard(pixels, entries, results);
        } finally {
            if (!written) {
                pixels.close();
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

        /** Writes what has been added. */
        void end() {
            try {
                out.flush();
            } catch (IOException e) {
                throw noRoom(e);
            }
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
                    file + ": cannot write the prepared images (" + e.getMessage()
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
            Entry entry = entries.get(index);
            return entry.file.read(entry, sources);
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

    /**
     * Returns the examples by the number of their block, ascending; views. Block b has the ids from b times {@code size} to below b + 1
     * times {@code size}; it is left out if none of them is here.
     */
    public Map<Long, List<Example>> blocks(int size) {
        List<Example> examples = examples();
        Map<Long, List<Example>> blocks = new LinkedHashMap<>();
        int from = 0;
        for (int i = 1; i <= entries.size(); i++) {
            long block = entries.get(i - 1).id / size;
            if (i == entries.size() || entries.get(i).id / size != block) {
                blocks.put(block, examples.subList(from, i));
                from = i;
            }
        }
        return blocks;
    }

    /** Returns a view of the examples with some ids only. */
    Shard only(LongPredicate ids) {
        return view(entries.stream().filter(entry -> ids.test(entry.id)), sources);
    }

    /** Returns the number of examples; reads no pixels. */
    public int size() {
        return entries.size();
    }

    /** Returns the id of an example by its position; reads no pixels. */
    public long id(int index) {
        return entries.get(index).id;
    }

    /** Returns the name of an example; reads no pixels. */
    public String name(int index) {
        return entries.get(index).name;
    }

    /** Returns what an example shows; reads no pixels. */
    public Target target(int index) {
        return entries.get(index).target;
    }

    /** Returns the weight of an example in the loss; reads no pixels. */
    public float weight(int index) {
        return entries.get(index).weight;
    }

    /** Returns what the examples show; reads no pixels. */
    public List<Target> targets() {
        return entries.stream().map(entry -> entry.target).toList();
    }

    /** Returns the classes of the examples, each of which has a single one; reads no pixels. */
    private int[] labels() {
        return entries.stream().mapToInt(entry -> entry.target.label()).toArray();
    }

    /** Returns the sum of the examples' weights; reads no pixels. */
    public double weight() {
        return entries.stream().mapToDouble(entry -> entry.weight).sum();
    }

    /** Returns the ids of the first examples of a class, {@code most} at most; reads no pixels. */
    long[] idsOf(int label, int most) {
        return entries.stream()
                .filter(entry -> entry.target.has(label))
                .limit(most)
                .mapToLong(entry -> entry.id)
                .toArray();
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

    /**
     * Returns the draws of the examples, which are kept.
     *
     * @param counts how many examples of each class all shards have, {@code [K]}
     */
    public synchronized ClassDraws draws(int[] counts) {
        ClassDraws found = draws;
        if (found == null || !Arrays.equals(drawsOf, counts)) {
            found = new ClassDraws(labels(), counts);
            draws = found;
            drawsOf = counts;
        }
        return found;
    }

    /** Returns the paths of the files. */
    @Override
    public String toString() {
        return files.stream().map(each -> each.file.toString()).collect(Collectors.joining(" "));
    }

    /** Returns whether an example could not be read back: the next task makes the shard anew. */
    boolean damaged() {
        return files.stream().anyMatch(each -> each.damaged);
    }

    /** Deletes the file, unless this is a view; later reads fail. */
    @Override
    public void close() {
        if (own != null) {
            own.close();
        }
    }

    private static void delete(File file) {
        if (!file.delete() && file.exists()) {
            file.deleteOnExit();
        }
    }
}
