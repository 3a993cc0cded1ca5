package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.OnSpark;
import java.util.List;
import org.apache.spark.Partition;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.serializer.SerializerInstance;
import org.junit.jupiter.api.Test;
import scala.reflect.ClassTag$;

class ParcelsTest extends OnSpark {
    @Test
    void eachPartitionHasItsValue() {
        JavaRDD<String> parcels = Parcels.of(context, List.of("a", "b", "c"));

        assertThat(parcels.glom().collect()).containsExactly(List.of("a"), List.of("b"), List.of("c"));
        assertThat(parcels.rdd().partitions())
                .doesNotHaveDuplicates()
                .containsExactly(parcels.rdd().partitions());
    }

    @Test
    void elementsAreMappedByTheValueOfTheirPartition() {
        JavaRDD<Integer> elements = context.parallelize(List.of(1, 2, 3, 4), 2);

        assertThat(Parcels.mapped(elements, List.of(10, 20), value -> element -> value + element)
                        .collect())
                .containsExactly(11, 12, 23, 24);
    }

    /** A task takes its partition along, and a closure goes to every executor: neither has the values. */
    @Test
    void neitherTasksNorClosuresHaveTheValues() {
        SerializerInstance closures = SparkEnv.get().closureSerializer().newInstance();
        JavaRDD<byte[]> parcels = Parcels.of(context, List.of(new byte[100_000], new byte[100_000]));

        for (Partition partition : parcels.rdd().partitions()) {
            assertThat(closures.serialize(partition, ClassTag$.MODULE$.apply(Partition.class))
                            .remaining())
                    .isLessThan(1000);
        }
        assertThat(closures.serialize(parcels.map(value -> value.length).rdd(), ClassTag$.MODULE$.apply(Object.class))
                        .remaining())
                .isLessThan(10_000);
    }
}
