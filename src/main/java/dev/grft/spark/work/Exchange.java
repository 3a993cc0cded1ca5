package dev.grft.spark.work;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.jspecify.annotations.Nullable;

/**
 * What one round sends to its tasks and what they return. On a cluster this is a broadcast and Spark's results. In local mode the tasks
 * run in the driver's JVM: both are references, and no vector is serialized or copied.
 *
 * @param <S> what is sent; tasks only read it
 * @param <R> what a task returns
 */
final class Exchange<S, R> implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    /** The open exchanges of local mode, by id. */
    private static final Map<Long, Exchange<?, ?>> HERE = new ConcurrentHashMap<>();

    private static final AtomicLong IDS = new AtomicLong();

    private final long id = IDS.incrementAndGet();
    private final @Nullable Broadcast<S> broadcast; // null in local mode
    private final transient @Nullable S sent; // null on a cluster
    private final transient Map<Integer, R> returned = new ConcurrentHashMap<>();

    private Exchange(@Nullable Broadcast<S> broadcast, @Nullable S sent) {
        this.broadcast = broadcast;
        this.sent = sent;
    }

    /** Sends a value, until the exchange is closed. */
    static <S, R> Exchange<S, R> of(JavaSparkContext spark, S value) {
        if (!spark.isLocal()) {
            return new Exchange<>(spark.broadcast(value), null);
        }
        Exchange<S, R> exchange = new Exchange<>(null, value);
        HERE.put(exchange.id, exchange);
        return exchange;
    }

    /** What Spark carries from a task to the driver: the result, or in local mode only the number of its shard. */
    record Part<R>(int shard, @Nullable R result) implements Serializable {}

    /** Returns what a task has to return, made of what was sent. */
    Part<R> answer(int shard, Function<S, R> work) {
        if (broadcast != null) {
            return new Part<>(shard, work.apply(broadcast.value()));
        }
        Exchange<S, R> here = here();
        S value = here.sent;
        if (value == null) {
            throw new IllegalStateException("nothing was sent");
        }
        here.returned.put(shard, work.apply(value));
        return new Part<>(shard, null);
    }

    @SuppressWarnings("unchecked") // the exchange of this id has these types
    private Exchange<S, R> here() {
        Exchange<?, ?> found = HERE.get(id);
        if (found == null) {
            throw new IllegalStateException("the round is over"); // of a task that was canceled
        }
        return (Exchange<S, R>) found;
    }

    /** Returns the results of collected parts, in their order. */
    List<R> results(List<Part<R>> parts) {
        return parts.stream().map(this::result).toList();
    }

    private R result(Part<R> part) {
        R result = part.result() != null ? part.result() : returned.get(part.shard());
        if (result == null) {
            throw new IllegalStateException("no result of shard " + part.shard());
        }
        return result;
    }

    @Override
    public void close() {
        HERE.remove(id);
        if (broadcast != null) {
            broadcast.destroy();
        }
    }
}
