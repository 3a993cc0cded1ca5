package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.images.Source.Named;
import dev.grft.spark.verbs.OnSpark;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

/** A frame is evaluated twice, and its rows may come in another order or from another partition the second time. */
class FrameSourceTest extends OnSpark {
    /** The rows of each partition, each a name and the letter that is its image. */
    private static final AtomicReference<List<List<String>>> ROWS = new AtomicReference<>();

    private static void rows(String... partitions) {
        List<List<String>> rows = new ArrayList<>();
        for (String partition : partitions) {
            rows.add(partition.isEmpty() ? List.of() : List.of(partition.split(" ", -1)));
        }
        ROWS.set(rows);
    }

    private static ImageSource source() {
        return new ImageSource(List.of("frame"), List.of(frameSource()));
    }

    private static FrameSource frameSource() {
        StructType columns = new StructType()
                .add("image", DataTypes.BinaryType)
                .add("label", DataTypes.StringType)
                .add("name", DataTypes.StringType);
        Dataset<Row> frame = spark.createDataFrame(
                context.parallelize(
                                Collections.nCopies(ROWS.get().size(), 0),
                                ROWS.get().size())
                        .mapPartitionsWithIndex(
                                (partition, none) -> ROWS.get().get(partition).stream()
                                        .map(row -> RowFactory.create(
                                                new byte[] {(byte) row.charAt(row.length() - 1)},
                                                "cat",
                                                row.substring(0, row.length() - 1)))
                                        .iterator(),
                                true),
                columns);
        return new FrameSource("frame", frame, new FrameColumns("image", "label", "name", null), null);
    }

    /** Returns the name and letter of each image by its rank. */
    private static Map<Long, String> read(ImageSource source, List<Named> named) {
        Map<Long, String> read = new TreeMap<>();
        Causes.unwrapped(source.encoded(named, null)::collect)
                .forEach(image -> assertThat(read.put(image._1(), image._2().name + "=" + (char) image._2().content[0]))
                        .isNull());
        return read;
    }

    @Test
    void rowsAreReadByTheRanksOfTheirNamesInAnyOrderAndPartition() {
        rows("dD aA", "cC", "bB", "");
        ImageSource source = source();
        List<Named> named = source.named(false);
        assertThat(named).extracting(image -> image.name).containsExactly("a", "b", "c", "d");
        Map<Long, String> expected = Map.of(0L, "a=A", 1L, "b=B", 2L, "c=C", 3L, "d=D");

        assertThat(read(source, named)).isEqualTo(expected);
        rows("aA dD", "bB", "", "cC");
        assertThat(read(source, named)).isEqualTo(expected);
        rows("", "", "", "aA bB cC dD");
        assertThat(read(source, named)).isEqualTo(expected);
    }

    /** A query with a LIMIT has one partition, however many rows it has. */
    @Test
    void rowsInFewerPartitionsThanCoresAreDivided() {
        rows("aA bB cC dD eE fF");
        assertThat(parts(3)).hasSize(3).allSatisfy(part -> assertThat(part).hasSize(2));
        assertThat(parts(1)).as("of one batch").containsExactly(List.of("a", "b", "c", "d", "e", "f"));
        rows("aA bB", "cC dD");
        assertThat(parts(3)).as("as many as cores").containsExactly(List.of("a", "b"), List.of("c", "d"));
    }

    private static List<List<String>> parts(int partitions) {
        return frameSource()
                .inOrder(partitions, 1)
                .map(image -> image.name)
                .glom()
                .collect();
    }

    @Test
    void rowsThatShareANameAreToldApartByTheirContent() {
        rows("aX aY bB", "aZ aX aX");
        ImageSource source = source();
        List<Named> named = source.named(false);
        assertThat(named).extracting(image -> image.name).containsExactly("a", "a#2", "a#3", "a#4", "a#5", "b");
        Map<Long, String> read = read(source, named);
        assertThat(read.values()).allMatch(image -> image.matches("a(#[2-5])?=[XYZ]|b=B"));

        rows("bB aY aX", "aX aX aZ");
        assertThat(read(source, named)).isEqualTo(read);
        rows("aX bB aZ", "aX aY aX");
        assertThat(read(source, named)).isEqualTo(read);
        rows("bB aY", "aX aX aX aZ");
        assertThatThrownBy(() -> read(source, named))
                .isInstanceOf(UserError.class)
                .hasMessage("a comes from another partition than when the images were listed, and other rows are the"
                        + " same; cache the frame, or set nameCol");
        rows("bB aY", "aX aV aX aZ");
        assertThatThrownBy(() -> read(source, named))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("a was not there when the images were listed");
    }

    @Test
    void aRowThatWasNotListedIsRefused() {
        rows("aA", "bB");
        ImageSource source = source();
        List<Named> named = source.named(false);
        rows("aA", "bB cC");

        assertThatThrownBy(() -> read(source, named))
                .isInstanceOf(UserError.class)
                .hasMessage("c was not there when the images were listed; keep the images unchanged during a run");
    }
}
