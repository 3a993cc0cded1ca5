package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import dev.grft.spark.tables.FilesInPlace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FilterFileSystem;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Folders in an object store, which renames nothing. */
class InPlaceTest extends OnTiny {
    private static final ReadOptions OPTIONS = new ReadOptions(ImageFormat.AUTO, "image", "label", null);
    private static final String A_PACKED_FILE = "images-00000-of-00001-[0-9a-f]{12}-\\d+-c000.parquet";

    private Path packed;

    @BeforeEach
    void bucket() {
        Bucket.in(spark.sparkContext().hadoopConfiguration());
        packed = folder.resolve("packed");
    }

    @AfterEach
    void quiet() {
        Bucket.before = step -> {};
    }

    private static String inBucket(Path path) {
        return "bucket://" + path;
    }

    private String pack(Path images, String output, boolean force) {
        return Tiny.does(
                        spark,
                        List.of("run.directory=" + folder.resolve("run")),
                        force,
                        verbs -> verbs.pack(images.toString(), output, true))
                .err();
    }

    private Path images(int ofEachClass) {
        try {
            return Tiny.images(folder.resolve("images-" + ofEachClass), ofEachClass, ofEachClass);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> files(Path folder) {
        if (!Files.exists(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) throws IOException {
        for (String file : files(folder)) {
            Files.delete(folder.resolve(file));
        }
    }

    private static List<Source.Named> named(String path) {
        return ImageSource.at(spark, List.of(path), OPTIONS).named(false);
    }

    /** Returns name, class and bytes of each image, read as a training does. */
    private static List<String> read(String path) {
        ImageSource source = ImageSource.at(spark, List.of(path), OPTIONS);
        List<Source.Named> named = source.named(false);
        return source.encoded(named, null, 2, 1).collect().stream()
                .sorted(Comparator.comparing(image -> image._1()))
                .map(image -> image._2().name() + " " + named.get((int) (long) image._1()).label + " "
                        + Inputs.digest(java.util.Arrays.toString(image._2().file())))
                .toList();
    }

    @Test
    void aPackHasTheImagesOfOneThatWasMovedAndItsNoteNamesTheFiles() {
        Path images = images(4);
        pack(images, folder.resolve("moved").toString(), false);
        List<String> expected = read(folder.resolve("moved").toString());

        assertThat(pack(images, inBucket(packed), false)).contains("packed 12 images into 1 files");
        assertThat(read(inBucket(packed))).hasSize(12).isEqualTo(expected);
        List<String> first = files(packed);
        assertThat(first).hasSize(3).startsWith("_SUCCESS", "_packed.json");
        assertThat(first.get(2)).matches(A_PACKED_FILE);
        assertThat(packed.resolve("_packed.json")).content().contains(first.get(2));
        assertThat(files(folder)).contains("packed", "moved").noneMatch(name -> name.startsWith("._"));

        assertThat(pack(images, inBucket(packed), false)).contains("is up to date with its images");
        assertThat(files(packed)).isEqualTo(first);
        pack(images, inBucket(packed), true);
        assertThat(files(packed)).hasSize(3).doesNotContain(first.get(2));
        assertThat(read(inBucket(packed))).as("names, too").isEqualTo(expected);
    }

    /** As kill -9 does: from one change on, none. */
    private static final class Killed implements Consumer<String> {
        private final String folder;
        private final int allowed;
        final List<String> steps = new ArrayList<>();

        Killed(Path folder, int allowed) {
            this.folder = folder + "/";
            this.allowed = allowed;
        }

        @Override
        public synchronized void accept(String step) {
            if (step.startsWith("open ") || !step.contains(folder)) {
                return;
            }
            if (steps.size() == allowed) {
                throw new IllegalStateException("killed");
            }
            steps.add(step.replaceFirst(" .*/", " "));
        }
    }

    /** Packs into files of four images. */
    private void packInFours(Path images, Path output) {
        Tiny.does(
                spark,
                List.of("run.directory=" + folder.resolve("run")),
                true,
                verbs -> verbs.packInto(4, images.toString(), inBucket(output)));
    }

    @Test
    @Tag("thorough")
    void wheneverPackIsKilledTheFolderIsTheFormerOrTheNewOne() throws Exception {
        Path some = images(2); // in two files
        Path more = images(3); // in three
        packInFours(some, folder.resolve("some"));
        packInFours(more, folder.resolve("more"));
        assertThat(files(folder.resolve("more"))).hasSize(3 + 2);
        List<String> former = read(inBucket(folder.resolve("some")));
        List<String> latter = read(inBucket(folder.resolve("more")));
        Files.createDirectory(packed);

        boolean done = false;
        int news = 0;
        for (int allowed = 0; !done; allowed++) {
            delete(packed);
            for (String file : files(folder.resolve("some"))) {
                Files.copy(folder.resolve("some").resolve(file), packed.resolve(file));
            }
            Killed killed = new Killed(packed, allowed);
            Bucket.before = killed;
            try {
                packInFours(more, packed);
                done = true;
            } catch (RuntimeException e) {
                // What is left is looked at.
            }
            Bucket.before = step -> {};
            boolean replaced = killed.steps.contains("write _packed.json");
            String what = "after " + killed.steps;
            assertThat(read(inBucket(packed))).as(what).isEqualTo(replaced ? latter : former);
            assertThat(read(inBucket(packed) + "/*.parquet")).as(what).isEqualTo(replaced ? latter : former);
            news += replaced ? 1 : 0;
            if (allowed == 2) { // a file of the new one is there, too
                assertThat(files(packed)).hasSize(4).doesNotContain("_SUCCESS");
            }
            if (done) {
                assertThat(killed.steps)
                        .hasSize(1 + 3 + 1 + 2 + 1)
                        .startsWith("delete _SUCCESS")
                        .endsWith("write _SUCCESS");
            }
        }
        assertThat(news).isEqualTo(4);
        assertThat(files(packed)).hasSize(3 + 2);
    }

    @Test
    void aPackKilledAfterItsNoteIsTidiedByTheNextThoughItIsUpToDate() {
        pack(images(1), inBucket(packed), false);
        Path more = images(2);
        Bucket.before = new Killed(packed, 3); // the note is there, and the former file
        assertThatThrownBy(() -> pack(more, inBucket(packed), true)).isInstanceOf(RuntimeException.class);
        Bucket.before = step -> {};
        assertThat(files(packed)).hasSize(3).startsWith("_packed.json");
        assertThat(pack(more, inBucket(packed), false)).contains("is up to date with its images");
        assertThat(files(packed)).hasSize(3).startsWith("_SUCCESS", "_packed.json");
        assertThat(named(inBucket(packed))).hasSize(6);
    }

    @Test
    void whatCannotBeTidiedIsSaid() throws Exception {
        Path some = images(1);
        pack(some, inBucket(packed), false);
        Files.delete(packed.resolve("_SUCCESS"));
        Bucket.before = new Killed(packed, 0); // as a folder that is read-only
        assertThat(pack(some, inBucket(packed), false))
                .contains("_SUCCESS cannot be written (", "is up to date with its images");
    }

    /** Packs for the first time and is killed when the file of images is there, but no note. */
    private void killAFirst(Path some, int changes) {
        Bucket.before = new Killed(packed, changes);
        assertThatThrownBy(() -> pack(some, inBucket(packed), false)).isInstanceOf(RuntimeException.class);
        Bucket.before = step -> {};
        assertThat(files(packed)).singleElement().asString().matches(A_PACKED_FILE);
        assertThatThrownBy(() -> named(inBucket(packed)))
                .isInstanceOf(UserError.class)
                .hasMessage(inBucket(packed) + ": is not whole: it has "
                        + files(packed).get(0)
                        + ", but no _packed.json, which pack writes last; copy all files or pack the images again");
    }

    @Test
    void aFirstPackThatWasKilledIsMadeAgainHoweverOften() {
        Path some = images(1);
        killAFirst(some, 1);
        killAFirst(some, 2); // the first of them deletes what was left
        assertThat(files(folder)).contains("._first-packed");
        assertThat(pack(some, inBucket(packed), false)).contains("packed 3 images");
        assertThat(files(packed)).hasSize(3).startsWith("_SUCCESS", "_packed.json");
        assertThat(files(folder)).noneMatch(name -> name.startsWith("._"));
    }

    @Test
    void aCopyWithoutItsNoteIsReplacedByForceOnlyAlsoWhereAFirstPackWasKilled() throws Exception {
        Path some = images(1);
        killAFirst(some, 1);
        pack(some, inBucket(folder.resolve("other")), false);
        String copy = files(folder.resolve("other")).get(2);
        Files.copy(folder.resolve("other").resolve(copy), packed.resolve(copy));
        for (int left = 2; left > 0; left--) {
            assertThatThrownBy(() -> pack(some, inBucket(packed), false))
                    .isInstanceOf(UserError.class)
                    .hasMessage("bucket:" + packed + ": has " + files(packed).get(0)
                            + ", but no _packed.json, which is written last: writing was interrupted, or the note was not"
                            + " copied; copy it, too, or give --force to write the folder again");
            assertThat(files(packed)).hasSize(left).contains(copy);
            for (String file : files(packed)) {
                if (!file.equals(copy)) {
                    Files.delete(packed.resolve(file));
                }
            }
            Files.deleteIfExists(folder.resolve("._first-packed"));
        }
        assertThat(pack(some, inBucket(packed), true)).contains("packed 3 images");
        assertThat(files(packed)).hasSize(3).doesNotContain(copy);
    }

    @Test
    void aPackThatFailsLeavesTheFormerOneAlone() {
        pack(images(1), inBucket(packed), false);
        String file = files(packed).get(2);
        AtomicInteger failures = new AtomicInteger();
        Bucket.before = step -> {
            if (step.contains("/packed/images-") && step.startsWith("write") && failures.incrementAndGet() == 1) {
                throw new UncheckedIOException(new IOException("the connection is lost"));
            }
        };
        assertThatThrownBy(() -> pack(images(2), inBucket(packed), true)).isInstanceOf(RuntimeException.class);
        assertThat(files(packed)).containsExactly("_SUCCESS", "_packed.json", file);
        assertThat(named(inBucket(packed))).hasSize(3);
    }

    /** The reader has listed the former files, then finds the new note. */
    @Test
    void aReaderThatListsWhileTheFolderIsReplacedListsItAgain() {
        pack(images(1), inBucket(packed), false);
        AtomicInteger opened = new AtomicInteger();
        Bucket.before = step -> {
            if (step.endsWith("/packed/_packed.json") && step.startsWith("open") && opened.incrementAndGet() == 1) {
                pack(images(2), inBucket(packed), true);
            }
        };
        assertThat(named(inBucket(packed))).hasSize(6);
        assertThat(opened.get()).isGreaterThan(1);
    }

    @Test
    void aReaderWhoseFilesWereReplacedIsToldSo() {
        pack(images(1), inBucket(packed), false);
        ImageSource source = ImageSource.at(spark, List.of(inBucket(packed)), OPTIONS);
        pack(images(2), inBucket(packed), true);
        assertThatThrownBy(() -> source.named(false))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("does not exist")
                .hasMessageEndingWith("; keep the images unchanged during a run");
    }

    @Test
    void aPackOfAnEarlierBuildIsReadAndReplaced() throws Exception {
        pack(images(1), folder.resolve("moved").toString(), false);
        Files.createDirectories(packed);
        Files.copy(
                folder.resolve("moved/images-00000-of-00001.parquet"), packed.resolve("images-00000-of-00001.parquet"));
        Files.writeString(packed.resolve("_packed.json"), "{\"path\": \"x\", \"images\": 3, \"inputs\": \"y\"}");
        assertThat(read(inBucket(packed)))
                .isEqualTo(read(folder.resolve("moved").toString()));

        pack(images(2), inBucket(packed), true);
        assertThat(files(packed)).hasSize(3).doesNotContain("images-00000-of-00001.parquet");
        assertThat(named(inBucket(packed))).hasSize(6);
    }

    @Test
    void aPackOfAnEarlierBuildIsReadWhileAndAfterItsReplacementIsKilled() throws Exception {
        pack(images(1), folder.resolve("moved").toString(), false);
        List<String> former = read(folder.resolve("moved").toString());
        Files.createDirectories(packed);
        Files.copy(
                folder.resolve("moved/images-00000-of-00001.parquet"), packed.resolve("images-00000-of-00001.parquet"));
        Files.writeString(packed.resolve("_packed.json"), "{\"path\": \"x\", \"images\": 3, \"inputs\": \"y\"}");
        Bucket.before = new Killed(packed, 1); // the new file is there, not the new note
        assertThatThrownBy(() -> pack(images(2), inBucket(packed), true)).isInstanceOf(RuntimeException.class);
        Bucket.before = step -> {};
        assertThat(files(packed)).hasSize(3);
        assertThat(read(inBucket(packed))).isEqualTo(former);
    }

    @Test
    void aPackInAFolderBelowIsNotReadWithTheFolder() throws Exception {
        Path train = folder.resolve("train");
        pack(images(1), train.toString(), false);
        pack(images(2), train.resolve("val").toString(), false);
        assertThat(named(train.toString())).as("as Spark alone reads it").hasSize(3);
        assertThat(named(train.resolve("val").toString())).hasSize(6);
        Path below = folder.resolve("below");
        Files.createDirectories(below);
        Files.copy(train.resolve("images-00000-of-00001.parquet"), below.resolve("mine.parquet"));
        pack(images(2), below.resolve("val").toString(), false);
        assertThat(named(below.toString())).hasSize(3);
    }

    @Test
    void aPatternReadsWhatTheNoteNamesToo() throws Exception {
        pack(images(1), inBucket(packed), false);
        List<String> former = read(inBucket(packed));
        Bucket.before = new Killed(packed, 2); // the new file is there, not the new note
        assertThatThrownBy(() -> pack(images(2), inBucket(packed), true)).isInstanceOf(RuntimeException.class);
        Bucket.before = step -> {};
        assertThat(files(packed)).hasSize(3);
        assertThat(read(inBucket(packed) + "/*.parquet")).isEqualTo(former);
        assertThat(read(inBucket(packed) + "/*")).isEqualTo(former);

        Files.delete(packed.resolve("_packed.json"));
        String left = files(packed).get(0);
        for (String path : List.of(inBucket(packed) + "/*.parquet", inBucket(packed) + "/" + left)) {
            assertThatThrownBy(() -> named(path))
                    .isInstanceOf(UserError.class)
                    .hasMessage(path + ": is not whole: it has " + left
                            + ", but no _packed.json, which pack writes last; copy all files or pack the images again");
        }
    }

    @Test
    void aPatternOfFilesThatTheNoteDoesNotNameIsRefused() throws Exception {
        pack(images(1), inBucket(packed), false);
        String file = files(packed).get(2);
        String left = "images-00000-of-00001-0123456789ab-0-c000.parquet";
        Files.copy(packed.resolve(file), packed.resolve(left));
        assertThatThrownBy(() -> named(inBucket(packed) + "/" + left))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        inBucket(packed) + "/" + left + ": is not whole: _packed.json names none of its files, such as "
                                + left + "; copy the files or pack the images again");
    }

    /** Renames folders, and is neither a local disk nor HDFS to the program, as Azure's connector. */
    public static final class Renaming extends FilterFileSystem {
        public Renaming() {
            super(new RawLocalFileSystem() {
                @Override
                public URI getUri() {
                    return URI.create("renaming:///");
                }
            });
        }
    }

    @Test
    void whereAFolderCanBeRenamedAndANoteNotReplacedInOneStepTheFolderIsMoved() {
        spark.sparkContext().hadoopConfiguration().set("fs.renaming.impl", Renaming.class.getName());
        pack(images(1), "renaming://" + packed, false);
        assertThat(files(packed)).containsExactly("_packed.json", "images-00000-of-00001.parquet");
        assertThat(named("renaming://" + packed)).hasSize(3);
        pack(images(2), "renaming://" + packed, true);
        assertThat(named("renaming://" + packed)).hasSize(6);
        assertThat(files(folder)).noneMatch(name -> name.startsWith("._"));
    }

    @Test
    void theFilesOfAPackAreLookedUpWithoutAJob() throws Exception {
        Tiny.does(
                spark,
                List.of("run.directory=" + folder.resolve("run")),
                false,
                verbs -> verbs.packInto(1, images(12).toString(), inBucket(packed)));
        assertThat(files(packed)).hasSize(36 + 2); // Spark has a job from 33 on
        List<String> jobs = Collections.synchronizedList(new ArrayList<>());
        SparkListener listener = new SparkListener() {
            @Override
            public void onJobStart(SparkListenerJobStart start) {
                jobs.add(String.valueOf(start.properties().getProperty("spark.job.description")));
            }
        };
        Tiny.heardBy(
                listener,
                spark.sparkContext(),
                () -> assertThat(named(inBucket(packed))).hasSize(36));
        assertThat(jobs).isNotEmpty().noneMatch(job -> job.contains("Listing leaf files"));
    }

    @Test
    void aPlatformsOwnCommitterIsNamed() {
        assertThatThrownBy(() -> FilesInPlace.save(
                        spark,
                        spark.range(2).write().format("parquet"),
                        packed.toString(),
                        "part-%05d",
                        "0123456789ab"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(packed + ": another committer than this program's wrote the files: "
                        + "spark.sql.sources.commitProtocolClass is ")
                .hasMessageContaining(", expected " + FilesInPlace.class.getName() + "; take");
    }

    @Test
    void filesOfOthersAreNeverDeleted() throws Exception {
        pack(images(1), inBucket(packed), false);
        Files.writeString(packed.resolve("mine.txt"), "");
        assertThatThrownBy(() -> pack(images(2), inBucket(packed), true))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("--force replaces only what this verb has written, and it also has mine.txt");
    }

    @Test
    void aPredictionIsTheSameTableAndKilledItLeavesTheFormerOne() {
        Path directory = folder.resolve("run");
        Tiny.does(spark, shared.sets(directory, "tuning.method=linear"), false, Verbs::train);
        Path table = folder.resolve("table");
        predict(directory, folder.resolve("moved").toString(), false);
        predict(directory, inBucket(table), false);
        List<Row> rows =
                spark.read().parquet(folder.resolve("moved").toString()).collectAsList();
        assertThat(spark.read().parquet(inBucket(table)).collectAsList())
                .hasSize(9)
                .isEqualTo(rows);
        List<String> former = files(table);
        assertThat(former).startsWith("_SUCCESS", "_predicted.json");

        Bucket.before = new Killed(table, former.size() - 1); // one step before the note
        assertThatThrownBy(() -> predict(directory, inBucket(table), true)).isInstanceOf(RuntimeException.class);
        Bucket.before = step -> {};
        assertThat(files(table)).containsAll(former.subList(1, former.size())).doesNotContain("_SUCCESS");
        predict(directory, inBucket(table), false); // up to date
        assertThat(files(table)).as("tidied").isEqualTo(former);
        predict(directory, inBucket(table), true);
        assertThat(spark.read().parquet(inBucket(table)).collectAsList()).isEqualTo(rows);
        assertThat(files(table)).hasSameSizeAs(former);
    }

    private void predict(Path directory, String table, boolean force) {
        Tiny.does(
                spark,
                shared.sets(directory, "tuning.method=linear"),
                force,
                verbs -> verbs.predict(shared.test().toString(), table, List.of()));
    }
}
