package dev.grft.spark.work;

import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.OrderedTree;
import dev.grft.spark.cluster.Sent;
import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * What one round sends to its tasks and what they return. On a cluster this is a broadcast and Spark's results. In local mode both are
 * references, and no vector is serialized or copied.
 *
 * @param <S> what is sent; tasks only read it
 * @param <R> what a task returns
 */
final class Exchange<S, R> implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    private final Sent<S> sent;
    private final @Nullable Sent<Map<Integer, R>> returned; // by shard; null on a cluster

    private Exchange(Sent<S> sent, @Nullable Sent<Map<Integer, R>> returned) {
        this.sent = sent;
        this.returned = returned;
    }

    /** Sends a value, until the exchange is closed. */
    static <S, R> Exchange<S, R> of(JavaSparkContext spark, S value) {
        return new Exchange<>(
                Sent.of(spark, value), spark.isLocal() ? Sent.of(spark, new ConcurrentHashMap<>()) : null);
    }

    /**
     * What Spark carries from a task to the driver: the result, or in local mode only the number of its shard.
     *
     * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
     */
    static final class Part<R> implements Serializable {
        private static final long serialVersionUID = 1L;

        private final int shard;
        private final @Nullable R result;

        Part(int shard, @Nullable R result) {
            this.shard = shard;
            this.result = result;
        }
    }

    /** Returns what a task has to return, made of what was sent. */
    Part<R> answer(int shard, Function<S, R> work) {
        R result = work.apply(sent.value());
        if (returned == null) {
            return new Part<>(shard, result);
        }
        returned.value().put(shard, result);
        return new Part<>(shard, null);
    }

    /**
     * Returns the sum of collected parts, over a tree whose leaves are the shards.
     *
     * @param parts in the order of their shards, one or more
     * @param plus may change and return its first argument
     */
    R sum(List<Part<R>> parts, BinaryOperator<R> plus) {
        OrderedTree.Sum<R> sum = new OrderedTree.Sum<>(plus);
        parts.forEach(part -> sum.add(part.shard, result(part)));
        return Objects.requireNonNull(sum.result());
    }

    private R result(Part<R> part) {
        R result = part.result != null || returned == null
                ? part.result
                : returned.value().get(part.shard);
        if (result == null) {
            throw new IllegalStateException("no result of shard " + part.shard);
        }
        return result;
    }

    @Override
    public void close() {
        Closing.all(returned == null ? List.of(sent) : List.of(sent, returned));
    }
}
