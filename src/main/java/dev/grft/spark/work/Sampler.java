package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.config.TrainingSettings;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Order;
import dev.grft.data.Preprocess;
import dev.grft.data.Standard;
import dev.grft.data.Treatment;
import dev.grft.spark.images.Shard;
import java.io.Serializable;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the examples of a shard that belong to a step. The number of shards is fixed by configuration, so the batch of a step
 * and its parts are the same on any number of executors.
 */
public final class Sampler implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Preprocess preprocess;
    private final Augment augment;
    private final Balance balance;
    private final Treatment treatment;
    private final long seed;
    private final int batchSize;
    private final int shards;
    private final int atOnce;
    private final long first;
    private final @Nullable FrozenCache frozen;
    private final long images; // 0: not known

    /** Returns a sampler of images whose values are taken as they are. */
    public Sampler(
            Preprocess preprocess, Augment augment, Balance balance, TrainingSettings training, long seed, long first) {
        this(preprocess, augment, balance, training, seed, first, null);
    }

    /**
     * Returns the sampler of a training that begins after {@code first} steps, whose examples it does not take again.
     *
     * @param standard that values are standardized by; null: as they are
     */
    public Sampler(
            Preprocess preprocess,
            Augment augment,
            Balance balance,
            TrainingSettings training,
            long seed,
            long first,
            @Nullable Standard standard) {
        this.preprocess = preprocess;
        this.augment = augment;
        this.balance = balance;
        this.treatment = new Treatment(training.labelSmoothing(), training.dropPath(), balance.weights(), standard);
        this.seed = seed;
        this.batchSize = training.batchSize();
        this.shards = training.shards();
        int most = training.examplesAtOnce();
        // With draws, a shard's part can be larger than this: pairs of mixed images must not be divided.
        this.atOnce = augment.mixes() ? most + most % 2 : most;
        this.first = first;
        this.frozen = null;
        this.images = 0;
    }

    private Sampler(Sampler from, @Nullable FrozenCache frozen, long images) {
        this.preprocess = from.preprocess;
        this.augment = from.augment;
        this.balance = from.balance;
        this.treatment = from.treatment;
        this.seed = from.seed;
        this.batchSize = from.batchSize;
        this.shards = from.shards;
        this.atOnce = from.atOnce;
        this.first = from.first;
        this.frozen = frozen;
        this.images = images;
    }

    /** Returns the same sampler whose batches have what frozen stages make of the images, in place of these. Nothing may be augmented. */
    public Sampler from(FrozenCache outputs) {
        return new Sampler(this, outputs, images);
    }

    /** Returns the same sampler, which can tell the epoch of a step by the number of images. */
    public Sampler of(long count) {
        return new Sampler(this, frozen, count);
    }

    /** Returns which step of a training, and of which epoch, is made after so many of this sampler's, for people. */
    String next(long made, long steps) {
        long step = stepsDone(made + 1);
        return step + "/" + steps
                + (images == 0
                        ? ""
                        : String.format(Locale.ROOT, ", epoch %.2f,", (double) (step - 1) * batchSize / images));
    }

    /** Returns the number of steps of the whole training when so many of this sampler's are done. */
    long stepsDone(long steps) {
        return first + steps;
    }

    /** Returns what a step is made of, for people. */
    @Override
    public String toString() {
        return shards + " shards of "
                + (batchSize % shards == 0 && balance.counts() == null ? "" : "about ")
                + Math.max(1, batchSize / shards) + " images";
    }

    /** Returns how many examples of each step's batch come from a shard; those of all shards sum to the batch size. */
    private int share(int shard) {
        return (int) ((long) batchSize * (shard + 1) / shards - (long) batchSize * shard / shards);
    }

    /** Which examples of a shard a step takes, by index, and the epoch of each. */
    private static final class Part {
        final int[] indices;
        final long[] epochs;

        Part(int[] indices, long[] epochs) {
            this.indices = indices;
            this.epochs = epochs;
        }

        Part range(int from, int to) {
            return new Part(Arrays.copyOfRange(indices, from, to), Arrays.copyOfRange(epochs, from, to));
        }
    }

    /**
     * Returns a shard's part of a step's batch, in batches of as many examples as a task computes at once; none if the step takes no
     * example of the shard. A view: each access reads and augments a batch.
     *
     * @param number of the shard
     * @param step from 0
     */
    List<Batch> batches(int number, Shard shard, long step) {
        return batches(number, shard, step, () -> false);
    }

    /**
     * Returns a shard's part of a step's batch, which may not be needed any more while it is read.
     *
     * @param unwanted asked before each image. If it returns true, or the thread is interrupted, an access throws {@link CancellationException}
     */
    List<Batch> batches(int number, Shard shard, long step, BooleanSupplier unwanted) {
        if (shard.size() == 0) {
            throw UserError.of(
                    "training.shards is %d, but shard %d has no image; use fewer shards than images", shards, number);
        }
        int[] counts = balance.counts();
        Part part = counts == null ? next(number, shard, step) : drawn(number, shard, counts, step);
        int size = part.indices.length;
        return new AbstractList<>() {
            @Override
            public Batch get(int index) {
                Part some =
                        part.range(Objects.checkIndex(index, size()) * atOnce, Math.min(size, (index + 1) * atOnce));
                return (frozen == null ? batch(shard, some, unwanted) : batch(number, shard, some, frozen, unwanted))
                        .mixed(augment, number, first + step)
                        .treated(treatment);
            }

            @Override
            public int size() {
                return (size + atOnce - 1) / atOnce;
            }
        };
    }

    /** Throws {@link CancellationException} if a batch is not needed any more. */
    static void requireWanted(BooleanSupplier unwanted) {
        if (Thread.currentThread().isInterrupted() || unwanted.getAsBoolean()) {
            throw new CancellationException("a batch is not needed any more");
        }
    }

    private Batch batch(Shard shard, Part part, BooleanSupplier unwanted) {
        List<Example> examples = (augment.crop() ? shard.withSources() : shard).examples();
        List<Example> chosen = new AbstractList<>() { // read one by one, not all at a time
                    @Override
                    public Example get(int index) {
                        requireWanted(unwanted);
                        return examples.get(part.indices[index]);
                    }

                    @Override
                    public int size() {
                        return part.indices.length;
                    }
                };
        return Batch.augmented(chosen, preprocess, augment, part.epochs, 1);
    }

    private Batch batch(int number, Shard shard, Part part, FrozenCache cache, BooleanSupplier unwanted) {
        long[] seeds = IntStream.range(0, part.indices.length)
                .mapToLong(b -> augment.seed(part.epochs[b], shard.id(part.indices[b]), 0))
                .toArray();
        return cache.batch("shard " + number, shard, part.indices, seeds, preprocess, unwanted);
    }

    /** Returns the next examples of the shard's own endless order. */
    private Part next(int number, Shard shard, long step) {
        int share = share(number);
        Order order = shard.order(seed, number);
        long begin = (first + step) * share;
        return new Part(
                IntStream.range(0, share).map(i -> order.index(begin + i)).toArray(),
                IntStream.range(0, share).mapToLong(i -> order.epoch(begin + i)).toArray());
    }

    /** Returns those of the step's draws that the shard has. Each draw is an epoch of its own: drawn twice, an image changes twice. */
    private Part drawn(int number, Shard shard, int[] counts, long step) {
        long begin = (first + step) * batchSize;
        long[] positions = IntStream.range(0, batchSize)
                .mapToLong(i -> begin + i)
                .filter(position -> balance.draws(number, seed, position))
                .toArray();
        return new Part(
                IntStream.range(0, positions.length)
                        .map(i -> Balance.drawn(shard, counts, seed, positions[i]))
                        .toArray(),
                positions);
    }
}
