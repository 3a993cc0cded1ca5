package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.Partition;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.serializer.SerializerInstance;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    @Test
    void anObjectOfSeveralPartitionsIsSentOnce() {
        int before = Sent.open();
        String empty = "";

        JavaRDD<String> parcels = Parcels.of(context, List.of(empty, "a", empty, empty));

        assertThat(Sent.open()).isLessThanOrEqualTo(before + 2);
        assertThat(parcels.collect()).containsExactly("", "a", "", "");
        assertThat(parcels.rdd().partitions()).doesNotHaveDuplicates();
        Parcels.release(parcels);
    }

    @Test
    void allValuesOfWhichElementsCameAreTakenBack() {
        int before = Sent.open();
        Sent<Integer> beside = Sent.of(context, 100);
        JavaRDD<Integer> sums = Parcels.mapped(
                        Parcels.of(context, List.of(1, 2)).union(Parcels.of(context, List.of(3))),
                        List.of(10, 20, 30),
                        beside,
                        value -> element -> value + element + beside.value())
                .repartition(2);
        assertThat(sums.collect()).containsExactlyInAnyOrder(111, 122, 133);
        int open = Sent.open(); // with those of other tests that the garbage collector has not found

        Parcels.release(sums);
        Parcels.release(sums);

        assertThat(Sent.open()).isLessThanOrEqualTo(before).isLessThanOrEqualTo(open - 7);
        assertThatThrownBy(beside::value).hasMessageStartingWith("the work is over");
    }

    /** The garbage collector of a driver in a notebook may not run for hours. */
    @Test
    void imagesThatAreClosedLeaveNoValues(@TempDir Path folder) throws Exception {
        Path files = Tiny.images(folder.resolve("files"), 4, 1);
        Dataset<Row> frame = spark.read()
                .format("image")
                .option("dropInvalid", true)
                .load(files + "/*")
                .selectExpr("image", "substring_index(substring_index(image.origin, '/', -2), '/', 1) label")
                .repartition(7);
        int before = Sent.open();

        for (ImageSource source : List.of(
                ImageSource.at(
                        spark, List.of(files.toString()), new ReadOptions(ImageFormat.AUTO, "image", "label", null)),
                new ImageSource(
                        List.of("frame"),
                        List.of(new FrameSource(
                                "frame", frame, new FrameColumns("image", "label", null, null), null))))) {
            try (Images images = new ImageReader(
                            spark, new Preprocess(4, 4, Preprocess.Crop.SQUASH, ImageRecipe.same(0, 1, 1)), 0, 2)
                    .read(source, null)) {
                assertThat(images.shards().count()).isEqualTo(2);
            }
            assertThat(Sent.open()).isLessThanOrEqualTo(before);
            ImageReader.digest(source);
            assertThat(Sent.open()).isLessThanOrEqualTo(before);
        }
        Tiny.does(
                spark,
                List.of("run.directory=" + folder.resolve("run")),
                false,
                verbs -> verbs.pack(files.toString(), folder.resolve("packed").toString(), true));
        assertThat(Sent.open()).isLessThanOrEqualTo(before);
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
