package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.BrokenImages.Broken;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.run.Session;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** VTAB-1k and FGVC as they are handed around, in miniature. */
class BenchmarkLayoutsTest extends OnSpark {
    private static final Preprocess PREPROCESS = new Preprocess(4, 4, Crop.SQUASH, ImageRecipe.same(0, 1, 1));

    @TempDir
    Path folder;

    /** Writes an image whose blue is the number. */
    private void image(String name, int number) throws IOException {
        BufferedImage image = new BufferedImage(6, 5, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 30; i++) {
            image.setRGB(i % 6, i / 6, number);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        write(name, out.toByteArray());
    }

    private void write(String name, byte[] content) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.write(file, content);
    }

    private void write(String name, List<String> lines) throws IOException {
        write(name, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Writes a task as get_vtab1k.py of NOAH does: each split with images of its own, numbered from 0. Those of
     * train800val200 are those of the two others once more. Image i is of class i modulo 3.
     */
    private void vtab() throws IOException {
        Map<String, int[]> splits = new LinkedHashMap<>();
        splits.put("train800", new int[] {0, 8});
        splits.put("val200", new int[] {8, 10});
        splits.put("train800val200", new int[] {0, 10});
        splits.put("test", new int[] {10, 16});
        for (Map.Entry<String, int[]> split : splits.entrySet()) {
            List<String> lines = new ArrayList<>();
            for (int i = split.getValue()[0]; i < split.getValue()[1]; i++) {
                String name = String.format("images/%s/%06d.jpg", split.getKey(), i - split.getValue()[0]);
                image("cifar/" + name, i);
                lines.add(name + " " + i % 3);
            }
            write("cifar/" + split.getKey() + ".txt", lines);
        }
    }

    private Images read(List<String> paths, @Nullable String root, @Nullable Labels known, double maxBroken) {
        return new ImageReader(spark, PREPROCESS, maxBroken, 3)
                .read(
                        ImageSource.at(
                                spark,
                                paths.stream()
                                        .map(path -> folder.resolve(path).toString())
                                        .toList(),
                                new ReadOptions(
                                        ImageFormat.AUTO,
                                        "image",
                                        "label",
                                        root == null
                                                ? null
                                                : folder.resolve(root).toString())),
                        known);
    }

    /** Returns what an image shows, which is what {@link #image} wrote. */
    private static int number(Example example) {
        return example.pixels().rgb()[2] & 0xff;
    }

    private static List<List<Example>> shards(Images images) {
        return images.examples().glom().collect();
    }

    private static Map<String, Integer> labels(Images images) {
        return images.examples().collect().stream().collect(Collectors.toMap(Example::name, Example::label));
    }

    @Test
    void aTaskOfVtabIsReadByAnyOfItsFourLists() throws Exception {
        vtab();

        try (Images train = read(List.of("cifar/train800.txt"), null, null, 0);
                Images validation = read(List.of("cifar/val200.txt"), null, train.labels(), 0);
                Images both = read(List.of("cifar/train800val200.txt"), null, null, 0);
                Images test = read(List.of("cifar/test.txt"), null, train.labels(), 0)) {
            assertThat(train.labels().names()).containsExactly("0", "1", "2");
            assertThat(List.of(train.count(), validation.count(), both.count(), test.count()))
                    .containsExactly(8L, 2L, 10L, 6L);
            assertThat(labels(validation))
                    .isEqualTo(Map.of("images/val200/000000.jpg", 2, "images/val200/000001.jpg", 0));
            for (Images images : List.of(train, validation, both, test)) {
                assertThat(images.examples().collect())
                        .allSatisfy(example -> assertThat(example.label()).isEqualTo(number(example) % 3));
            }
        }
    }

    @Test
    void trainingAndValidationTogetherAreOneSet() throws Exception {
        vtab();

        try (Images both = read(List.of("cifar/train800.txt", "cifar/val200.txt"), null, null, 0)) {
            assertThat(both.count()).isEqualTo(10);
            assertThat(both.examples().collect().stream()
                            .map(BenchmarkLayoutsTest::number)
                            .sorted())
                    .containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
            assertThat(labels(both)).containsKeys("images/train800/000007.jpg", "images/val200/000001.jpg");
        }
    }

    @Test
    void theOrderOfTheLinesAndOfThePathsChangesNothing() throws Exception {
        vtab();
        List<String> paths = new ArrayList<>(List.of("cifar/train800.txt", "cifar/val200.txt"));
        try (Images before = read(paths, null, null, 0)) {
            List<String> lines = Files.readAllLines(folder.resolve("cifar/train800.txt"));
            Collections.shuffle(lines, new Random(1));
            write("cifar/train800.txt", lines);
            Collections.reverse(paths);
            try (Images after = read(paths, null, null, 0)) {
                assertThat(shards(after)).isEqualTo(shards(before));
                assertThat(after.digest()).isEqualTo(before.digest());
            }
        }
    }

    @Test
    void aListAndAFolderOfTheSameImagesAreReadAlike() throws Exception {
        for (int i = 0; i < 6; i++) {
            image("set/" + i % 2 + "/" + i + ".png", i);
        }
        write("set/all.txt", List.of("1/1.png 1", "0/0.png 0", "1/3.png 1", "0/2.png 0", "0/4.png 0", "1/5.png 1"));

        try (Images list = read(List.of("set/all.txt"), null, null, 0);
                Images folders = read(List.of("set"), null, null, 0)) {
            assertThat(shards(list)).isEqualTo(shards(folders));
            assertThat(list.digest()).isEqualTo(folders.digest());
        }
    }

    @Test
    void aClassThatOnlyTheTestImagesShowIsRefusedUnlessTheClassesAreNumbered() throws Exception {
        image("a.png", 1);
        write("train.txt", List.of("a.png 0", "b.png 2"));
        write("test.txt", List.of("a.png 1"));

        try (Images train = read(List.of("train.txt"), null, null, 1)) {
            assertThatThrownBy(() -> read(List.of("test.txt"), null, train.labels(), 1))
                    .isInstanceOf(UserError.class)
                    .hasMessage(folder + "/test.txt: unknown class 1, known are 0, 2");
        }
        try (Images train = read(List.of("train.txt"), null, Labels.numbered(3), 1);
                Images test = read(List.of("test.txt"), null, train.labels(), 1)) {
            assertThat(train.labels().names()).containsExactly("0", "1", "2");
            assertThat(labels(test)).isEqualTo(Map.of("a.png", 1));
        }
        assertThatThrownBy(() -> read(List.of("train.txt"), null, Labels.numbered(2), 1))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + "/train.txt: unknown class 2, known are 0, 1");
    }

    @Test
    void numberedClassesAreOrderedAsNumbers() throws Exception {
        image("a.png", 1);
        write("train.txt", List.of("a.png 10", "b.png 9", "c.png 2"));

        try (Images train = read(List.of("train.txt"), null, null, 1)) {
            assertThat(train.labels().names()).containsExactly("2", "9", "10");
            assertThat(labels(train)).isEqualTo(Map.of("a.png", 2));
        }
    }

    @Test
    void imagesThatAreNamedButNotThereAreBroken() throws Exception {
        image("images/a.png", 1);
        image("images/b.png", 2);
        write("images/empty.png", new byte[0]);
        Files.createDirectories(folder.resolve("images/folder.png"));
        write(
                "train.txt",
                List.of(
                        "images/a.png 0",
                        "images/b.png 1",
                        "images/c.png 1",
                        "images/empty.png 0",
                        "images/folder.png 0"));

        try (Images train = read(List.of("train.txt"), null, null, 0.6)) {
            assertThat(labels(train)).isEqualTo(Map.of("images/a.png", 0, "images/b.png", 1));
            assertThat(train.broken().total()).isEqualTo(5);
            assertThat(train.broken().images())
                    .containsExactly(
                            new Broken("images/c.png", "missing, or not a file that can be read"),
                            new Broken("images/empty.png", "empty"),
                            new Broken("images/folder.png", "missing, or not a file that can be read"));
        }
        assertThatThrownBy(() -> read(List.of("train.txt"), null, null, 0.5))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        folder + "/train.txt: 3 of 5 images (60.0 %) are broken [images/c.png: missing");
    }

    @Test
    void aPathThatNoFileCanHaveIsABrokenImage() throws Exception {
        image("a.png", 1);
        image("b.png", 2);
        Files.createSymbolicLink(folder.resolve("loop.png"), folder.resolve("loop.png"));
        write("train.txt", List.of("a.png 0", "b.png 1", "a.png/x.png 0", "loop.png 0", "x".repeat(300) + ".png 1"));

        try (Images train = read(List.of("train.txt"), null, null, 0.6)) {
            assertThat(train.broken().images())
                    .hasSize(3)
                    .allMatch(image -> image.reason().equals("missing, or not a file that can be read"));
        }
    }

    @Test
    void aFileThatTheSystemFailsToReadEndsTheRun() throws Exception {
        image("a.png", 1);
        Files.createSymbolicLink(folder.resolve("b.png"), Path.of("/proc/self/mem")); // an input/output error
        write("train.txt", List.of("a.png 0", "b.png 1"));

        assertThatThrownBy(() -> read(List.of("train.txt"), null, null, 1))
                .hasStackTraceContaining(folder + "/b.png: cannot be read");
    }

    /** The folders are those of VPT's json_dataset.py, names of images as in the sets. */
    @ParameterizedTest
    @CsvSource({
        "CUB_200_2011, images, 001.Black_footed_Albatross/Black_Footed_Albatross_%04d.jpg",
        "nabirds, images, 0817/%032x.jpg",
        "OxfordFlower, , jpg/image_%05d.jpg",
        "StanfordCars, , car_ims/%06d.jpg",
        "StanfordDogs, Images, n02085620-Chihuahua/n02085620_%d.jpg",
    })
    void aSetOfFgvcIsReadByVptsSplits(String set, @Nullable String images, String pattern) throws Exception {
        String root = images == null ? set : set + "/" + images;
        int number = 0;
        for (String split : List.of("train", "val", "test")) {
            List<String> entries = new ArrayList<>();
            for (int i = 0; i < 4; i++, number++) {
                String name = String.format(pattern, number);
                image(root + "/" + name, number);
                // ids that are not contiguous; text in one set
                int id = number % 2 == 0 ? 817 : 1010;
                entries.add("\"" + name + "\": " + (set.equals("nabirds") ? "\"" + id + "\"" : id));
            }
            write(set + "/" + split + ".json", List.of("{" + String.join(", ", entries) + "}"));
        }
        String given = images == null ? null : root; // the folder of the file else

        try (Images train = read(List.of(set + "/train.json", set + "/val.json"), given, null, 0);
                Images validation = read(List.of(set + "/val.json"), given, train.labels(), 0);
                Images test = read(List.of(set + "/test.json"), given, train.labels(), 0)) {
            assertThat(train.labels().names()).containsExactly("817", "1010");
            assertThat(train.count()).isEqualTo(8);
            assertThat(validation.count()).isEqualTo(4);
            assertThat(test.count()).isEqualTo(4);
            assertThat(labels(test)).containsEntry(String.format(pattern, 8), 0);
            for (Images each : List.of(train, validation, test)) {
                assertThat(each.examples().collect())
                        .allSatisfy(example -> assertThat(example.label()).isEqualTo(number(example) % 2));
            }
        }
    }

    @Test
    void anImageInTwoOfThePathsIsRefused() throws Exception {
        image("a.png", 1);
        write("train.json", List.of("{\"a.png\": 1, \"b.png\": 2}"));
        write("val.json", List.of("{\"a.png\": 1}"));

        assertThatThrownBy(() -> read(List.of("train.json", "val.json"), null, null, 1))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + "/train.json and " + folder + "/val.json: a.png is in more than one of them; keep"
                        + " it in one");
    }

    @Test
    void foldersAreOneSetToo() throws Exception {
        image("train/cat/a.png", 0);
        image("train/dog/a.png", 1);
        image("val/cat/a.png", 2);

        try (Images both = read(List.of("train", "val"), null, null, 0)) {
            assertThat(labels(both)).isEqualTo(Map.of("train/cat/a.png", 0, "train/dog/a.png", 1, "val/cat/a.png", 0));
        }
    }

    @Test
    void aListIsReadWithoutItsClassesToo() throws Exception {
        vtab();

        try (Images images = new ImageReader(spark, PREPROCESS, 0, 2)
                .unlabeled(folder + "/cifar/test.txt", new ReadOptions(ImageFormat.AUTO, "image", "label", null))) {
            assertThat(images.count()).isEqualTo(6);
            assertThat(labels(images).values()).containsOnly(Example.UNLABELED);
        }
    }

    private Session session(String... sets) {
        List<String> all = new ArrayList<>(List.of(
                "run.directory=" + folder.resolve("run"),
                "model.pretrained=" + Tiny.pretrained(folder.resolve("pretrained"), 1),
                "data.train=" + folder.resolve("cifar/train800.txt"),
                "data.validation=" + folder.resolve("cifar/val200.txt"),
                "data.test=" + folder.resolve("cifar/test.txt"),
                "training.shards=2"));
        all.addAll(List.of(sets));
        PrintStream nowhere = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        return Session.in(spark, Tiny.settings(all), nowhere, nowhere);
    }

    @Test
    void aSessionReadsTrainingValidationAndTestImages() throws Exception {
        vtab();
        String listing;
        try (Session session = session()) {
            Images train = session.main().images().training();
            assertThat(train.count()).isEqualTo(8);
            assertThat(session.main().images().validation(train.labels()).count())
                    .isEqualTo(2);
            assertThat(session.main().images().test(train.labels()).count()).isEqualTo(6);
            assertThat(session.main().images().training()).isSameAs(train);
            listing = session.main().images().trainingListing();
        }
        try (Session session = session("data.trainOnValidation=true")) {
            Images both = session.main().images().training();
            assertThat(both.count()).isEqualTo(10);
            assertThat(session.main().images().validation(both.labels()).count())
                    .isEqualTo(2);
            assertThat(session.main().images().trainingListing()).isNotEqualTo(listing);
        }
        try (Session session = session("data.classes=5")) {
            assertThat(session.main().images().training().labels().names()).containsExactly("0", "1", "2", "3", "4");
            assertThat(session.main().images().trainingListing()).isNotEqualTo(listing);
        }
    }

    @Test
    void aSessionReportsMissingImagesByName() throws Exception {
        vtab();
        Files.delete(folder.resolve("cifar/images/val200/000001.jpg"));
        try (Session session = session("data.maxBroken=0.5")) {
            session.main().images().validation(Labels.numbered(3));
            assertThat(Files.readString(folder.resolve("run/broken-images.json")))
                    .contains("\"data.validation\"", "\"images/val200/000001.jpg\" : \"missing, or not a file");
        }
    }

    @Test
    void trainingOnValidationImagesThatAreNotGivenIsRefused() throws Exception {
        vtab();
        try (Session session = session("data.validation=null", "data.trainOnValidation=true")) {
            assertThatThrownBy(session.main().images()::training)
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            "data.validation is not set; give the folder of the images, the Parquet or tar files, or a"
                                    + " file that names them");
        }
    }
}
