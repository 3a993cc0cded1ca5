package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.spark.verbs.Tiny;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.parquet.format.CompressionCodec;
import org.apache.parquet.format.FileMetaData;
import org.apache.parquet.format.Util;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Inputs that people really have: nothing is lost in silence, and whatever the data cause is an error for the user. */
class OddInputsTest {
    private static final Preprocess PREPROCESS = new Preprocess(4, 4, Crop.SQUASH, ImageRecipe.same(0, 1, 1));
    private static SparkSession spark;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        spark = Tiny.spark("local[2]");
    }

    private static byte[] image(String format, int color) {
        try {
            BufferedImage image = new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB);
            image.setRGB(1, 1, color);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ImageIO.write(image, format, out);
            return out.toByteArray();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void file(String name, byte[] content) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.write(file, content);
    }

    private void images(String... names) throws IOException {
        for (String name : names) {
            file(name, image(name.endsWith("png") ? "png" : "jpg", name.hashCode()));
        }
    }

    private static Images read(Path path, ImageFormat format) {
        return new ImageReader(spark, PREPROCESS, 1, 2)
                .read(
                        ImageSource.at(
                                spark, List.of(path.toString()), new ReadOptions(format, "image", "label", null)),
                        null);
    }

    private Images read() {
        return read(folder, ImageFormat.AUTO);
    }

    private ImageSource at(String name) {
        return ImageSource.at(
                spark,
                List.of(
                        name.isEmpty()
                                ? folder.toString()
                                : folder.resolve(name).toString()),
                new ReadOptions(ImageFormat.AUTO, "image", "label", null));
    }

    private static List<String> names(Images images) {
        return images.examples().collect().stream().map(Example::name).sorted().toList();
    }

    /** Expects that images read, broken ones and what was passed over are what is there. */
    private void allAreThere(Images images) throws IOException {
        long there;
        try (Stream<Path> all = Files.walk(folder)) {
            there = all.filter(Files::isRegularFile).count();
        }
        assertThat(images.count()
                        + images.broken().count()
                        + images.passedOver().count())
                .isEqualTo(there);
    }

    @Test
    void whatThisProgramAndSparkKeepBesideImagesIsNotCounted() throws Exception {
        images("cat/0.png", "dog/0.png");
        file("._lease-packed", new byte[9]);
        file("._tmp-a=b/123/part-0.parquet", new byte[9]);
        file("._old-packed/images-00000-of-00001.parquet", new byte[9]);
        file("cat/._tmp-00000000-0000-0000-0000-00000000000a-list.csv", new byte[9]);
        file("dog/._old-1.jpg", new byte[9]); // of macOS, beside old-1.jpg
        file("_SUCCESS", new byte[0]); // of Spark, in folders that it has written
        file("dog/_SUCCESS", new byte[0]);

        try (Images images = read()) {
            assertThat(images.count()).isEqualTo(2);
            assertThat(images.passedOver().reasons()).isEqualTo(Map.of("in names that begin with . or _", 1L));
        }
    }

    @Test
    void otherEndingsAreCountedAndAClassThatLosesAllItsFilesIsNamed() throws Exception {
        images("cat/0.png", "cat/1.JPG", "dog/0.jpeg", "dog/1.jpe", "fox/0.jfif");
        file("cat/broken.png", new byte[9]);
        file("cat/empty.png", new byte[0]);
        file("dog/a.pcx", image("bmp", 1));
        for (int i = 0; i < 4; i++) {
            file("svgonly/" + i + ".svg", new byte[9]);
        }
        file("xcfonly/0.XCF", new byte[9]);
        file("README", new byte[9]);
        Files.createDirectory(folder.resolve("none"));

        try (Images images = read()) {
            assertThat(images.labels().names()).containsExactly("cat", "dog", "fox");
            assertThat(images.count()).isEqualTo(5);
            assertThat(images.broken().count()).isEqualTo(2);
            assertThat(images.passedOver().reasons())
                    .isEqualTo(Map.of(".svg", 4L, ".xcf", 1L, ".pcx", 1L, "without an ending", 1L));
            String place = folder + ": the folder ";
            String rest =
                    " is not a class, because it has no .jpg, .jpeg, .jfif, .jpe, .mpo, .webp, .gif, .bmp, .tif, .tiff or"
                            + " .png file";
            assertThat(images.passedOver().notes())
                    .containsExactly(
                            place + "none" + rest,
                            place + "svgonly" + rest + "; 4 files ignored [4 .svg]",
                            place + "xcfonly" + rest + "; 1 file ignored [1 .xcf]");
            allAreThere(images);
            assertThat(Pictures.summary(images))
                    .containsEntry("images", 5L)
                    .containsEntry("broken", 2L)
                    .containsEntry("passedOver", 7L);
        }
    }

    /** Files that people have: every format is read, and the rotation of photos is told or applied. */
    @Test
    void everyFormatIsReadAndPhotosOnTheirSideAreTold() throws Exception {
        for (String name :
                new String[] {"lossless.webp", "palette.gif", "rgb.bmp", "lzw.tif", "pictures.mpo", "turned-6.jpg"}) {
            Files.createDirectories(folder.resolve("cat"));
            Files.write(folder.resolve("cat/" + name), dev.grft.data.Images.file(name));
        }
        images("dog/0.png");
        file("dog/1.HEIC", new byte[9]);
        Preprocess turning = PREPROCESS.turned();

        try (Images ignored = read();
                Images turned = new ImageReader(spark, turning, 0.1, 4).read(at(""), null)) {
            assertThat(ignored.count()).isEqualTo(7);
            assertThat(ignored.passedOver().notes())
                    .containsExactly(
                            folder + ": 1 .heic are not read; convert them: for f in *.heic; do heif-convert \"$f\""
                                    + " \"${f%.*}.png\"; done",
                            "1 photo is turned by EXIF data, which data.exif=ignore leaves out, as torchvision and"
                                    + " timm do; set data.exif=transpose to see them upright");
            assertThat(turned.passedOver().notes()).hasSize(1);
            assertThat(pixels(turned, "cat/turned-6.jpg"))
                    .isEqualTo(turning.prepare(dev.grft.data.Images.pixels("turned-6.jpg.expected.png")))
                    .isNotEqualTo(pixels(ignored, "cat/turned-6.jpg"));
            assertThat(pixels(turned, "cat/rgb.bmp")).isEqualTo(pixels(ignored, "cat/rgb.bmp"));
        }
    }

    private static Pixels pixels(Images images, String name) {
        return images.examples()
                .filter(example -> example.name().equals(name))
                .first()
                .pixels();
    }

    @Test
    void aFolderWithoutAnyImageSaysWhatIsThere() throws Exception {
        file("cat/0.svg", new byte[9]);

        assertThatThrownBy(this::read)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + ": there are no images, ")
                .hasMessageEndingWith("; 1 file ignored [1 .svg]");
    }

    @Test
    void namesOfAnyKindAreRead() throws Exception {
        String[] names = {
            "cat/50%.png",
            "cat/~.png",
            "cat/a b.png",
            "cat/{x}[y]*?.png",
            "dog/12:30.png",
            "dog/a+b.png",
            "dog/#1.png",
            "dog/%20.png",
            "dog/\\.png",
            "dog/x=y.png",
            "Füchse/é0.png"
        };
        images(names);

        try (Images images = read()) {
            assertThat(names(images)).containsExactlyInAnyOrder(names);
            assertThat(images.broken().count()).isZero();
            allAreThere(images);
        }
    }

    @Test
    void foldersOfImagesMayHaveEqualsSigns() throws Exception {
        images("color=red/0.png", "color=red/1.png", "color=blue/0.png");

        try (Images images = read()) {
            assertThat(images.labels().names()).containsExactly("color=blue", "color=red");
            assertThat(images.count()).isEqualTo(3);
        }
    }

    @Test
    void aFolderThatBeginsWithAnUnderscoreIsTold() throws Exception {
        images("_background_/0.png", "_background_/1.png", "cat/0.png", "dog/0.png", "dog/.hidden/1.png", "dog/_2.png");

        try (Images images = read()) {
            assertThat(images.count()).isEqualTo(2);
            assertThat(images.passedOver().reasons()).isEqualTo(Map.of("in names that begin with . or _", 4L));
            assertThat(images.passedOver().notes())
                    .containsExactly(
                            folder + ": the folder _background_ is not a class, because its name begins with _;"
                                    + " rename it if it is one");
            allAreThere(images);
        }
    }

    @ParameterizedTest
    @CsvSource({"annotations.parquet, .parquet, parquet", "images.tar, .tar, webdataset"})
    void aStrayFileDoesNotTakeOverAFolderOfClasses(String stray, String ending, String format) throws Exception {
        images("cat/0.png", "cat/1.png", "dog/0.png");
        file(stray, new byte[100]);

        try (Images images = read()) {
            assertThat(images.count()).isEqualTo(3);
            assertThat(images.passedOver().reasons()).isEqualTo(Map.of(ending, 1L));
            assertThat(images.passedOver().notes())
                    .containsExactly(folder + ": has 1 " + ending + " beside 3 images in folders, which are read;"
                            + " to read the " + ending + ", set data.format=" + format);
            allAreThere(images);
        }
    }

    @Test
    void tarsWinOverFewerImagesBesideThem() throws Exception {
        images("samples/0.png");
        file("0.tar", TarSourceTest.tar("a.png=x", "a.cls=1"));
        file("1.tar", TarSourceTest.tar("b.png=x", "b.cls=2"));

        ImageSource source = ImageSource.at(
                spark, List.of(folder.toString()), new ReadOptions(ImageFormat.AUTO, "image", "label", null));

        assertThat(source.named(false)).extracting(image -> image.name).containsExactly("0.tar/a.png", "1.tar/b.png");
        assertThat(source.passedOver().reasons()).isEqualTo(Map.of(".png", 1L));
        assertThat(source.passedOver().notes())
                .containsExactly(folder + ": has images beside 2 .tar, which are read; to read the images,"
                        + " set data.format=folder");
    }

    @Test
    void entriesOfTarsThatAreInNoSampleAreCounted() throws Exception {
        String png = new String(image("png", 1), StandardCharsets.ISO_8859_1);
        file(
                "a.tar",
                TarSourceTest.tar(
                        "0.jpg=x",
                        "0.cls=1",
                        "0.txt=t",
                        "1.v2.jpg=x",
                        "1.v2.cls=1",
                        "2.svg=x",
                        "LICENSE=x",
                        "__meta.json=x",
                        "3.png=" + png,
                        "3.cls=2",
                        "4.svg=x",
                        "4.cls=1"));

        ImageSource source = ImageSource.at(
                spark, List.of(folder.toString()), new ReadOptions(ImageFormat.AUTO, "image", "label", null));

        assertThat(source.named(false)).hasSize(3); // 0, 3 and the class of 4 without an image
        assertThat(source.passedOver().reasons())
                .isEqualTo(Map.of(
                        ".txt in tars",
                        1L,
                        ".jpg in tars with another point before, for a sample's key ends at the first point of the"
                                + " file's name",
                        1L,
                        ".cls in tars",
                        1L,
                        ".svg in tars",
                        1L,
                        "in tars with names that begin with . or __, or have no ending",
                        2L));
    }

    /** A download that broke off between two entries looks like a smaller tar. */
    @Test
    void aTarWithoutItsEndMarkIsTold() throws Exception {
        byte[] tar = TarSourceTest.tar("0.png=x", "0.cls=1", "1.png=y", "1.cls=2");
        file("a.tar", Arrays.copyOf(tar, 4 * 512)); // a header and a record for each entry
        file("whole.tar", tar);

        ImageSource source = at("a.tar");

        assertThat(source.named(true)).hasSize(1);
        assertThat(source.passedOver().notes())
                .containsExactly(folder + "/a.tar: a.tar ends without the mark of a tar's end, so it may be cut off;"
                        + " compare it with its original");
        ImageSource whole = at("whole.tar");
        assertThat(whole.named(true)).hasSize(2);
        assertThat(whole.passedOver().notes()).isEmpty();
        for (int cut : new int[] {4 * 512 + 64, 5 * 512 - 64, 5 * 512 + 64, 6 * 512 - 1, 6 * 512 + 1}) {
            file("b.tar", Arrays.copyOf(tar, cut));
            assertThatThrownBy(() -> at("b.tar").named(true))
                    .as("cut at %d", cut)
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("b.tar: is not a tar, or is damaged (");
        }
    }

    @Test
    void eachRealFolderIsReadOnceHoweverManyLinksLeadToIt() throws Exception {
        images("data/cat/0.png", "data/cat/1.png", "data/dog/0.png", "elsewhere/fox/0.png");
        Path data = folder.resolve("data");
        Files.createSymbolicLink(data.resolve("aaa"), data.resolve("cat"));
        Files.createSymbolicLink(data.resolve("cat/up"), data);
        Files.createSymbolicLink(data.resolve("dog/further"), folder);
        Files.createSymbolicLink(data.resolve("fox"), folder.resolve("elsewhere/fox"));
        Files.createSymbolicLink(data.resolve("dog/1.png"), data.resolve("cat/1.png"));
        Files.createSymbolicLink(data.resolve("dog/gone.png"), folder.resolve("nowhere.png"));

        try (Images images = read(data, ImageFormat.AUTO)) {
            assertThat(names(images)).containsExactly("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "fox/0.png");
            assertThat(images.passedOver().reasons()).isEqualTo(Map.of(Found.AGAIN, 3L, Found.NOWHERE, 1L));
        }
    }

    @Test
    void aFileThatDoesNotMatchItsChecksumIsBroken() throws Exception {
        images("cat/0.png", "dog/0.png", "dog/1.png");
        file("dog/.1.png.crc", new byte[] {'c', 'r', 'c', 0, 0, 0, 2, 0, 1, 2, 3, 4});

        try (Images images = read()) {
            assertThat(images.broken().images())
                    .singleElement()
                    .satisfies(broken ->
                            assertThat(broken.reason()).isEqualTo("not what its checksum file, .1.png.crc, says"));
        }
    }

    private void parquet(String to, DataType labels, Row... rows) {
        spark.createDataFrame(
                        Arrays.asList(rows),
                        new StructType().add("image", DataTypes.BinaryType).add("label", labels))
                .coalesce(1)
                .write()
                .mode("append")
                .parquet(folder.resolve(to).toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"brackets[1]", "a{b,c}", "what?", "50%", "12:30", "a b#c"})
    void aPathMayLookLikeAPattern(String name) throws Exception {
        images(name + "/cat/0.png", name + "/dog/0.png", "neighbor:1/cat/0.png");
        try (Images images = read(folder.resolve(name), ImageFormat.AUTO)) {
            assertThat(names(images)).containsExactly("cat/0.png", "dog/0.png");
        }
        if (!name.contains(":")) { // Spark reads no Parquet in such a folder
            parquet(
                    name + ".pq",
                    DataTypes.StringType,
                    RowFactory.create(image("png", 1), "a"),
                    RowFactory.create(image("png", 2), "b"));
            try (Images images = read(folder.resolve(name + ".pq"), ImageFormat.AUTO)) {
                assertThat(images.count()).isEqualTo(2);
            }
        }
    }

    @Test
    void aBlankLabelIsNone() {
        parquet(
                "",
                DataTypes.StringType,
                RowFactory.create(image("png", 1), "a"),
                RowFactory.create(image("png", 2), " "));

        assertThatThrownBy(this::read).isInstanceOf(UserError.class).hasMessageContaining("#000000001 has no label");
    }

    @Test
    void labelsMayBeUnsignedLongs() {
        parquet(
                "",
                DataTypes.createDecimalType(20, 0),
                RowFactory.create(image("png", 1), new BigDecimal(7)),
                RowFactory.create(image("png", 2), new BigDecimal(12)));

        try (Images images = read()) {
            assertThat(images.labels().names()).containsExactly("7", "12");
        }
    }

    @Test
    void labelsMayBeBooleans() {
        parquet(
                "",
                DataTypes.BooleanType,
                RowFactory.create(image("png", 1), true),
                RowFactory.create(image("png", 2), false),
                RowFactory.create(image("png", 3), true));

        try (Images images = read()) {
            assertThat(images.labels().names()).containsExactly("false", "true");
            assertThat(images.count()).isEqualTo(3);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"001,002,010", "2024-01-01,2024-01-02", "1.50,1.5", "true,false"})
    void labelsAreTheTextOfTheFolder(String labels) throws Exception {
        List<String> all = List.of(labels.split(",", -1));
        for (String label : all) {
            spark.createDataFrame(
                            List.of(RowFactory.create((Object) image("png", 1))),
                            new StructType().add("image", DataTypes.BinaryType))
                    .write()
                    .parquet(folder + "/label=" + label);
        }
        boolean before = spark.conf().getAll().contains("spark.sql.sources.partitionColumnTypeInference.enabled");

        try (Images images = read()) {
            assertThat(images.labels().names()).containsExactlyInAnyOrderElementsOf(all);
        }
        assertThat(spark.conf().getAll().contains("spark.sql.sources.partitionColumnTypeInference.enabled"))
                .isEqualTo(before);
    }

    private List<Path> tables() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(file -> file.toString().endsWith(".parquet"))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void aCodecThatSparkLacksIsNamed() throws Exception {
        parquet("", DataTypes.StringType, RowFactory.create(image("png", 1), "a"));
        Path table = tables().get(0);
        byte[] file = Files.readAllBytes(table);
        int length = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(file.length - 8);
        int start = file.length - 8 - length;
        FileMetaData footer = Util.readFileMetaData(new ByteArrayInputStream(file, start, length));
        footer.getRow_groups()
                .forEach(group -> group.getColumns()
                        .forEach(column -> column.getMeta_data().setCodec(CompressionCodec.BROTLI)));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(file, 0, start);
        Util.writeFileMetaData(footer, out);
        out.write(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(out.size() - start)
                .array());
        out.write("PAR1".getBytes(StandardCharsets.US_ASCII));
        Files.write(table, out.toByteArray());
        Files.deleteIfExists(table.resolveSibling("." + table.getFileName() + ".crc"));

        assertThatThrownBy(this::read)
                .isInstanceOf(UserError.class)
                .hasMessage("file://" + table + ": is compressed with BROTLI, which Spark cannot read without"
                        + " org.apache.hadoop.io.compress.BrotliCodec; write the file with ZSTD or SNAPPY, or add that"
                        + " class to the job");
    }

    @Test
    void filesWithColumnsOfDifferentTypesAreNamed() throws Exception {
        parquet("", DataTypes.StringType, RowFactory.create(image("png", 1), "a"));
        parquet("", DataTypes.LongType, RowFactory.create(image("png", 1), 7L));
        List<String> tables = tables().stream().map(Path::toString).toList();

        assertThatThrownBy(this::read)
                .isInstanceOf(UserError.class)
                .hasMessageContaining("column label is ")
                .hasMessageContaining("INT64")
                .hasMessageContaining("BINARY")
                .hasMessageContaining(tables.get(0))
                .hasMessageContaining(tables.get(1));
    }

    /** What is wrong within a file shows only when Spark reads it. */
    @Test
    void aDamagedPageOfParquetIsTheUsersToMend() throws Exception {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            rows.add(RowFactory.create(image("png", i), "class " + i % 3));
        }
        parquet("", DataTypes.StringType, rows.toArray(Row[]::new));
        Path table = tables().get(0);
        byte[] file = Files.readAllBytes(table);
        Arrays.fill(file, 4, 300, (byte) 0xff);
        Files.write(table, file);
        Files.deleteIfExists(table.resolveSibling("." + table.getFileName() + ".crc"));

        assertThatThrownBy(this::read)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("file://" + table + ": Spark cannot read it (")
                .hasMessageEndingWith("); write the file again, or leave it out");
    }

    @Test
    void filesThatAreNoParquetAreCountedOrRefused() throws Exception {
        parquet(
                "",
                DataTypes.StringType,
                RowFactory.create(image("png", 1), "a"),
                RowFactory.create(image("png", 2), "b"));
        try (Images images = read()) {
            assertThat(images.passedOver().reasons()).as("Spark's _SUCCESS").isEmpty();
        }
        file("notes.txt", new byte[100]);
        assertThatThrownBy(this::read)
                .isInstanceOf(UserError.class)
                .hasMessageContaining("/notes.txt is not a Parquet file");
    }

    private Images list(String name, String content) throws IOException {
        file(name, content.getBytes(StandardCharsets.UTF_8));
        return read(folder.resolve(name), ImageFormat.AUTO);
    }

    @ParameterizedTest
    @ValueSource(strings = {"l.csv|,", "l.csv|;", "l.csv|\t", "l.tsv|\t"})
    void cellsMayBeSeparatedAsSpreadsheetsDo(String nameAndDelimiter) throws Exception {
        images("cat/0.png", "dog, big/0.png");
        String[] parts = nameAndDelimiter.split("\\|", -1);
        String list = "path,label\ncat/0.png,cat\n\"dog, big/0.png\",dog\n"
                .replaceAll(",(?! big)", parts[1].equals("\t") ? "\t" : parts[1]);

        try (Images images = list(parts[0], list)) {
            assertThat(names(images)).containsExactly("cat/0.png", "dog, big/0.png");
            assertThat(images.broken().count()).isZero();
        }
    }

    @Test
    void pathsMayBeUrisOfTheRootsFileSystem() throws Exception {
        images("cat/0.png", "dog/0.png");
        String list = "path,label\nfile://" + folder + "/cat/0.png,cat\nfile:" + folder + "/dog/0.png,dog\n";

        try (Images images = list("l.csv", list)) {
            assertThat(names(images)).containsExactly("cat/0.png", "dog/0.png");
        }
        assertThatThrownBy(() -> list("l.csv", list.replace("file:/", "s3://bucket/")))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("line 2 must name an image below file:" + folder + ", got 's3://bucket/");
    }

    @Test
    void booleansAreClassesInLinesOfJsonAndInTars() throws Exception {
        images("cat/0.png", "dog/0.png");
        file("a.tar", TarSourceTest.tar("0.png=x", "0.json={\"label\": true}", "1.png=x", "1.json={\"label\": false}"));

        try (Images lines = list(
                "l.jsonl",
                "{\"path\": \"cat/0.png\", \"label\": true}\n{\"path\": \"dog/0.png\", \"label\": false}\n")) {
            assertThat(lines.labels().names()).containsExactly("false", "true");
        }
        assertThat(at("a.tar").named(false)).extracting(image -> image.label).containsExactly("true", "false");
        file("b.tar", TarSourceTest.tar("0.png=x", "0.json={\"label\": 1.5}"));
        assertThatThrownBy(() -> at("b.tar").named(false))
                .isInstanceOf(UserError.class)
                .hasMessage("b.tar: 0.json has the label 1.5, needs text, a whole number or a boolean; is"
                        + " data.labelColumn right?");
    }

    private Images csv(byte[] content, String root) throws IOException {
        file("list.csv", content);
        return new ImageReader(spark, PREPROCESS, 0, 1)
                .read(
                        ImageSource.at(
                                spark,
                                List.of(folder + "/list.csv"),
                                new ReadOptions(ImageFormat.AUTO, "image", "label", root)),
                        null);
    }

    @Test
    void pathsMayBeAbsoluteIfTheRootHasThem() throws Exception {
        images("cat/0.png", "dog/0.png");
        byte[] list = ("path,label\n" + folder + "/cat/0.png,cat\n" + folder + "/dog/0.png,dog\n")
                .getBytes(StandardCharsets.UTF_8);

        try (Images images = csv(list, "/")) {
            assertThat(names(images)).first().asString().isEqualTo((folder + "/cat/0.png").substring(1));
        }
        try (Images images = csv(list, null)) { // the folder of the file has them
            assertThat(names(images)).containsExactly("cat/0.png", "dog/0.png");
        }
        assertThatThrownBy(() -> csv(list, folder + "/cat"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("line 3 must name an image below file:" + folder + "/cat, got '" + folder
                        + "/dog/0.png'; make the path relative to that folder, or set data.root to a folder"
                        + " that has all images");
    }

    @Test
    void pathsOfWindowsAndOtherEncodingsAreOneSentence() throws Exception {
        String list = "path,label\ncat\\0.png,cat\ndög\\0.png,dog\n";

        assertThatThrownBy(() -> csv(list.getBytes(StandardCharsets.UTF_8), null))
                .isInstanceOf(UserError.class)
                .hasMessage(folder
                        + "/list.csv: has paths with backslashes, such as 'cat\\0.png'; write them with slashes");
        for (java.nio.charset.Charset utf16 :
                List.of(StandardCharsets.UTF_16, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
            String marked = utf16.equals(StandardCharsets.UTF_16LE) ? "\uFEFF" + list : list; // big-endian: none
            assertThatThrownBy(() -> csv(marked.getBytes(utf16), null))
                    .isInstanceOf(UserError.class)
                    .hasMessage(folder + "/list.csv: is in UTF-16, expected UTF-8; save the file in UTF-8");
        }
        assertThatThrownBy(() -> csv(list.getBytes(StandardCharsets.ISO_8859_1), null))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + "/list.csv: is not in UTF-8 in line 3; save the file in UTF-8");
    }
}
