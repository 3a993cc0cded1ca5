package dev.grft.spark.cluster;

import java.io.Serializable;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.Function;
import java.util.stream.StreamSupport;
import org.apache.spark.Dependency;
import org.apache.spark.Partition;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.jspecify.annotations.Nullable;
import scala.collection.JavaConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * One value in each partition, sent until it is {@linkplain #release released}. An executor receives those of its own tasks, once each. An element of a list that Spark parallelizes would
 * travel with every task of every job that computes or only skips its partition, and a value in a closure to every executor.
 */
@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
public final class Parcels<T> extends RDD<T> {
    private static final long serialVersionUID = 1L;

    // The driver alone looks at these.
    private final transient List<Sent<T>> sent;
    private final transient @Nullable Sent<?> beside;

    private Parcels(JavaSparkContext spark, List<Sent<T>> sent, @Nullable Sent<?> beside, ClassTag<T> tag) {
        super(spark.sc(), JavaConverters.asScalaBuffer(List.<Dependency<?>>of()).toSeq(), tag);
        this.sent = sent;
        this.beside = beside;
    }

    /**
     * Returns a value in each partition.
     *
     * @param values each of a class that Kryo can serialize, which Spark may be configured with; an object that comes several times is sent
     *     once
     */
    public static <T> JavaRDD<T> of(JavaSparkContext spark, List<T> values) {
        return of(spark, values, null);
    }

    @SuppressWarnings("unchecked") // Spark makes no array of the values
    private static <T> JavaRDD<T> of(JavaSparkContext spark, List<T> values, @Nullable Sent<?> beside) {
        IdentityHashMap<T, Sent<T>> sent = new IdentityHashMap<>();
        return new Parcels<>(
                        spark,
                        values.stream()
                                .map(value -> sent.computeIfAbsent(value, once -> Sent.of(spark, once)))
                                .toList(),
                        beside,
                        (ClassTag<T>) ClassTag$.MODULE$.apply(Object.class))
                .toJavaRDD();
    }

    /** Takes back the values of all partitions from which these elements come. They cannot be computed any more. */
    public static void release(JavaRDD<?> elements) {
        if (elements.rdd().sparkContext().isStopped()) {
            return; // the values have ended with it
        }
        Set<Integer> met = new HashSet<>();
        Deque<RDD<?>> left = new ArrayDeque<>(List.of(elements.rdd()));
        while (!left.isEmpty()) {
            RDD<?> next = left.pop();
            if (met.add(next.id())) {
                if (next instanceof Parcels<?> parcels) {
                    parcels.close();
                }
                JavaConverters.seqAsJavaList(next.dependencies()).forEach(before -> left.push(before.rdd()));
            }
        }
    }

    private void close() {
        sent.forEach(Sent::close);
        if (beside != null) {
            beside.close();
        }
    }

    /** What a task makes of the value of its partition: a function of each element. */
    public interface Begin<V, T, R> extends Serializable {
        /** Returns the function. */
        Function<T, R> with(V value);
    }

    /**
     * Maps the elements of each partition by what is made there of its value.
     *
     * @param values as many as there are partitions, see {@link #of}
     */
    public static <V, T, R> JavaRDD<R> mapped(JavaRDD<T> elements, List<V> values, Begin<V, T, R> begin) {
        return mapped(elements, values, null, begin);
    }

    /**
     * Maps the elements as {@link #mapped(JavaRDD, List, Begin)}.
     *
     * @param beside another value that the function may read, released with these
     */
    public static <V, T, R> JavaRDD<R> mapped(
            JavaRDD<T> elements, List<V> values, @Nullable Sent<?> beside, Begin<V, T, R> begin) {
        return elements.zipPartitions(
                of(JavaSparkContext.fromSparkContext(elements.context()), values, beside),
                (some, value) -> mapped(some, begin.with(value.next())));
    }

    /** Returns the results of a function, each computed when it is asked for. */
    public static <T, R> Iterator<R> mapped(Iterator<T> some, Function<T, R> one) {
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(some, Spliterator.ORDERED), false)
                .map(one)
                .iterator();
    }

    /** The partition of one value. */
    private static final class Parcel<T> implements Partition {
        private static final long serialVersionUID = 1L;

        private final int index;
        private final Sent<T> value;

        Parcel(int index, Sent<T> value) {
            this.index = index;
            this.value = value;
        }

        @Override
        public int index() {
            return index;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Parcel<?> that && index == that.index && value.id() == that.value.id();
        }

        @Override
        public int hashCode() {
            return index;
        }
    }

    @Override
    public Partition[] getPartitions() {
        Partition[] parcels = new Partition[sent.size()];
        for (int i = 0; i < parcels.length; i++) {
            parcels[i] = new Parcel<>(i, sent.get(i));
        }
        return parcels;
    }

    @Override
    @SuppressWarnings("unchecked") // as it was made
    public scala.collection.Iterator<T> compute(Partition parcel, TaskContext task) {
        return JavaConverters.asScalaIterator(
                List.of(((Parcel<T>) parcel).value.value()).iterator());
    }
}
