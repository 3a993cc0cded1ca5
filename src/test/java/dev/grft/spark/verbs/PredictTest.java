package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.verbs.Tiny.Printed;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class PredictTest extends OnTiny {
    private static Path trained;

    private Path images;
    private Path output;

    /** Local files, slowly opened, and how often each. */
    public static final class Counted extends RawLocalFileSystem {
        private static final ConcurrentHashMap<String, Integer> OPENED = new ConcurrentHashMap<>();
        private static volatile long millis;
        private static volatile boolean refuses; // to move a table into place

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) throws IOException {
            return !(refuses && from.getParent().getName().equals("._tmp-labels")) && super.rename(from, to);
        }

        @Override
        public URI getUri() {
            return URI.create("counted:///");
        }

        @Override
        public FileStatus[] listStatus(org.apache.hadoop.fs.Path path) throws IOException {
            FileStatus[] all = super.listStatus(path);
            for (int i = 0; i < all.length; i++) {
                all[i] = plain(all[i]);
            }
            return all;
        }

        @Override
        public FileStatus getFileStatus(org.apache.hadoop.fs.Path path) throws IOException {
            return plain(super.getFileStatus(path));
        }

        /** Local ones know their owner only if their scheme is that of a file. */
        private static FileStatus plain(FileStatus of) {
            return new FileStatus(
                    of.getLen(),
                    of.isDirectory(),
                    of.getReplication(),
                    of.getBlockSize(),
                    of.getModificationTime(),
                    of.getPath());
        }

        @Override
        public FSDataInputStream open(org.apache.hadoop.fs.Path path, int buffer) throws IOException {
            OPENED.merge(path.getName(), 1, Integer::sum);
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
            return super.open(path, buffer);
        }
    }

    @BeforeAll
    static void train() {
        trained = folderOfAll.resolve("trained");
        Tiny.does(spark, shared.sets(trained, "tuning.method=linear", "training.epochs=1"), false, Verbs::train);
        spark.sparkContext().hadoopConfiguration().set("fs.counted.impl", Counted.class.getName());
    }

    @BeforeEach
    void writeImages() throws IOException {
        images = Tiny.images(folder.resolve("images"), 20, 7);
        output = folder.resolve("labels");
        Counted.OPENED.clear();
        Counted.millis = 0;
    }

    private Printed predict(Path of, boolean force, String... more) {
        return predict(of.toString(), force, more);
    }

    private Printed predict(String of, boolean force, String... more) {
        List<String> sets = new ArrayList<>(shared.sets(trained, "tuning.method=linear", "evaluation.batchSize=4"));
        sets.addAll(List.of(more));
        return Tiny.does(spark, sets, force, verbs -> verbs.predict(of, output.toString(), List.of()));
    }

    @Test
    void imagesPreparedInAnotherWayThanInTheTrainingAreTold() {
        assertThat(predict(images, false).err()).doesNotContain("was trained with");
        assertThat(predict(images, true, "data.crop=squash", "data.std=[1, 1, 1]")
                        .err())
                .contains("note: " + trained.resolve("delta.safetensors")
                        + " was trained with data.crop=center (here squash), data.std=[0.5, 0.5, 0.5] (here [1, 1, 1]);"
                        + " set the same to prepare images as in its training");
        assertThat(predict(images, true, "data.resize=12").err())
                .contains(" was trained with data.resize=8 (here 12); ");
    }

    @Test
    void ofADeltaOfAnotherBuildItIsSaidThatImagesArePreparedAsHere() {
        Path other = folder.resolve("other.safetensors");
        Configuration hadoop = new Configuration();
        DeltaFile file = DeltaFile.read(
                hadoop,
                new org.apache.hadoop.fs.Path(
                        trained.resolve("delta.safetensors").toString()));
        new DeltaFile(file.delta(), file.method(), "data:\n  colour: red\n", file.provenance())
                .write(hadoop, new org.apache.hadoop.fs.Path(other.toString()));

        Printed printed = Tiny.does(
                spark,
                shared.sets(trained, "tuning.method=linear"),
                false,
                verbs -> verbs.predict(images.toString(), output.toString(), List.of(other.toString())));

        assertThat(printed.err())
                .contains(
                        "note: images are prepared as the settings here say, not as in the training of " + other + ": ")
                .contains("data.colour");
    }

    /** Returns the names in the files of the output, which are read in the order of theirs. */
    private List<String> names() throws IOException {
        List<String> names = new ArrayList<>();
        for (Path file : parts()) {
            for (Row row : spark.read().parquet(file.toString()).select("name").collectAsList()) {
                names.add(row.getString(0));
            }
        }
        return names;
    }

    private List<Path> parts() throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.toString().endsWith(".parquet"))
                    .sorted()
                    .toList();
        }
    }

    private List<String> inTheFolder() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private JsonNode broken() throws IOException {
        return reported().path("broken");
    }

    /** Returns what the run directory says of the output. */
    private JsonNode reported() throws IOException {
        String hash = Inputs.digest(output.toString()).substring(0, 16);
        return new ObjectMapper()
                .readTree(trained.resolve("predict-" + hash + ".json").toFile());
    }

    private JsonNode note() throws IOException {
        return new ObjectMapper().readTree(output.resolve("_predicted.json").toFile());
    }

    @Test
    void rowsComeInTheOrderOfTheFilesAndNothingIsShuffledOrKept() throws Exception {
        AtomicLong shuffled = new AtomicLong();
        AtomicLong spilled = new AtomicLong();
        SparkListener listener = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd end) {
                shuffled.addAndGet(end.taskMetrics().shuffleWriteMetrics().bytesWritten());
                spilled.addAndGet(end.taskMetrics().updatedBlockStatuses().size()
                        + end.taskMetrics().diskBytesSpilled());
            }
        };
        Tiny.heardBy(
                listener,
                spark.sparkContext(),
                () -> assertThat(predict("counted:" + images, false).err())
                        .contains("read 60 images, 0 broken, 0 files ignored", "predicted 60 images into " + output));
        assertThat(parts()).hasSize(6); // three tasks for each of two cores
        assertThat(names()).hasSize(60).isSorted().doesNotHaveDuplicates();
        assertThat(shuffled).hasValue(0);
        assertThat(spilled).hasValue(0);
        assertThat(spark.sparkContext().getPersistentRDDs().size()).isZero();
        assertThat(Counted.OPENED)
                .hasSize(20)
                .allSatisfy((name, times) -> assertThat(times).isEqualTo(3)); // of that name in each class
    }

    @Test
    void aTableThatCannotBeMovedIntoPlaceIsKeptAndSoIsTheOneBefore() throws Exception {
        predict(images, false);
        List<String> before = names();
        Counted.refuses = true;
        try {
            assertThatThrownBy(() -> Tiny.does(
                            spark,
                            shared.sets(trained, "tuning.method=linear"),
                            true,
                            verbs -> verbs.predict(images.toString(), "counted:" + output, List.of())))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining("the result cannot be moved there")
                    .hasMessageContaining("._tmp-labels/")
                    .hasMessageEndingWith(", move it yourself");
        } finally {
            Counted.refuses = false;
        }
        assertThat(names()).isEqualTo(before);
        assertThat(inTheFolder()).containsExactly("._tmp-labels", "images", "labels");
        try (Stream<Path> kept = Files.list(folder.resolve("._tmp-labels"))) {
            assertThat(kept)
                    .singleElement()
                    .satisfies(table ->
                            assertThat(table.resolve("_predicted.json")).exists());
        }
    }

    @Test
    void parquetAndTarsGiveTheRowsOfTheFiles() throws Exception {
        predict(images, false);
        List<String> files = names();
        List<Row> rows = rows();
        Path packed = folder.resolve("packed");
        Tiny.does(spark, shared.sets(trained), false, verbs -> verbs.pack(images.toString(), packed.toString(), false));

        predict(packed, true);

        assertThat(names()).hasSize(60).isSorted().allMatch(name -> name.startsWith("images-00000-of-00001.parquet#0"));
        assertSame(rows(), rows);
        Path tar = folder.resolve("all.tar");
        try (var out =
                new org.apache.commons.compress.archivers.tar.TarArchiveOutputStream(Files.newOutputStream(tar))) {
            for (String file : files) {
                var entry = new org.apache.commons.compress.archivers.tar.TarArchiveEntry(
                        images.resolve(file).toFile(), file);
                out.putArchiveEntry(entry);
                Files.copy(images.resolve(file), out);
                out.closeArchiveEntry();
            }
            var note = new org.apache.commons.compress.archivers.tar.TarArchiveEntry("notes.txt");
            out.putArchiveEntry(note);
            out.closeArchiveEntry();
        }

        String said = predict(tar, true).err();

        assertThat(said).contains("read 60 images, 0 broken, 1 file ignored [1 .txt in tars]");
        assertThat(names())
                .isEqualTo(files.stream().map(name -> "all.tar/" + name).toList());
        assertSame(rows(), rows);
    }

    /** Last bits depend on the images of a batch, which are other ones where tasks begin elsewhere. */
    private static void assertSame(List<Row> rows, List<Row> expected) {
        for (int i = 0; i < expected.size(); i++) {
            assertThat(rows.get(i).getString(1)).isEqualTo(expected.get(i).getString(1));
            assertThat(rows.get(i).getFloat(2)).isCloseTo(expected.get(i).getFloat(2), within(1e-6f));
        }
    }

    private List<Row> rows() throws IOException {
        List<Row> rows = new ArrayList<>();
        for (Path file : parts()) {
            rows.addAll(spark.read().parquet(file.toString()).collectAsList());
        }
        return rows;
    }

    @Test
    void brokenImagesHaveNoRowsAndAreReported() throws Exception {
        Files.writeString(images.resolve("green/5.png"), "no image");
        Files.writeString(images.resolve("notes.txt"), "no image either");
        Path list = folder.resolve("images.csv");
        Files.writeString(list, "path\ngreen/4.png\ngreen/5.png\ngreen/vanished.png\n");

        String said = predict(images, false, "data.maxBroken=0.02").err();

        assertThat(said).contains("read 59 images, 1 of 60 images (1.6667 %) are broken [green/5.png: ", "1 .txt");
        assertThat(names()).hasSize(59).isSorted().doesNotContain("green/5.png");
        assertThat(broken().path("images").asInt()).isEqualTo(60);
        assertThat(broken().path("broken").fieldNames()).toIterable().containsExactly("green/5.png");
        assertThat(reported().path("output").asText()).isEqualTo(output.toString());
        assertThat(reported().path("data").toString())
                .isEqualTo("{\"path\":\"" + images + "\",\"images\":59,\"broken\":1,\"passedOver\":1,"
                        + "\"passedOverBy\":{\".txt\":1},\"notes\":[],\"classes\":{}}");
        assertThat(note().path("images").asInt()).isEqualTo(59);
        assertThat(note().path("broken").asInt()).isEqualTo(1);
        assertThat(note().path("brokenImages").fieldNames()).toIterable().containsExactly("green/5.png");
        assertThat(new ObjectMapper().readTree(trained.resolve("data.json").toFile()))
                .as("other drivers write it")
                .hasSize(1);

        Path first = output;
        output = folder.resolve("others");
        predict(images, false, "data.maxBroken=0.02");
        Files.delete(images.resolve("green/5.png"));
        predict(images, true);
        assertThat(broken().path("count").asInt()).isZero();
        output = first;
        assertThat(broken().path("broken").fieldNames()).toIterable().containsExactly("green/5.png");

        predict(list, true, "data.maxBroken=0.7", "data.root=" + images);

        assertThat(names()).containsExactly("green/4.png");
        assertThat(broken().path("broken").path("green/vanished.png").asText())
                .isEqualTo("missing, or not a file that can be read");
    }

    @Test
    void aTableIsKeptIfTheRunDirectoryCannotBeWritten() throws Exception {
        Files.writeString(images.resolve("green/5.png"), "no image");
        Path file = Files.writeString(folder.resolve("file"), "in the place of a run directory");
        List<String> sets = shared.sets(file, "data.maxBroken=0.02");

        Printed printed = Tiny.does(
                spark,
                sets,
                false,
                verbs -> verbs.predict(images.toString(), output.toString(), List.of(trained.toString())));

        assertThat(printed.err())
                .containsOnlyOnce("note: the images of " + output + " are not reported in the run directory: " + file)
                .contains("predicted 59 images into " + output);
        assertThat(names()).hasSize(59);
        assertThat(note().path("brokenImages").fieldNames()).toIterable().containsExactly("green/5.png");
        Path other = folder.resolve("other");
        sets.set(sets.indexOf("data.maxBroken=0.02"), "data.maxBroken=0.01");
        assertThatThrownBy(() -> Tiny.does(
                        spark,
                        sets,
                        false,
                        verbs -> verbs.predict(images.toString(), other.toString(), List.of(trained.toString()))))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("data.maxBroken allows 1.0 %");
    }

    @Test
    void tooManyBrokenImagesEndTheJobAndLeaveWhatWasThere() throws Exception {
        predict(images, false);
        List<String> before = names();
        for (int i = 0; i < 10; i++) {
            Files.writeString(images.resolve("blue/" + i + ".png"), "no image");
            Files.writeString(images.resolve("red/" + i + ".png"), "no image");
        }
        Counted.millis = 200; // the next tasks take 2 s, by when the first ones' broken images are known

        assertThatThrownBy(() -> predict("counted:" + images, true, "data.maxBroken=0.1"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("of 60 images")
                .hasMessageContaining("blue/0.png: ")
                .hasMessageContaining("data.maxBroken allows 10.0 %");
        assertThat(Counted.OPENED.values().stream().mapToInt(Integer::intValue).sum())
                .as("the job ends before the last images")
                .isLessThan(50);
        assertThat(names()).isEqualTo(before);
        assertThat(inTheFolder()).containsExactly("images", "labels");
        assertThat(broken().path("broken").size()).isBetween(7, 19);
    }

    @Test
    void aSetWithoutAGoodImageIsRefused() throws Exception {
        Path none = Files.createDirectory(folder.resolve("none"));
        assertThatThrownBy(() -> predict(none, false))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(none + ": there are no images, neither .jpg");
        Files.writeString(none.resolve("a.png"), "no image");
        assertThatThrownBy(() -> predict(none, false, "data.maxBroken=1"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(none + ": 1 of 1 images (100.0 %) are broken [a.png: ")
                .hasMessageEndingWith("; expected at least one that can be read: mend some or give others");
        assertThat(inTheFolder()).containsExactly("images", "none");
    }

    @Test
    void doneAgainWithTheSameInputsItDoesNothing() throws Exception {
        Path copy = Files.createDirectories(folder.resolve("copy")).resolve("other.safetensors");
        Files.copy(trained.resolve("delta.safetensors"), copy);
        predict(images, false);
        Map<String, FileTime> before = times();

        Printed again = predict(images, false);

        assertThat(again.err())
                .contains(output + " is up to date with its inputs; --force predicts again")
                .doesNotContain("predicted");
        assertThat(times()).isEqualTo(before);
        assertThat(predict(images, true).err()).contains("predicted 60 images");
        String other =
                output + ": exists already and was not predicted from these inputs; choose another --output or give"
                        + " --force";
        for (String setting : List.of("data.crop=squash", "evaluation.flip=true", "predict.topK=1")) {
            assertThatThrownBy(() -> predict(images, false, setting))
                    .as(setting)
                    .isInstanceOf(UserError.class)
                    .hasMessage(other);
        }
        assertThatThrownBy(() -> Tiny.does(
                        spark,
                        shared.sets(trained, "tuning.method=linear", "evaluation.batchSize=4"),
                        false,
                        verbs -> verbs.predict(images.toString(), output.toString(), List.of(copy.toString()))))
                .as("columns of another name")
                .hasMessage(other);
        Files.delete(images.resolve("red/3.png"));
        assertThatThrownBy(() -> predict(images, false)).as("another image").hasMessage(other);
    }

    private Map<String, FileTime> times() throws IOException {
        Map<String, FileTime> times = new HashMap<>();
        try (Stream<Path> files = Files.list(output)) {
            for (Path file : files.toList()) {
                times.put(file.toString(), Files.getLastModifiedTime(file));
            }
        }
        return times;
    }

    @Test
    void onlyAFolderOfPredictionsIsReplaced() throws Exception {
        predict(images, false);
        Files.writeString(output.resolve("mine.txt"), "not to be lost");
        assertThatThrownBy(() -> predict(images, true))
                .isInstanceOf(UserError.class)
                .hasMessage(output + ": --force replaces only what this verb has written, and it also has mine.txt;"
                        + " choose another --output, or move it away");
        Files.delete(output.resolve("mine.txt"));
        predict(images, true);

        output = images;
        assertThatThrownBy(() -> predict(images, true))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("and it has no _predicted.json");
        output = folder.resolve("table");
        spark.read().parquet(folder.resolve("labels").toString()).write().parquet(output.toString());
        assertThatThrownBy(() -> predict(images, true))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("and it has no _predicted.json");
        output = Files.writeString(folder.resolve("a.csv"), "mine");
        assertThatThrownBy(() -> predict(images, true))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("and it is a file");
        assertThat(output).content().isEqualTo("mine");
    }

    @Test
    void aFlippedPredictionIsTheMeanOfAnImageAndItsMirrorImage() throws Exception {
        Path squares = Files.createDirectories(folder.resolve("squares"));
        SplittableRandom random = new SplittableRandom(9);
        for (int i = 0; i < 5; i++) {
            BufferedImage image = new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB);
            BufferedImage mirrored = new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB);
            for (int p = 0; p < 64; p++) {
                int rgb = random.nextInt(1 << 24);
                image.setRGB(p % 8, p / 8, rgb);
                mirrored.setRGB(7 - p % 8, p / 8, rgb);
            }
            ImageIO.write(image, "png", squares.resolve(i + ".png").toFile());
            ImageIO.write(mirrored, "png", squares.resolve(i + "-mirrored.png").toFile());
        }
        predict(squares, false);
        Map<String, double[]> plain = probabilities();
        predict(squares, true, "evaluation.flip=true");
        Map<String, double[]> flipped = probabilities();

        assertThat(flipped).hasSize(10);
        flipped.forEach((name, probabilities) -> {
            String other =
                    name.contains("-mirrored") ? name.replace("-mirrored", "") : name.replace(".png", "-mirrored.png");
            double[] one = Objects.requireNonNull(plain.get(name));
            double[] two = Objects.requireNonNull(plain.get(other));
            assertThat(one).isNotEqualTo(two);
            for (int k = 0; k < probabilities.length; k++) {
                assertThat(probabilities[k]).isCloseTo((one[k] + two[k]) / 2, within(1e-6));
            }
        });
    }

    /** Returns the probability of each class for each name. */
    private Map<String, double[]> probabilities() {
        Map<String, double[]> all = new HashMap<>();
        for (Row row : spark.read().parquet(output.toString()).collectAsList()) {
            all.put(
                    row.getAs("name"),
                    List.of("blue", "green", "red").stream()
                            .mapToDouble(name -> ((Number) row.getAs("p_" + name)).doubleValue())
                            .toArray());
        }
        return all;
    }

    @Test
    void bitsDoNotDependOnTheNumberOfTasks() throws Exception {
        predict(images, false);
        List<Row> rows = rows();
        Path few = folder.resolve("few");
        Path one = Files.createDirectories(few.resolve("blue"));
        for (int i = 0; i < 4; i++) { // the first batch alone
            String name = rows.get(i).getString(0);
            Files.copy(images.resolve(name), one.resolve(name.substring(5)));
        }

        predict(few, true);

        assertThat(rows()).isEqualTo(rows.subList(0, 4));
    }
}
