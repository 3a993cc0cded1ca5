package dev.grft.spark.cluster;

import java.util.stream.IntStream;
import org.apache.spark.NarrowDependency;
import org.apache.spark.Partition;
import org.apache.spark.rdd.RDD;
import org.jspecify.annotations.Nullable;
import scala.collection.JavaConverters;

/** The dependency of an RDD each of whose partitions needs all partitions of another one, without a shuffle. */
public final class EveryPartition<T> extends NarrowDependency<T> {
    private static final long serialVersionUID = 1L;

    private final int count;

    /** Returns the dependency on all partitions of {@code before}. */
    public EveryPartition(RDD<T> before) {
        super(before);
        this.count = before.getNumPartitions();
    }

    @Override
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    public scala.collection.immutable.List<Object> getParents(int partition) {
        return JavaConverters.asScalaBuffer(
                        IntStream.range(0, count).mapToObj(i -> (Object) i).toList())
                .toList();
    }

    /** Returns partitions that are nothing but their numbers, from 0. */
    public static Partition[] numbered(int count) {
        return IntStream.range(0, count).mapToObj(Numbered::new).toArray(Partition[]::new);
    }

    private static final class Numbered implements Partition {
        private static final long serialVersionUID = 1L;

        private final int number;

        Numbered(int number) {
            this.number = number;
        }

        @Override
        public int index() {
            return number;
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Numbered that && number == that.number;
        }

        @Override
        public int hashCode() {
            return number;
        }
    }
}
