package dev.grft.spark.cluster;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
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
 * One value in each partition. An executor receives those of its own tasks, once each. An element of a list that Spark parallelizes would
 * travel with every task of every job that computes or only skips its partition, and a value in a closure to every executor.
 */
@SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
public final class Parcels<T> extends RDD<T> {
    private static final long serialVersionUID = 1L;

    private final transient List<Sent<T>> sent; // the driver alone looks

    private Parcels(JavaSparkContext spark, List<Sent<T>> sent, ClassTag<T> tag) {
        super(spark.sc(), JavaConverters.asScalaBuffer(List.<Dependency<?>>of()).toSeq(), tag);
        this.sent = sent;
    }

    /**
     * Returns a value in each partition.
     *
     * @param values each of a class that Kryo can serialize, which Spark may be configured with
     */
    @SuppressWarnings("unchecked") // Spark makes no array of the values
    public static <T> JavaRDD<T> of(JavaSparkContext spark, List<T> values) {
        List<Sent<T>> sent = new ArrayList<>();
        values.forEach(value -> sent.add(Sent.of(spark, value)));
        return new Parcels<>(spark, sent, (ClassTag<T>) ClassTag$.MODULE$.apply(Object.class)).toJavaRDD();
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
        return elements.zipPartitions(
                of(JavaSparkContext.fromSparkContext(elements.context()), values),
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
            return other instanceof Parcel<?> that && value.id() == that.value.id();
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
