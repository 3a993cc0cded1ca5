package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.images.Source.Named;
import dev.grft.spark.verbs.OnSpark;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.spark.Partition;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RanksTest extends OnSpark {
    private static final ReadOptions AUTO = new ReadOptions(ImageFormat.AUTO, "image", "label", null);

    @TempDir
    Path folder;

    private static List<Named> byName(Named... named) {
        List<Named> all = new ArrayList<>(List.of(named));
        all.sort(Comparator.comparing(image -> image.name));
        return all;
    }

    @Test
    void ofEachPartTheImageAtAPlaceHasItsRankAmongAllNames() {
        Named other = new Named("b", null, 0, 0);
        other.source = 1;
        List<Named> named = byName(
                new Named("a", null, 1, 4),
                other,
                new Named("c", null, 1, 5),
                new Named("d", null, 1, 6),
                new Named("e", null, 0, 1),
                new Named("f", null, 0, 0));

        List<Ranks> ranks = Ranks.of(named, 0, 3);

        assertThat(ranks).hasSize(3);
        assertThat(ranks.get(0).at(0, "f")).isEqualTo(5);
        assertThat(ranks.get(0).at(1, "e")).isEqualTo(4);
        assertThat(IntStream.of(4, 5, 6).mapToLong(place -> ranks.get(1).at(place, "x")))
                .containsExactly(0L, 2L, 3L);
        for (long place : new long[] {0, 3, 7, 1L << 40}) {
            assertThatThrownBy(() -> ranks.get(1).at(place, "x.tar/new.png"))
                    .isInstanceOf(UserError.class)
                    .hasMessage("x.tar/new.png was not there when the images were listed; keep the images unchanged"
                            + " during a run");
        }
        assertThatThrownBy(() -> ranks.get(2).at(0, "y")).isInstanceOf(UserError.class);
        assertThat(Ranks.of(named, 1, 1).get(0).at(0, "b")).isEqualTo(1);
    }

    @Test
    void theNamesOfAPartAreThoseOfItsPlacesInOrder() {
        Ranks ranks = Ranks.of(byName(new Named("b", null, 0, 0), new Named("a", null, 0, 1)), 0, 1)
                .get(0);

        assertThat(ranks.areOf(Ranks.next(Ranks.next(0, "b"), "a"))).isTrue();
        assertThat(ranks.areOf(Ranks.next(Ranks.next(0, "a"), "b"))).isFalse();
        assertThat(ranks.areOf(Ranks.next(0, "b"))).isFalse();
    }

    @Test
    void imagesInTheOrderOfTheirNamesTakeNoMoreRoomTheMoreThereAre() throws Exception {
        Named[] named = IntStream.range(0, 10_000)
                .mapToObj(i -> new Named(String.format(Locale.ROOT, "%05d", i), null, 0, i))
                .toArray(Named[]::new);

        assertThat(bytes(Ranks.of(byName(named), 0, 1).get(0)))
                .isEqualTo(bytes(Ranks.of(byName(named[0], named[1]), 0, 1).get(0)));
    }

    private static int bytes(Object sent) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(sent);
        }
        return bytes.size();
    }

    private void tar(String... entries) throws IOException {
        Path tar = folder.resolve("tars/0.tar");
        Files.createDirectories(tar.getParent());
        Files.write(tar, TarSourceTest.tar(entries));
    }

    private ImageSource all() throws IOException {
        tar("z.png=z", "z.cls=cat", "b.png=b", "b.cls=cat", "m.png=m", "m.cls=dog");
        Files.write(folder.resolve("tars/1.tar"), TarSourceTest.tar());
        Path files = folder.resolve("files/n");
        Files.createDirectories(files);
        for (String name : List.of("b.png", "a.png", "c.png")) {
            Files.writeString(files.resolve(name), "n" + name);
        }
        StructType columns = new StructType().add("image", DataTypes.BinaryType).add("label", DataTypes.StringType);
        String table = folder.resolve("table").toString();
        for (int file = 0; file < 3; file++) { // the names of the files are random
            int first = 10 * file;
            spark.createDataFrame(
                            IntStream.range(first, first + file + 2)
                                    .mapToObj(i -> RowFactory.create(new byte[] {(byte) i}, "cat"))
                                    .toList(),
                            columns)
                    .coalesce(1)
                    .write()
                    .mode("append")
                    .parquet(table);
        }
        return ImageSource.at(
                spark,
                List.of(
                        table,
                        folder.resolve("files").toString(),
                        folder.resolve("tars").toString()),
                AUTO);
    }

    @Test
    void tarsTablesAndFilesTogetherAreReadByTheRanksOfTheirNames() throws Exception {
        ImageSource source = all();
        List<Named> named = source.named(false);
        assertThat(named).hasSize(3 + 3 + 2 + 3 + 4);
        String first = "spark.sql.files.maxPartitionBytes";

        for (String bytes : List.of("128m", "100")) { // splits within files
            spark.conf().set(first, bytes);
            try {
                Labels labels = Labels.of(Set.of("cat", "dog", "n"));
                for (JavaPairRDD<Long, Encoded> way :
                        List.of(source.encoded(named, labels), source.encoded(named, labels, 4, 2))) {
                    List<scala.Tuple2<Long, Encoded>> images = way.collect();
                    assertThat(images).hasSize(named.size());
                    assertThat(images)
                            .allSatisfy(image -> assertThat(image._2().name)
                                    .isEqualTo(named.get(image._1().intValue()).name));
                    assertThat(images.stream().map(scala.Tuple2::_1)).doesNotHaveDuplicates();
                }
            } finally {
                spark.conf().unset(first);
            }
        }
    }

    /** A native engine has partitions of its own, of which it is unknown what they read. */
    @Test
    void aPartitionThatIsNotSparksGetsTheRanksOfAllFiles() {
        Map<String, Integer> all = new HashMap<>(Map.of("a.parquet", 1, "b.parquet", 2));
        Partition other = context.parallelize(List.of(1), 1).rdd().partitions()[0];

        assertThat(RowSource.of(other, new org.apache.hadoop.fs.Path("/"), all)).isSameAs(all);
    }

    @Test
    void aTarThatHasChangedSinceItWasListedIsRefused() throws Exception {
        tar("z.png=z", "z.cls=1", "b.png=b", "b.cls=1");
        ImageSource source =
                ImageSource.at(spark, List.of(folder.resolve("tars").toString()), AUTO);
        List<Named> named = source.named(false);

        for (String[] other : new String[][] {
            {"b.png=b", "b.cls=1", "z.png=z", "z.cls=1"}, {"z.png=z", "z.cls=1"}, {"z.png=z", "z.cls=1", "c.png=c"}, {}
        }) {
            tar(other);
            assertThatThrownBy(() -> Causes.unwrapped(source.encoded(named, null)::collect))
                    .isInstanceOf(UserError.class)
                    .hasMessage("0.tar: has not the images that were listed; keep the images unchanged during a run");
        }
        tar("z.png=z", "z.cls=1", "b.png=b", "b.cls=1", "c.png=c");
        assertThatThrownBy(() -> Causes.unwrapped(source.encoded(named, null)::collect))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("0.tar/c.png was not there when the images were listed");
    }
}
