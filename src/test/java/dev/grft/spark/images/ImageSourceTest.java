package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.BrokenImages.Broken;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Labels;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.apache.spark.SparkConf;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.serializer.SerializerInstance;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.reflect.ClassTag;

class ImageSourceTest extends OnSpark {
    private static final Preprocess PREPROCESS = new Preprocess(4, 4, Crop.SQUASH, ImageRecipe.same(0, 1, 1));

    private static final ReadOptions AUTO = new ReadOptions(ImageFormat.AUTO, "image", "label", null);

    @TempDir
    Path folder;

    private static byte[] png(int color) throws IOException {
        BufferedImage image = new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 16; i++) {
            image.setRGB(i % 4, i / 4, color);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        return out.toByteArray();
    }

    private void file(String name, byte[] content) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.write(file, content);
    }

    /** Writes cat/0.png to cat/9.png and dog/0.png to dog/9.png; red is the number, green 1 for dogs. */
    private void catsAndDogs() throws IOException {
        for (int i = 0; i < 10; i++) {
            file("cat/" + i + ".png", png(i << 16));
            file("dog/" + i + ".png", png(i << 16 | 1 << 8));
        }
    }

    private Images read(ImageFormat format, @Nullable Labels known, double maxBroken, int shards) {
        return new ImageReader(spark, PREPROCESS, maxBroken, shards)
                .read(
                        ImageSource.at(
                                spark, List.of(folder.toString()), new ReadOptions(format, "image", "label", null)),
                        known);
    }

    private static List<List<Example>> shards(Images images) {
        return images.examples().glom().collect();
    }

    private static List<String> names(Images images) {
        return shards(images).stream()
                .flatMap(List::stream)
                .map(Example::name)
                .sorted()
                .toList();
    }

    private void parquet(DataType imageType, DataType labelType, int files, Row... rows) {
        StructType schema = new StructType(new StructField[] {
            new StructField("image", imageType, true, Metadata.empty()),
            new StructField("label", labelType, true, Metadata.empty())
        });
        Dataset<Row> table = spark.createDataFrame(Arrays.asList(rows), schema);
        table.repartition(files).write().mode("overwrite").parquet(folder.toString());
    }

    @Test
    void aFolderOfClassesIsDealtToTheShardsByName() throws Exception {
        catsAndDogs();

        try (Images images = read(ImageFormat.AUTO, null, 0, 3)) {
            assertThat(images.labels().names()).containsExactly("cat", "dog");
            assertThat(images.count()).isEqualTo(20);
            assertThat(images.broken().count()).isZero();
            List<List<Example>> shards = shards(images);
            assertThat(shards).hasSize(3);
            for (int shard = 0; shard < 3; shard++) {
                long id = shard;
                for (Example example : shards.get(shard)) {
                    assertThat(example.id()).isEqualTo(id);
                    assertThat(example.label()).isEqualTo((int) id / 10);
                    assertThat(example.name()).isEqualTo((id < 10 ? "cat/" : "dog/") + id % 10 + ".png");
                    assertThat(example.pixels().rgb()).startsWith((int) id % 10, (int) id / 10, 0);
                    id += 3;
                }
                assertThat(id).isBetween(20L, 22L);
            }
        }
    }

    @Test
    void theSameIsReadHoweverTheFilesAreSplitOverTasks() throws Exception {
        catsAndDogs();
        try (Images usual = read(ImageFormat.FOLDER, null, 0, 3)) {
            List<List<Example>> shards = shards(usual);
            spark.conf().set("spark.sql.files.maxPartitionBytes", "1");
            try (Images scattered = read(ImageFormat.FOLDER, null, 0, 3)) {
                assertThat(shards(scattered)).isEqualTo(shards);
                assertThat(scattered.digest()).isEqualTo(usual.digest());
            } finally {
                spark.conf().unset("spark.sql.files.maxPartitionBytes");
            }
        }
        assertThat(spark.conf().getAll().contains("spark.sql.files.openCostInBytes"))
                .isFalse();
    }

    @Test
    void theDigestIsOfNamesLabelsAndContents() throws Exception {
        file("cat/a.png", png(1));
        file("dog/b.jpg", new byte[] {1, 2, 3});
        String expected = sha256(
                ("cat/a.png\tcat\t" + sha256(png(1)) + "\ndog/b.jpg\tdog\t" + sha256(new byte[] {1, 2, 3}) + "\n")
                        .getBytes(StandardCharsets.UTF_8));

        try (Images one = read(ImageFormat.FOLDER, null, 1, 1);
                Images five = read(ImageFormat.FOLDER, null, 1, 5)) {
            assertThat(one.digest()).isEqualTo(expected);
            assertThat(five.digest()).isEqualTo(expected);
        }
        file("cat/a.png", png(2));
        try (Images changed = read(ImageFormat.FOLDER, null, 1, 1)) {
            assertThat(changed.digest()).isNotEqualTo(expected);
        }
    }

    private static String sha256(byte[] content) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }

    @Test
    void imagesMayLieDeeperAndHaveAnyName() throws Exception {
        file("cat/a b%20c.PNG", png(1));
        file("cat/deep/er/ä#1.Jpeg", png(2)); // the content decides, not the name
        file("a=b/[x].jpg", png(3));
        file("a=b/notes.txt", new byte[1]);
        file("a=b/.hidden.png", png(4));

        try (Images images = read(ImageFormat.FOLDER, null, 0, 2)) {
            assertThat(images.labels().names()).containsExactly("a=b", "cat");
            assertThat(names(images)).containsExactly("a=b/[x].jpg", "cat/a b%20c.PNG", "cat/deep/er/ä#1.Jpeg");
        }
    }

    @Test
    void brokenImagesAreLeftOutAndReported() throws Exception {
        catsAndDogs();
        file("cat/00.png", new byte[0]);
        file("dog/x.jpg", "<html>".getBytes(StandardCharsets.UTF_8));

        try (Images images = read(ImageFormat.FOLDER, null, 0.1, 2)) {
            assertThat(images.count()).isEqualTo(20);
            assertThat(images.broken().total()).isEqualTo(22);
            assertThat(images.broken().images())
                    .containsExactly(
                            new Broken("cat/00.png", "empty"),
                            new Broken("dog/x.jpg", "neither JPEG, PNG, WebP, GIF, BMP nor TIFF but HTML, XML or SVG"));
            assertThat(names(images)).hasSize(20).doesNotContain("cat/00.png", "dog/x.jpg");
            // The ranks count the broken ones, here that of rank 1: mending it moves nothing.
            assertThat(shards(images).get(1).get(0).id()).isEqualTo(3);
        }
    }

    @Test
    void tooManyBrokenImagesAreRefused() throws Exception {
        catsAndDogs();
        file("cat/00.png", new byte[0]);

        assertThatThrownBy(() -> read(ImageFormat.FOLDER, null, 0.04, 2))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + ": 1 of 21 images (4.7619 %) are broken [cat/00.png: empty], data.maxBroken allows"
                        + " 4.0 %; mend or remove them, or raise data.maxBroken");
        assertThat(spark.sparkContext().getPersistentRDDs().size()).isZero();
    }

    @Test
    void aSetWithoutAnyGoodImageIsRefused() throws Exception {
        file("cat/a.png", new byte[0]);
        file("dog/a.png", new byte[1]);

        assertThatThrownBy(() -> read(ImageFormat.FOLDER, null, 1, 2))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + ": 2 of 2 images (100.0 %) are broken [")
                .hasMessageEndingWith("; expected at least one that can be read: mend some or give others");
    }

    @Test
    void closingFreesTheMemory() throws Exception {
        catsAndDogs();

        Images images = read(ImageFormat.FOLDER, null, 0, 2);

        assertThat(spark.sparkContext().getPersistentRDDs().size()).isEqualTo(1);
        images.close();
        images.close(); // once more does no harm
        assertThat(spark.sparkContext().getPersistentRDDs().size()).isZero();
    }

    @Test
    void parquetMayHoldBytesAndNames() throws Exception {
        parquet(
                DataTypes.BinaryType,
                DataTypes.StringType,
                1,
                RowFactory.create(png(5), "dog"),
                RowFactory.create(png(6), "cat"),
                RowFactory.create(png(7), "dog"));

        try (Images images = read(ImageFormat.AUTO, null, 0, 1)) {
            assertThat(images.labels().names()).containsExactly("cat", "dog");
            List<Example> examples = shards(images).get(0);
            assertThat(examples.stream().map(e -> e.name().replaceFirst("part-.*parquet", "part")))
                    .containsExactly("part#000000000", "part#000000001", "part#000000002");
            assertThat(examples.stream().map(Example::label)).containsExactly(1, 0, 1);
            assertThat(examples.stream().map(e -> (int) e.pixels().rgb()[2])).containsExactly(5, 6, 7);
        }
    }

    @Test
    void parquetMayHoldStructsAndNumbersInManyFiles() throws Exception {
        StructType struct = new StructType(new StructField[] {
            new StructField("bytes", DataTypes.BinaryType, true, Metadata.empty()),
            new StructField("path", DataTypes.StringType, true, Metadata.empty())
        });
        List<Row> rows = new ArrayList<>();
        for (long i = 0; i < 30; i++) {
            rows.add(RowFactory.create(RowFactory.create(png((int) i), "x"), i % 12));
        }
        rows.add(RowFactory.create(RowFactory.create(null, "elsewhere.jpg"), 3L));
        parquet(struct, DataTypes.LongType, 4, rows.toArray(Row[]::new));

        try (Images images = read(ImageFormat.PARQUET, null, 0.1, 2)) {
            assertThat(images.count()).isEqualTo(30);
            assertThat(images.labels().names())
                    .containsExactly("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11");
            for (Example example : images.examples().collect()) {
                assertThat(example.label()).isEqualTo(example.pixels().rgb()[2] % 12);
            }
            assertThat(Set.copyOf(names(images))).hasSize(30);
            assertThat(images.broken().images())
                    .extracting(Broken::reason)
                    .containsExactly("has no bytes, only the path elsewhere.jpg; embed the file");
        }
    }

    @Test
    void aColumnMayBeAFolderOfParquet() throws Exception {
        parquet(
                DataTypes.BinaryType,
                DataTypes.StringType,
                1,
                RowFactory.create(png(5), "dog"),
                RowFactory.create(png(6), "cat"));
        Path parted = folder.resolveSibling(folder.getFileName() + "-parted");
        spark.read().parquet(folder.toString()).write().partitionBy("label").parquet(parted.toString());

        try (Images images = new ImageReader(spark, PREPROCESS, 0, 1)
                .read(ImageSource.at(spark, List.of(parted.toString()), AUTO), null)) {
            assertThat(names(images).stream().map(name -> name.substring(0, 10)))
                    .containsExactly("label=cat/", "label=dog/");
            assertThat(images.labels().names()).containsExactly("cat", "dog");
        }
    }

    @Test
    void aPatternChoosesFilesOfParquet() throws Exception {
        parquet(DataTypes.BinaryType, DataTypes.StringType, 1, RowFactory.create(png(5), "dog"));
        Path file;
        try (var files = Files.list(folder)) {
            file = files.filter(f -> f.toString().endsWith(".parquet"))
                    .findFirst()
                    .orElseThrow();
        }
        Files.copy(file, folder.resolve("test-0.parquet"));
        Files.move(file, folder.resolve("train-0.parquet"));
        Labels known = Labels.of(List.of("cat", "dog"));

        for (String chosen : List.of("train-*.parquet", "train-0.parquet")) {
            try (Images images = new ImageReader(spark, PREPROCESS, 0, 1)
                    .read(ImageSource.at(spark, List.of(folder + "/" + chosen), AUTO), known)) {
                assertThat(names(images)).containsExactly("train-0.parquet#000000000");
            }
        }
    }

    @Test
    void anEvaluationSetHasNoClassesOfItsOwn() throws Exception {
        catsAndDogs();

        try (Images images = read(ImageFormat.FOLDER, Labels.inOrder(List.of("dog", "cow", "cat")), 0, 1)) {
            assertThat(images.labels().size()).isEqualTo(3);
            assertThat(shards(images).get(0).get(0).label()).isEqualTo(2);
        }
        assertThatThrownBy(() -> read(ImageFormat.FOLDER, Labels.of(List.of("cat", "cow")), 0, 1))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + ": unknown class dog, known are cat, cow");
    }

    @Test
    void imagesWithoutLabelsMayLieAnywhere() throws Exception {
        file("b.png", png(1));
        file("deep/a.png", png(2));
        file("deep/bad.png", new byte[0]);

        try (Images images = new ImageReader(spark, PREPROCESS, 0.5, 2).unlabeled(folder.toString(), AUTO)) {
            assertThat(names(images)).containsExactly("b.png", "deep/a.png");
            assertThat(images.examples().map(Example::label).distinct().collect())
                    .containsExactly(Example.UNLABELED);
            assertThat(images.labels()).isEqualTo(Labels.none());
            assertThat(images.broken().images()).containsExactly(new Broken("deep/bad.png", "empty"));
        }
        try (Images one = new ImageReader(spark, PREPROCESS, 0, 1).unlabeled(folder + "/b.png", AUTO)) {
            assertThat(names(one)).containsExactly("b.png");
        }
    }

    @Test
    void parquetWithoutLabelsIsReadToo() throws Exception {
        parquet(DataTypes.BinaryType, DataTypes.DoubleType, 1, RowFactory.create(png(5), null));

        try (Images images = new ImageReader(spark, PREPROCESS, 0, 1).unlabeled(folder.toString(), AUTO)) {
            assertThat(images.examples().first().label()).isEqualTo(Example.UNLABELED);
        }
    }

    @Test
    void aPathWithNothingThereIsRefused() {
        refused(
                folder + "/nowhere",
                ImageFormat.AUTO,
                folder + "/nowhere: there is no such file or folder (looked for file:");
        refused(folder + "/*.parquet", ImageFormat.AUTO, folder + "/*.parquet: there is no such file or folder");
        refused("nosuch://bucket/images", ImageFormat.AUTO, "nosuch://bucket/images: No FileSystem for scheme");
        refused("", ImageFormat.AUTO, ": cannot be read (Can not create a Path from an empty string)");
        refused(
                folder.toString(),
                ImageFormat.FOLDER,
                folder
                        + ": there are no images, neither .jpg, .jpeg, .jfif, .jpe, .mpo, .webp, .gif, .bmp, .tif,"
                        + " .tiff and .png files");
        refused(folder.toString(), ImageFormat.PARQUET, folder + ": cannot be read as Parquet (");
    }

    @Test
    void aFileThatIsNoParquetIsRefused() throws Exception {
        file("a.parquet", new byte[100]);

        refused(folder.toString(), ImageFormat.AUTO, folder + ": cannot be read as Parquet (");
    }

    @Test
    void foldersThatAreNoClassesAreRefused() throws Exception {
        file("train/cat/a.png", png(1));
        file("test/cat/a.png", png(1));
        refused(
                folder.toString(),
                ImageFormat.AUTO,
                folder + ": the folders test, train look like splits of a set, not like"
                        + " its classes; give one of them");
        refused(
                folder + "/train",
                ImageFormat.AUTO,
                folder
                        + "/train: found one class only (cat), expected two classes or more; check the folders of the classes,"
                        + " or data.labelColumn");
        refused(folder + "/t*", ImageFormat.AUTO, folder + "/t*: a pattern cannot name folders of classes");

        file("stray.png", png(1));
        refused(
                folder.toString(),
                ImageFormat.AUTO,
                folder + ": stray.png is in no folder of a class; move it into one");
    }

    @Test
    void columnsThatAreNotThereAreRefused() {
        parquet(DataTypes.StringType, DataTypes.DoubleType, 1, RowFactory.create("a.png", 1.0));
        String path = folder.toString();

        assertThatThrownBy(() -> new ImageReader(spark, PREPROCESS, 0, 1)
                        .read(
                                ImageSource.at(
                                        spark, List.of(path), new ReadOptions(ImageFormat.AUTO, "img", "label", null)),
                                null))
                .isInstanceOf(UserError.class)
                .hasMessage(path + ": there is no column img, only image, label; set data.imageColumn");
        assertThatThrownBy(() ->
                        new ImageReader(spark, PREPROCESS, 0, 1).read(ImageSource.at(spark, List.of(path), AUTO), null))
                .isInstanceOf(UserError.class)
                .hasMessage(path + ": column image is string, needs binary, a struct with a binary field bytes,"
                        + " or a Spark image; set data.imageColumn");
    }

    @Test
    void labelsThatAreNoneAreRefused() throws Exception {
        String path = folder.toString();
        parquet(DataTypes.BinaryType, DataTypes.DoubleType, 1, RowFactory.create(png(1), 1.0));
        assertThatThrownBy(() -> new ImageReader(spark, PREPROCESS, 0, 1)
                        .read(
                                ImageSource.at(
                                        spark,
                                        List.of(path),
                                        new ReadOptions(ImageFormat.AUTO, "image", "class", null)),
                                null))
                .hasMessage(path + ": there is no column class, only image, label; set data.labelColumn");
        refused(
                path,
                ImageFormat.AUTO,
                path + ": column label is double, needs string, boolean or an integer; is data.labelColumn"
                        + " right?");

        parquet(DataTypes.BinaryType, DataTypes.IntegerType, 1, RowFactory.create(png(1), null));
        assertThatThrownBy(() -> read(ImageFormat.AUTO, null, 0, 1))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(path + ": part-")
                .hasMessageEndingWith("#000000000 has no label; remove the row, or is data.labelColumn right?");
    }

    private static void refused(String path, ImageFormat format, String message) {
        assertThatThrownBy(() -> new ImageReader(spark, PREPROCESS, 0, 1)
                        .read(
                                ImageSource.at(spark, List.of(path), new ReadOptions(format, "image", "label", null)),
                                null))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(message);
    }

    @Test
    void theBundledSampleIsRead() {
        Preprocess preprocess = new Preprocess(32, 32, Crop.CENTER, ImageRecipe.same(0, 1, 1));
        String sample = "conf/demo/hands/";
        try (Images train = new ImageReader(spark, preprocess, 0, 2)
                        .read(ImageSource.at(spark, List.of(sample + "train.parquet"), AUTO), null);
                Images test = new ImageReader(spark, preprocess, 0, 2)
                        .read(ImageSource.at(spark, List.of(sample + "test.parquet"), AUTO), train.labels())) {
            assertThat(train.labels().names()).containsExactly("0", "1", "2", "3", "4", "5", "6", "7", "8", "9");
            assertThat(train.examples().map(Example::label).countByValue().values())
                    .hasSize(10)
                    .allMatch(images -> images >= 99 && images <= 102);
            assertThat(test.examples().map(Example::label).countByValue().values())
                    .hasSize(10)
                    .allMatch(images -> images >= 102 && images <= 107);
            assertThat(pixels(train)).hasSize(1002).doesNotContainAnyElementsOf(pixels(test));
        }
    }

    private static Set<Pixels> pixels(Images images) {
        return images.examples().collect().stream().map(Example::pixels).collect(Collectors.toSet());
    }

    @Test
    void examplesAndLabelsSurviveKryo() throws Exception {
        catsAndDogs();
        SerializerInstance kryo = new KryoSerializer(new SparkConf()).newInstance();
        ClassTag<Object> any = ClassTag.apply(Object.class);
        try (Images images = read(ImageFormat.FOLDER, null, 0, 1)) {
            Example example = images.examples().first();

            assertThat(kryo.deserialize(kryo.serialize(example, any), any)).isEqualTo(example);
            assertThat(kryo.deserialize(kryo.serialize(images.labels(), any), any))
                    .isEqualTo(images.labels());
        }
    }

    @Test
    void namesBeginWithWhatTheRootsDoNotShare() {
        assertThat(ImageSource.prefixes(List.of("/a/b", "/a/b"))).containsExactly("", "");
        assertThat(ImageSource.prefixes(List.of("/a/b", "/a", "/a/c/d"))).containsExactly("b/", "", "c/d/");
        assertThat(ImageSource.prefixes(List.of("/", "/a"))).containsExactly("", "a/");
        assertThat(prefixes("s3a://b/train", "s3a://b/val")).containsExactly("train/", "val/");
        assertThat(prefixes("s3a://train/images", "s3a://val/images")).containsExactly("train/images/", "val/images/");
        assertThat(prefixes("s3a://train/", "s3a://val/", "file:/val")).containsExactly("train/", "val/", "file/val/");
        assertThat(prefixes("s3://b/images", "s3a://b/images"))
                .as("the same bucket")
                .containsExactly("", "");
        assertThat(prefixes("s3a://b/images", "/")) // of a table
                .containsExactly("images/", "");
    }

    private static List<String> prefixes(String... roots) {
        return ImageSource.prefixes(
                ImageSource.places(Stream.of(roots).map(URI::create).toList()));
    }

    private static Images golden(String pattern) {
        return new ImageReader(spark, PREPROCESS, 0, 1)
                .read(ImageSource.at(spark, List.of("src/test/resources/golden/data/" + pattern), AUTO), null);
    }

    private static List<String> described(Images images) {
        return images.examples()
                .map(example -> example.name() + " " + example.label() + " "
                        + example.pixels().rgb()[0])
                .collect();
    }

    @Test
    void huggingFacesParquetTellsItsClassesByNumber() {
        try (Images images = golden("huggingface.parquet")) {
            assertThat(images.labels().names()).containsExactly("dog", "cat", "ant", "bird");
            assertThat(described(images))
                    .containsExactly(
                            "huggingface.parquet#000000000 0 0",
                            "huggingface.parquet#000000001 1 1",
                            "huggingface.parquet#000000002 2 2",
                            "huggingface.parquet#000000003 0 3",
                            "huggingface.parquet#000000004 1 4",
                            "huggingface.parquet#000000005 2 5");
        }
        assertThatThrownBy(() -> golden("*.parquet"))
                .isInstanceOf(UserError.class)
                .hasMessageMatching("file:.*other-classes.parquet: has other classes than file:.*/huggingface.parquet;"
                        + " read them one by one");
    }

    @Test
    void theNamesOfManyClassesComeFromOneFile() throws Exception {
        String names = IntStream.range(0, 20_000)
                .mapToObj(number -> "\"a class with a long name, number " + number + "\"")
                .collect(Collectors.joining(", "));
        String noted = "{\"info\": {\"features\": {\"label\": {\"names\": [" + names + "]}}}}";
        MessageType schema =
                MessageTypeParser.parseMessageType("message rows { optional binary image; optional int64 label; }");
        for (int file = 0; file < 4; file++) {
            try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(
                            new org.apache.hadoop.fs.Path(folder + "/" + file + ".parquet"))
                    .withType(schema)
                    .withExtraMetaData(Map.of("huggingface", noted))
                    .build()) {
                writer.write(new SimpleGroup(schema)
                        .append("image", Binary.fromConstantByteArray(new byte[] {1}))
                        .append("label", (long) file));
            }
        }
        AtomicLong results = new AtomicLong(); // bytes
        SparkListener listener = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd end) {
                results.addAndGet(end.taskMetrics().resultSize());
            }
        };
        Tiny.heardBy(listener, spark.sparkContext(), () -> {
            Source.Stored source = ImageSource.open(spark, folder.toString(), AUTO);
            assertThat(source.classes()).hasSize(20_000).startsWith("a class with a long name, number 0");
        });
        assertThat(results.get()).isBetween(1L, 3L * noted.length() / 2);
    }

    @Test
    void webDatasetsTarsAreReadWithTheirClasses() {
        try (Images images = golden("shard-*.tar")) {
            assertThat(images.labels().names()).containsExactly("0", "1", "2");
            assertThat(described(images))
                    .containsExactly(
                            "shard-000000.tar/0000.png 0 0",
                            "shard-000000.tar/0001.png 1 1",
                            "shard-000000.tar/0002.png 2 2",
                            "shard-000001.tar/more/0003.png 0 3",
                            "shard-000001.tar/more/0004.png 1 4",
                            "shard-000001.tar/more/0005.png 2 5");
        }
        ReadOptions form = new ReadOptions(ImageFormat.WEBDATASET, "image", "label", null);
        assertThatThrownBy(() -> ImageSource.open(spark, "src/test/resources/golden/counts.json", form))
                .isInstanceOf(UserError.class)
                .hasMessage("src/test/resources/golden/counts.json: there is no .tar file; is data.format right?");
    }
}
