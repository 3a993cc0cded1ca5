package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.ReadOptions;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PackingTest extends OnSpark {
    private static final ReadOptions OPTIONS = new ReadOptions(ImageFormat.AUTO, "image", "label", null);

    @TempDir
    Path folder;

    private Tiny.Printed pack(Path images, Path output, boolean labeled, boolean force) {
        return Tiny.does(
                spark,
                List.of("run.directory=" + folder.resolve("run")),
                force,
                verbs -> verbs.pack(images.toString(), output.toString(), labeled));
    }

    private static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> all = Files.list(folder)) {
            for (Path file :
                    all.filter(each -> !each.toString().endsWith(".crc")).toList()) {
                files.put(file.getFileName().toString(), HexFormat.of().formatHex(Files.readAllBytes(file)));
            }
        }
        return files;
    }

    private static List<Example> read(Path images) {
        try (Images read = new ImageReader(
                        spark, new Preprocess(4, 4, Preprocess.Crop.SQUASH, ImageRecipe.same(0, 1, 1)), 0.5, 2)
                .read(ImageSource.at(spark, List.of(images.toString()), OPTIONS), null)) {
            return read.examples().collect();
        }
    }

    @Test
    void packedImagesAreTheSameExamplesAndPackedAgainTheSameBytes() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 4, 1);
        Files.createFile(images.resolve("blue/00.png")); // broken: empty
        Files.writeString(images.resolve("red/x.png"), "no image");

        Path packed = folder.resolve("packed.parquet");
        assertThat(pack(images, packed, true, false).err()).contains("packed 14 images into 1 files of 0.0 MB in all");

        Map<String, String> files = files(packed);
        assertThat(files).containsOnlyKeys("_packed.json", "images-00000-of-00001.parquet");
        List<Example> before = read(images);
        List<Example> after = read(packed);
        assertThat(after).hasSize(12).hasSameSizeAs(before);
        for (int i = 0; i < after.size(); i++) {
            assertThat(after.get(i).id()).isEqualTo(before.get(i).id());
            assertThat(after.get(i).label()).isEqualTo(before.get(i).label());
            assertThat(after.get(i).pixels().rgb())
                    .isEqualTo(before.get(i).pixels().rgb());
        }

        assertThat(pack(images, packed, true, false).err()).contains("is up to date with its images");
        pack(images, packed, true, true);
        assertThat(files(packed)).isEqualTo(files);
    }

    @Test
    void whatATaskHoldsAtATimeDoesNotGrowWithTheSizeOfImages() throws Exception {
        Path images = Files.createDirectories(folder.resolve("images"));
        for (int i = 0; i < 120; i++) {
            Files.write(images.resolve(String.format("a%03d.png", i)), new byte[] {1});
        }
        for (int i = 0; i < 4; i++) { // after many small ones
            try (RandomAccessFile file =
                    new RandomAccessFile(images.resolve("b" + i + ".png").toFile(), "rw")) {
                file.setLength(17 << 20);
            }
        }

        pack(images, folder.resolve("packed"), false, false);

        try (ParquetFileReader reader = ParquetFileReader.open(HadoopInputFile.fromPath(
                new org.apache.hadoop.fs.Path(folder + "/packed/images-00000-of-00001.parquet"),
                new Configuration()))) {
            assertThat(reader.getRecordCount()).isEqualTo(124);
            assertThat(reader.getRowGroups())
                    .hasSizeGreaterThan(1)
                    .allSatisfy(group -> assertThat(group.getTotalByteSize()).isLessThan(36 << 20));
        }
    }

    @Test
    void readingParquetChangesNoSettingOfTheCallersSession() throws Exception {
        Path packed = folder.resolve("packed");
        pack(Tiny.images(folder.resolve("images"), 4, 1), packed, true, false);
        spark.conf().set("fs.grft.key", "known to readers");
        Map<String, String> before = settings();
        List<Map<String, String>> seen = Collections.synchronizedList(new ArrayList<>());
        AtomicBoolean done = new AtomicBoolean();
        CompletableFuture<Void> watching = CompletableFuture.runAsync(() -> {
            while (!done.get()) {
                Map<String, String> now = settings();
                if (!now.equals(before)) {
                    seen.add(now);
                }
            }
        });
        for (int i = 0; i < 3; i++) {
            assertThat(read(packed)).hasSize(12);
        }
        done.set(true);
        watching.get();
        spark.conf().unset("fs.grft.key");
        assertThat(seen).isEmpty();
    }

    /** Notebooks have them of their builder, and Spark refuses to set them in a session. */
    @Test
    void aSessionMayCarrySettingsOfTheApplication() throws Exception {
        Path packed = folder.resolve("packed");
        pack(Tiny.images(folder.resolve("images"), 4, 1), packed, true, false);
        SparkSession carrier = spark.newSession();
        SparkSession.setActiveSession(carrier);
        try {
            SparkSession.builder()
                    .config("spark.executor.memory", "1g")
                    .config("spark.sql.caseSensitive", "true")
                    .getOrCreate();
        } finally {
            SparkSession.clearActiveSession();
        }
        assertThat(carrier.conf().get("spark.executor.memory")).isEqualTo("1g");
        assertThat(ImageSource.at(carrier, List.of(packed.toString()), OPTIONS)).isNotNull();
    }

    private static Map<String, String> settings() {
        Map<String, String> settings = new TreeMap<>();
        spark.conf().getAll().foreach(entry -> settings.put(entry._1(), entry._2()));
        return settings;
    }

    @Test
    void whatAReplacementHadMovedAsideComesBackIfItWasKilled() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path packed = folder.resolve("packed");
        pack(images, packed, true, false);
        Map<String, String> files = files(packed);
        Files.move(packed, folder.resolve("._old-packed"));
        assertThat(pack(images, packed, true, false).err()).contains("is up to date with its images");
        assertThat(files(packed)).isEqualTo(files);
        assertThat(folder.resolve("._old-packed")).doesNotExist();
    }

    @Test
    void whatWasReplacedDoesNotComeBackOnceTheNewFolderIsThere() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path packed = folder.resolve("packed");
        pack(images, packed, true, false);
        Path aside =
                Files.createDirectory(folder.resolve("._old-packed")); // the program was killed before it deleted it
        Files.writeString(aside.resolve("old"), "");

        assertThat(pack(images, packed, true, false).err()).contains("is up to date with its images");
        assertThat(aside).doesNotExist();
        Files.createDirectory(aside);
        pack(images, packed, true, true);
        assertThat(aside).doesNotExist();
    }

    @Test
    void aFolderOfWhichFilesAreMissingIsRefused() throws Exception {
        Path packed = folder.resolve("packed");
        pack(Tiny.images(folder.resolve("images"), 4, 1), packed, true, false);
        Path note = packed.resolve("_packed.json");
        Path whole = packed.resolve("images-00000-of-00001.parquet");
        byte[] bytes = Files.readAllBytes(whole);
        Files.write(whole, Arrays.copyOf(bytes, 10));
        assertThatThrownBy(() -> read(packed))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        packed + ": is not whole: of the 1 files that pack wrote, images-00000-of-00001.parquet has 10"
                                + " bytes in place of the " + bytes.length
                                + " that _packed.json tells; copy the files or pack the images again");
        Files.delete(whole);
        Files.write(packed.resolve("of-another-pack.parquet"), bytes);
        assertThatThrownBy(() -> read(packed))
                .isInstanceOf(UserError.class)
                .hasMessage(packed + ": is not whole: of the 1 files that pack wrote, images-00000-of-00001.parquet is"
                        + " missing; copy the files or pack the images again");
        Files.write(whole, bytes);
        assertThat(read(packed)).as("only what the note names").hasSize(12);
        assertThat(read(Files.move(packed.resolve("of-another-pack.parquet"), folder.resolve("a.parquet"))))
                .hasSize(12);

        Files.delete(note); // as in a copy of the Parquet files alone
        Path part = Files.move(whole, packed.resolve("images-00000-of-00002.parquet"));
        assertThatThrownBy(() -> read(packed))
                .isInstanceOf(UserError.class)
                .hasMessage(packed
                        + ": is not whole: of the 2 files that pack wrote, images-00001-of-00002.parquet is missing"
                        + " (images-00000-of-00002.parquet is there); copy the files or pack the images again");
        assertThat(read(part)).as("a file that is named itself").hasSize(12);
        Files.copy(part, packed.resolve("images-00001-of-00002.parquet"));
        assertThat(read(packed)).hasSize(24);
        Files.copy(part, packed.resolve("images-00000-of-00003.parquet"));
        assertThatThrownBy(() -> read(packed)).hasMessageContaining("files of several packings");
    }

    @Test
    void theNoteIdentifiesImagesAndOptionsInTheWordsOfEarlierNotes() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path packed = folder.resolve("packed");
        pack(images, packed, true, false);

        String listing = Inputs.at(new Configuration(), "--images", images.toString(), OPTIONS)
                .listing()
                .times();
        assertThat(packed.resolve("_packed.json"))
                .content()
                .contains(Inputs.digest(
                        "pack",
                        listing,
                        "Form[format=AUTO, imageColumn=image, labelColumn=label, root=null]",
                        Integer.toString(PackVerb.IN_A_FILE)));
    }

    @Test
    void theFolderMayHaveAnyName() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        for (String name : List.of("12:30", "[x]", "{a,b}", "50%", "what?")) {
            pack(images, folder.resolve(name), true, false);
            assertThat(read(folder.resolve(name))).as(name).hasSize(3);
        }
    }

    @Test
    void imagesWithoutClassesAreBytesAndPaths() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path packed = folder.resolve("packed");
        pack(images, packed, false, false);

        assertThat(spark.read().parquet(packed.toString()).select("image.path").collectAsList())
                .hasToString("[[blue/0.png], [green/0.png], [red/0.png]]");
        assertThat(spark.read().parquet(packed.toString()).columns()).containsExactly("image");
    }

    @Test
    void whatIsThereIsNotReplacedUnasked() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path there = Files.createDirectory(folder.resolve("there"));
        assertThatThrownBy(() -> pack(images, there, true, false))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        there + ": exists already and was not packed from these images; choose another --output or give"
                                + " --force");
        assertThatThrownBy(() -> pack(folder.resolve("none"), folder.resolve("new"), true, false))
                .isInstanceOf(UserError.class)
                .hasMessage(folder.resolve("none") + ": there is no such file or folder (--images)");
        assertThat(folder.resolve("new")).doesNotExist();
    }

    @Test
    void aColumnOfEachClassStaysOneWithThoseThatNoImageShows() throws Exception {
        Path images = Tiny.images(folder.resolve("images"), 1, 1);
        Path list = Files.writeString(
                images.resolve("list.csv"), "path,red,cow,Image\nblue/0.png,0,0,1\nred/0.png,True,0,0\n");
        Path packed = folder.resolve("packed");
        Tiny.does(
                spark,
                List.of("run.directory=" + folder.resolve("run"), "data.task=multi-label", "data.labelColumn=red,cow"),
                false,
                verbs -> verbs.pack(list.toString(), packed.toString(), true));

        assertThat(spark.read().parquet(packed.toString()).select("red", "cow").collectAsList())
                .hasToString("[[false,false], [true,false]]");
        for (String task : List.of("multi-label", "regression")) {
            assertThatThrownBy(() -> Tiny.does(
                            spark,
                            List.of(
                                    "run.directory=" + folder.resolve("run"),
                                    "data.task=" + task,
                                    "data.labelColumn=red,Image"),
                            false,
                            verbs -> verbs.pack(
                                    list.toString(), folder.resolve(task).toString(), true)))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("data.labelColumn: the column Image differs from another column, or from"
                            + " the column image of the images, only in upper and lower case");
        }
    }
}
