package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.data.BrokenImage;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.images.Encoded;
import java.io.Serializable;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;

/** A model with one or more deltas, which labels images in batches, in order, while a task reads them. No image is kept. */
public final class Looking implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    private final Preprocess preprocess;
    private final Sight sight;
    private final int batchSize;
    private final int decoders;

    /**
     * Returns a model.
     *
     * @param decoders threads of a task that decode
     */
    Looking(Preprocess preprocess, Sight sight, int batchSize, int decoders) {
        this.preprocess = preprocess;
        this.sight = sight;
        this.batchSize = batchSize;
        this.decoders = decoders;
    }

    /**
     * What came of an image: what is seen of it, or why it is broken.
     *
     * @param <T> what the image was in
     */
    public static final class Seen<T> {
        public final T item;
        public final float @Nullable [] values; // [K] probabilities or values, of several deltas one after the other
        public final @Nullable BrokenImage broken;
        public final boolean leftTurned; // a photo that lies on its side or head

        private Seen(T item, float @Nullable [] values, @Nullable BrokenImage broken, boolean leftTurned) {
            this.leftTurned = leftTurned;
            this.item = item;
            this.values = values;
            this.broken = broken;
        }
    }

    /** Returns how many images a task holds at a time. */
    public int batchSize() {
        return batchSize;
    }

    /**
     * Returns what comes of each image of a partition, in order. A batch is decoded and looked at when it is asked for; the network is
     * held until the last one, or the end of the task.
     *
     * @param item what remains of what an image was in, once it is decoded
     */
    public <S, T> Iterator<Seen<T>> over(Iterator<S> some, Function<S, Encoded> image, Function<S, T> item) {
        Batches<S, T> batches = new Batches<>(some, image, item);
        TaskContext task = TaskContext.get();
        if (task != null) {
            task.addTaskCompletionListener((TaskCompletionListener) ended -> batches.close());
        }
        return batches;
    }

    /** Frees what the tasks were sent. */
    @Override
    public void close() {
        sight.close();
    }

    private final class Batches<S, T> implements Iterator<Seen<T>>, AutoCloseable {
        private final Iterator<S> some;
        private final Function<S, Encoded> image;
        private final Function<S, T> item;
        private final Deque<Seen<T>> ready = new ArrayDeque<>();
        private Sight.@Nullable Open open;
        private @Nullable ExecutorService pool;
        private boolean closed;

        /** An example, or why there is none. */
        private record Decoded(
                @Nullable Example example, @Nullable BrokenImage broken, boolean leftTurned) {}

        Batches(Iterator<S> some, Function<S, Encoded> image, Function<S, T> item) {
            this.some = some;
            this.image = image;
            this.item = item;
        }

        @Override
        public boolean hasNext() {
            if (ready.isEmpty() && some.hasNext()) {
                look();
            }
            if (ready.isEmpty()) {
                close();
            }
            return !ready.isEmpty();
        }

        @Override
        public Seen<T> next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            return ready.remove();
        }

        private void look() {
            List<S> batch = new ArrayList<>();
            while (batch.size() < batchSize && some.hasNext()) {
                batch.add(some.next());
            }
            List<Decoded> decoded = decoded(batch);
            List<Example> examples = decoded.stream()
                    .flatMap(each -> Stream.ofNullable(each.example))
                    .toList();
            Iterator<float[]> values = (examples.isEmpty()
                            ? List.<float[]>of()
                            : List.of(values(Batch.of(examples, preprocess))))
                    .iterator();
            for (int i = 0; i < batch.size(); i++) {
                BrokenImage broken = decoded.get(i).broken;
                ready.add(new Seen<>(
                        item.apply(batch.get(i)),
                        broken == null ? values.next() : null,
                        broken,
                        decoded.get(i).leftTurned));
            }
        }

        private List<Decoded> decoded(List<S> batch) {
            List<Callable<Decoded>> each = new ArrayList<>();
            for (int i = 0; i < batch.size(); i++) {
                int id = i;
                each.add(() -> decoded(id, image.apply(batch.get(id))));
            }
            try {
                List<Decoded> all = new ArrayList<>();
                if (decoders == 1) {
                    for (Callable<Decoded> one : each) {
                        all.add(one.call());
                    }
                } else {
                    for (Future<Decoded> one : pool().invokeAll(each)) {
                        all.add(one.get());
                    }
                }
                return all;
            } catch (InterruptedException e) { // the task was killed
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            } catch (Exception e) {
                throw Causes.rethrown(e);
            }
        }

        private Decoded decoded(int id, Encoded one) {
            try {
                return new Decoded(one.example(id, preprocess), null, one.leftTurned(preprocess));
            } catch (BrokenImage e) {
                return new Decoded(null, e, false);
            }
        }

        private synchronized ExecutorService pool() {
            requireOpen();
            if (pool == null) {
                pool = Executors.newFixedThreadPool(decoders, work -> {
                    Thread thread = new Thread(work, "grft-decoder");
                    thread.setDaemon(true);
                    return thread;
                });
            }
            return pool;
        }

        /** A task may end while another thread of it, such as that which feeds Python, still asks for images. */
        private void requireOpen() {
            if (closed) {
                throw new IllegalStateException("the task has ended");
            }
        }

        private synchronized float[][] values(Batch batch) {
            requireOpen();
            if (open == null) {
                open = sight.open();
            }
            return open.at(batch);
        }

        @Override
        public synchronized void close() {
            closed = true;
            if (pool != null) {
                pool.shutdownNow();
                pool = null;
            }
            if (open != null) {
                open.close();
                open = null;
            }
        }
    }
}
