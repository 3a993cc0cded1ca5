package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.tables.InFileOrder;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InOrderTest extends OnSpark {
    private static final ReadOptions OPTIONS = new ReadOptions(ImageFormat.AUTO, "image", null, null);

    private static final AtomicInteger READ = new AtomicInteger();

    @TempDir
    Path folder;

    private static byte[] bytes(int seed, int count) {
        byte[] bytes = new byte[count];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    private List<List<Encoded>> read(Source.Stored source, int partitions, int batch) {
        return source.inOrder(partitions, batch).glom().collect();
    }

    private static List<String> names(List<List<Encoded>> parts) {
        return parts.stream().flatMap(List::stream).map(Encoded::name).toList();
    }

    @Test
    void filesAreDividedIntoWholeBatches() throws Exception {
        List<String> expected = new ArrayList<>();
        for (String name : List.of("a-b/1.png", "a/1.png", "a/2.png", "b.png", "b/c/10.png", "b/c/9.png", "c.png")) {
            Files.createDirectories(folder.resolve(name).getParent());
            Files.write(folder.resolve(name), new byte[] {1});
            expected.add(name);
        }

        for (int partitions = 1; partitions < 9; partitions++) {
            Source.Stored source = ImageSource.open(spark, folder.toString(), OPTIONS);
            assertThat(source.count()).isEqualTo(7);
            List<List<Encoded>> parts = read(source, partitions, 2);
            assertThat(parts).hasSize(partitions);
            assertThat(names(parts)).isEqualTo(expected);
            int before = 0;
            for (List<Encoded> part : parts) {
                assertThat(part.isEmpty() || before % 2 == 0).isTrue();
                before += part.size();
            }
        }
    }

    @Test
    void partsOfATarAreTheTarWhereverItIsCut() throws Exception {
        byte[] tar = TarSourceTest.tar(
                "a.jpg=A",
                "a.cls=1",
                ".hidden/=",
                "a.txt=a caption",
                "README=no sample",
                "x/" + "long".repeat(40) + ".png=L",
                "x/b.cls=2",
                "x/b.jpg=" + "B".repeat(1500),
                ".hidden.jpg=H",
                "c.svg=W");
        List<String> whole = new ArrayList<>();
        Map<String, Long> passed = new TreeMap<>();
        samples(tar, 0, Long.MAX_VALUE, whole, passed);
        assertThat(whole).hasSize(3);
        assertThat(passed.values().stream().mapToLong(Long::longValue).sum()).isEqualTo(4);

        for (int first = 0; first <= tar.length; first += 256) {
            for (int second = first; second <= tar.length; second += 256) {
                List<String> parts = new ArrayList<>();
                Map<String, Long> passedInParts = new TreeMap<>();
                samples(tar, 0, first, parts, passedInParts);
                samples(tar, first, second, parts, passedInParts);
                samples(tar, second, Long.MAX_VALUE, parts, passedInParts);
                assertThat(parts).isEqualTo(whole);
                assertThat(passedInParts).isEqualTo(passed);
            }
        }
    }

    private static void samples(byte[] tar, long from, long to, List<String> all, Map<String, Long> passed) {
        try (TarSamples samples = new TarSamples("t.tar", new ByteArrayInputStream(tar), null, true, from, to)) {
            samples.forEachRemaining(
                    sample -> all.add(sample.name + " " + new String(sample.content, StandardCharsets.UTF_8)));
            samples.passed.forEach((reason, files) -> passed.merge(reason, files, Long::sum));
        }
    }

    @Test
    void severalTasksReadALargeTar() throws Exception {
        List<String> names = new ArrayList<>();
        try (var out = new org.apache.commons.compress.archivers.tar.TarArchiveOutputStream(
                Files.newOutputStream(folder.resolve("all.tar")))) {
            for (int i = 0; i < 60; i++) {
                String name = String.format("%02d.jpg", 59 - i); // in no order of names
                names.add("all.tar/" + name);
                var entry = new org.apache.commons.compress.archivers.tar.TarArchiveEntry(name);
                byte[] content = bytes(i, 300_000 + i);
                entry.setSize(content.length);
                out.putArchiveEntry(entry);
                out.write(content);
                out.closeArchiveEntry();
            }
        }

        List<List<Encoded>> parts = read(ImageSource.open(spark, folder.toString(), OPTIONS), 6, 1);

        assertThat(parts).hasSize(3).allMatch(part -> Math.abs(part.size() - 20) < 2);
        assertThat(names(parts)).isEqualTo(names);
        int i = 0;
        for (List<Encoded> part : parts) {
            for (Encoded image : part) {
                assertThat(image.content).isEqualTo(bytes(i, 300_000 + i));
                i++;
            }
        }
    }

    @Test
    void rowGroupsOfParquetComeInTheOrderOfTheFiles() throws Exception {
        StructType schema = new StructType().add("image", DataTypes.BinaryType);
        for (int file = 0; file < 3; file++) {
            List<Row> rows = new ArrayList<>();
            for (int i = 0; i < 300 - 100 * file; i++) { // Spark sorts by size
                rows.add(RowFactory.create(bytes(file * 1000 + i, 20_000)));
            }
            Path written = folder.resolve("written");
            spark.createDataFrame(rows, schema)
                    .coalesce(1)
                    .write()
                    .option("parquet.block.size", "1000000")
                    .option("parquet.enable.dictionary", "false")
                    .mode("overwrite")
                    .parquet(written.toString());
            move(written, folder.resolve("in/" + "cab".charAt(file) + ".parquet"));
        }

        Source.Stored source = ImageSource.open(spark, folder.resolve("in").toString(), OPTIONS);
        List<List<Encoded>> parts = read(source, 5, 1);

        assertThat(source.count()).isEqualTo(600);
        assertThat(parts.size()).isBetween(4, 6);
        assertThat(parts).allMatch(part -> part.size() >= 60 && part.size() <= 240);
        List<String> expected = new ArrayList<>();
        for (int file = 0; file < 3; file++) {
            for (int i = 0; i < 100 * (file == 0 ? 2 : file == 1 ? 1 : 3); i++) {
                expected.add("abc".charAt(file) + ".parquet#" + String.format("%09d", i));
            }
        }
        assertThat(names(parts)).isEqualTo(expected);
        assertThat(parts.get(0).get(7).content).isEqualTo(bytes(1007, 20_000));
    }

    /** The rows before a damaged one come unless they are decoded together with it. */
    @Test
    void fewRowsOfParquetAreDecodedAtATime() throws Exception {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            rows.add(RowFactory.create(bytes(i, 100)));
        }
        Path written = folder.resolve("written");
        spark.createDataFrame(rows, new StructType().add("image", DataTypes.BinaryType))
                .coalesce(1)
                .write()
                .option("compression", "none")
                .option("parquet.enable.dictionary", "false")
                .parquet(written.toString());
        Path file = folder.resolve("in/a.parquet");
        move(written, file);
        byte[] all = Files.readAllBytes(file);
        String text = new String(all, StandardCharsets.ISO_8859_1);
        int damaged = text.indexOf(new String(bytes(20, 100), StandardCharsets.ISO_8859_1));
        all[damaged - 1] = 0x7f; // of its length
        Files.write(file, all);
        Source.Stored source = ImageSource.open(spark, file.getParent().toString(), OPTIONS.unlabeled());
        List<Source.Named> named = source.named("");

        assertThat(readBeforeFailure(source.inOrder(1, 1))).isBetween(8, 20);
        assertThat(readBeforeFailure(source.encoded("", parts -> Ranks.of(named, 0, parts), null)
                        .values()))
                .isBetween(8, 20);
    }

    private static int readBeforeFailure(JavaRDD<Encoded> images) {
        READ.set(0);
        assertThatThrownBy(() -> images.foreach(image -> READ.incrementAndGet()))
                .hasStackTraceContaining("Parquet");
        return READ.get();
    }

    /** A native engine has partitions of its own, of which it is unknown what they read. */
    @Test
    void rowsOfPartitionsThatAreNotSparksComeInTheOrderOfTheFiles() {
        JavaRDD<Row> scan = context.parallelize(
                Stream.of("b 0", "a 10", "a 9", "b 1", "a 1")
                        .map(row -> row.split(" ", -1))
                        .map(row -> RowFactory.create(row[0], Long.valueOf(row[1])))
                        .toList(),
                2);
        assertThat(InFileOrder.canTell(scan.rdd())).isFalse();
        StructType columns = new StructType().add("file", DataTypes.StringType).add("row", DataTypes.LongType);

        List<List<Row>> parts =
                RowSource.sorted(spark.createDataFrame(scan, columns), 2).glom().collect();

        assertThat(parts).hasSize(2).allMatch(part -> !part.isEmpty());
        assertThat(parts.stream().flatMap(List::stream))
                .extracting(row -> row.getString(0) + " " + row.getLong(1))
                .containsExactly("a 1", "a 9", "a 10", "b 0", "b 1");
    }

    private static void move(Path written, Path to) throws IOException {
        Files.createDirectories(to.getParent());
        try (Stream<Path> files = Files.list(written)) {
            Files.move(
                    files.filter(file -> file.toString().endsWith(".parquet"))
                            .findFirst()
                            .orElseThrow(),
                    to);
        }
    }

    @Test
    void shardsOpenTheirOwnFilesAndShuffleNothing() throws Exception {
        Path first = Tiny.images(folder.resolve("first"), 4, 1);
        Path second = Tiny.images(folder.resolve("second"), 3, 2);
        AtomicLong shuffled = new AtomicLong();
        SparkListener listener = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd end) {
                shuffled.addAndGet(end.taskMetrics().shuffleWriteMetrics().bytesWritten());
            }
        };
        Tiny.heardBy(listener, spark.sparkContext(), () -> {
            try (Images images = new ImageReader(
                            spark, new Preprocess(4, 4, Preprocess.Crop.SQUASH, ImageRecipe.same(0, 1, 1)), 0, 4)
                    .read(
                            ImageSource.at(
                                    spark,
                                    List.of(first.toString(), second.toString()),
                                    new ReadOptions(ImageFormat.AUTO, "image", "label", null)),
                            null)) {
                assertThat(images.count()).isEqualTo(21);
                assertThat(images.examples().map(example -> example.id()).glom().collect())
                        .containsExactly(
                                List.of(0L, 4L, 8L, 12L, 16L, 20L),
                                List.of(1L, 5L, 9L, 13L, 17L),
                                List.of(2L, 6L, 10L, 14L, 18L),
                                List.of(3L, 7L, 11L, 15L, 19L));
            }
        });
        assertThat(shuffled).hasValue(0);
    }
}
