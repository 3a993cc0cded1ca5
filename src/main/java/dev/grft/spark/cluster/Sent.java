package dev.grft.spark.cluster;

import java.io.Serializable;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BroadcastBlockId;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A value that the driver sends to tasks once, in place of a copy in the closure of every job. On a cluster this is a broadcast. In local
 * mode the tasks run in the driver's JVM: it is a reference, and nothing is serialized or copied.
 *
 * <p>The driver takes the value back when it closes this object, or when nothing refers to the object any more. An executor can hold
 * something for as long as the value is sent, see {@link #whenOver}.
 *
 * @param <T> tasks only read it; a class that Kryo can serialize, which Spark may be configured with
 */
public final class Sent<T> implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(Sent.class);

    /** How often an executor looks for values that were taken back. */
    private static final long EVERY_MILLIS = 2000;

    private static final Cleaner CLEANER = Cleaner.create();
    private static final AtomicLong IDS = new AtomicLong();
    private static final AtomicInteger OPEN = new AtomicInteger();
    private static final Map<Long, Object> HERE = new ConcurrentHashMap<>(); // local mode
    private static final Map<Long, Ending> ENDINGS = new ConcurrentHashMap<>(); // of this JVM
    private static @Nullable Thread sweeper; // of an executor

    private final long id = IDS.incrementAndGet(); // of the driver, which gives them all
    private final @Nullable Broadcast<T> broadcast; // null in local mode
    private final transient Cleaner.Cleanable takeBack; // null in a task

    /** What to do in this JVM when a value is taken back. */
    private record Ending(@Nullable Long broadcast, Runnable act) {
        void run() {
            try {
                act.run();
            } catch (RuntimeException e) {
                LOG.warn("what was held for a value that was taken back could not be freed", e);
            }
        }
    }

    private Sent(@Nullable Broadcast<T> broadcast) {
        this.broadcast = broadcast;
        OPEN.incrementAndGet();
        this.takeBack = CLEANER.register(this, new TakeBack(id, broadcast, new WeakReference<>(SparkEnv.get())));
    }

    /** The action of the driver; must not refer to the object whose end it waits for. */
    private record TakeBack(long id, @Nullable Broadcast<?> broadcast, WeakReference<SparkEnv> env)
            implements Runnable {
        @Override
        public void run() {
            OPEN.decrementAndGet();
            HERE.remove(id);
            Ending ending = ENDINGS.remove(id);
            if (ending != null) {
                ending.run();
            }
            SparkEnv present = SparkEnv.get(); // a later application gives its broadcasts the same numbers
            if (broadcast != null && present != null && present == env.get()) {
                try {
                    broadcast.destroy();
                } catch (RuntimeException e) { // the application has ended, and the value with it
                    LOG.debug("the broadcast {} cannot be taken back", broadcast.id(), e);
                }
            }
        }
    }

    /** Sends a value. */
    public static <T> Sent<T> of(JavaSparkContext spark, T value) {
        if (!spark.isLocal()) {
            return new Sent<>(spark.broadcast(value));
        }
        Sent<T> sent = new Sent<>(null);
        HERE.put(sent.id, value);
        return sent;
    }

    /** Returns how many values this driver has sent and not taken back. */
    static int open() {
        return OPEN.get();
    }

    /** Returns a number that no other value of this driver has. */
    public long id() {
        return id;
    }

    /**
     * Returns the value.
     *
     * @throws IllegalStateException if it was taken back in local mode; on a cluster Spark throws
     */
    @SuppressWarnings("unchecked") // the value of this id has this type
    public T value() {
        if (broadcast != null) {
            return broadcast.value();
        }
        Object value = HERE.get(id);
        if (value == null) {
            throw new IllegalStateException(
                    "the work is over: the driver has taken back the value that this task reads");
        }
        return (T) value;
    }

    /** Drops the copy of this executor, which does not need it any more; others and later ones still get it. */
    public void drop() {
        if (broadcast != null) {
            BlockManager blocks = SparkEnv.get().blockManager();
            long dropped = broadcast.id();
            // The task itself may hold read locks on pieces that were here before, until it ends: it must not wait for
            // them.
            Thread thread = new Thread(() -> blocks.removeBroadcast(dropped, true), "dropping a broadcast");
            thread.setDaemon(true);
            thread.start();
        }
    }

    /**
     * Has something done in this JVM when the value is taken back: in local mode at once, on an executor within seconds, even if it
     * never gets a task again. For an action that is the same for each task: later calls for the same value do nothing.
     */
    public void whenOver(Runnable act) {
        if (ENDINGS.containsKey(id)) {
            return;
        }
        if (broadcast == null) {
            ENDINGS.put(id, new Ending(null, act));
            if (!HERE.containsKey(id)) {
                sweep(id);
            }
            return;
        }
        value(); // Spark keeps it here until it is taken back
        ENDINGS.putIfAbsent(id, new Ending(broadcast.id(), act));
        startSweeper();
    }

    private static synchronized void startSweeper() {
        if (sweeper == null) {
            sweeper = new Thread(Sent::sweep, "freeing what is over");
            sweeper.setDaemon(true);
            sweeper.start();
        }
    }

    private static void sweep() {
        while (true) {
            try {
                Thread.sleep(EVERY_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
            ENDINGS.forEach((id, ending) -> {
                if (ending.broadcast != null && !present(ending.broadcast)) {
                    sweep(id);
                }
            });
        }
    }

    private static void sweep(long id) {
        Ending ending = ENDINGS.remove(id);
        if (ending != null) {
            ending.run();
        }
    }

    private static boolean present(long broadcast) {
        SparkEnv env = SparkEnv.get();
        return env != null
                && env.blockManager()
                        .getStatus(new BroadcastBlockId(broadcast, ""))
                        .isDefined();
    }

    /** Takes the value back, in the driver. */
    @Override
    public void close() {
        takeBack.clean();
    }
}
