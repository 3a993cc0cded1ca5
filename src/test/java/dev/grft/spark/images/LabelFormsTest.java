package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.data.Target;
import dev.grft.spark.images.Source.Named;
import dev.grft.spark.tables.HuggingFace;
import dev.grft.spark.verbs.OnSpark;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.spark.SparkConf;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.serializer.SerializerInstance;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/** Several labels of an image, and values, in every form that people have. The images are a (cat and dog), b (none) and c (dog). */
class LabelFormsTest extends OnSpark {
    private static final Preprocess PREPROCESS = new Preprocess(4, 4, Crop.SQUASH, ImageRecipe.same(0, 1, 1));
    private static final List<Target> SEVERAL =
            List.of(Target.ofClasses(0, 1), Target.ofClasses(), Target.ofClasses(1));
    private static final List<Target> VALUES =
            List.of(Target.ofValues(31.5f, -1), Target.ofValues(0, 2), Target.ofValues(1e6f, 0.1f));

    @TempDir
    Path folder;

    @BeforeEach
    void images() throws IOException {
        for (String name : List.of("a", "b", "c")) {
            Files.write(folder.resolve(name + ".png"), png(name));
        }
    }

    private static byte[] png(String name) {
        try {
            BufferedImage image = new BufferedImage(4, 4, BufferedImage.TYPE_INT_RGB);
            image.setRGB(1, 1, name.hashCode());
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ImageIO.write(image, "png", out);
            return out.toByteArray();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Path text(String name, String... lines) throws IOException {
        return Files.writeString(folder.resolve(name), String.join("\n", lines) + "\n");
    }

    private Path parquet(StructType labels, Object[]... cells) {
        List<Row> rows = new ArrayList<>();
        String[] names = {"a", "b", "c"};
        for (int i = 0; i < cells.length; i++) {
            Object[] all = new Object[cells[i].length + 1];
            all[0] = png(names[i]);
            System.arraycopy(cells[i], 0, all, 1, cells[i].length);
            rows.add(RowFactory.create(all));
        }
        StructType schema = new StructType().add("image", DataTypes.BinaryType);
        for (var field : labels.fields()) {
            schema = schema.add(field);
        }
        Path to = folder.resolve("parquet-" + rows.hashCode());
        spark.createDataFrame(rows, schema).coalesce(1).write().parquet(to.toString());
        return to;
    }

    private Path tar(Map<String, byte[]> entries) throws IOException {
        Path tar = folder.resolve("t.tar");
        try (TarArchiveOutputStream out = new TarArchiveOutputStream(Files.newOutputStream(tar))) {
            for (Map.Entry<String, byte[]> each : entries.entrySet()) {
                TarArchiveEntry entry = new TarArchiveEntry(each.getKey());
                entry.setSize(each.getValue().length);
                out.putArchiveEntry(entry);
                out.write(each.getValue());
                out.closeArchiveEntry();
            }
        }
        return tar;
    }

    private Path tarOf(String... jsons) throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        String[] names = {"a", "b", "c"};
        for (int i = 0; i < jsons.length; i++) {
            entries.put(names[i] + ".png", png(names[i]));
            entries.put(names[i] + ".json", jsons[i].getBytes(StandardCharsets.UTF_8));
        }
        return tar(entries);
    }

    private static Images read(Path path, Task task, String columns) {
        ReadOptions options = new ReadOptions(ImageFormat.AUTO, "image", columns, null, task);
        return new ImageReader(spark, PREPROCESS, 1, 1)
                .read(ImageSource.at(spark, List.of(path.toString()), options), null);
    }

    private static List<Target> targets(Images images) {
        return images.examples().collect().stream().map(Example::target).toList();
    }

    private static void expect(Path path, Task task, String columns, List<String> names, List<Target> targets) {
        try (Images images = read(path, task, columns)) {
            assertThat(images.labels()).isEqualTo(Labels.inOrder(task, names));
            assertThat(targets(images)).isEqualTo(targets);
            assertThat(images.count() + images.broken().count()).isEqualTo(3);
        }
    }

    private static void expectSeveral(Path path, String columns) {
        expect(path, Task.MULTI_LABEL, columns, List.of("cat", "dog"), SEVERAL);
    }

    private static void expectValues(Path path) {
        expect(path, Task.REGRESSION, "age, size", List.of("age", "size"), VALUES);
    }

    @Test
    void severalLabelsInJsonLinesCsvAndJson() throws IOException {
        expectSeveral(
                text(
                        "list.jsonl",
                        "{\"path\": \"a.png\", \"label\": [\"dog\", \"cat\"]}",
                        "{\"path\": \"b.png\", \"label\": []}",
                        "{\"path\": \"c.png\", \"label\": \"dog\"}"),
                "label");
        expectSeveral(text("list.csv", "path,label", "a.png,cat | dog", "b.png,", "c.png,dog"), "label");
        expectSeveral(
                text("list.json", "{\"a.png\": [\"cat\", \"dog\"], \"b.png\": [], \"c.png\": [\"dog\"]}"), "label");
    }

    @Test
    void aColumnForEachClassHasItsName() throws IOException {
        expectSeveral(
                text("list.csv", "path,cat,dog,other", "a.png,1,1,9", "b.png,0,0.0,9", "c.png,false,true,9"),
                "cat,dog");
        expectSeveral(
                text(
                        "list.jsonl",
                        "{\"path\": \"a.png\", \"cat\": 1, \"dog\": true}",
                        "{\"path\": \"b.png\", \"cat\": 0, \"dog\": 0}",
                        "{\"path\": \"c.png\", \"cat\": 0, \"dog\": 1}"),
                "cat,dog");
        StructType flags = new StructType().add("cat", DataTypes.IntegerType).add("dog", DataTypes.BooleanType);
        expectSeveral(
                parquet(flags, new Object[] {1, true}, new Object[] {0, false}, new Object[] {0, true}), "cat,dog");
    }

    @Test
    void severalLabelsInParquet() {
        StructType names = new StructType().add("label", DataTypes.createArrayType(DataTypes.StringType));
        expectSeveral(
                parquet(names, new Object[] {new String[] {"cat", "dog"}}, new Object[] {new String[0]}, new Object[] {
                    new String[] {"dog"}
                }),
                "label");
        StructType numbers = new StructType().add("label", DataTypes.createArrayType(DataTypes.LongType));
        expect(
                parquet(numbers, new Object[] {new Long[] {3L, 10L}}, new Object[] {new Long[0]}, new Object[] {
                    new Long[] {10L}
                }),
                Task.MULTI_LABEL,
                "label",
                List.of("3", "10"),
                SEVERAL);
        StructType text = new StructType().add("label", DataTypes.StringType);
        expectSeveral(parquet(text, new Object[] {"cat|dog"}, new Object[] {""}, new Object[] {"dog"}), "label");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"feature\": {\"names\": [\"cat\", \"dog\", \"cow\"], \"_type\": \"ClassLabel\"}, \"_type\":"
                        + " \"Sequence\"}",
                "[{\"names\": [\"cat\", \"dog\", \"cow\"], \"_type\": \"ClassLabel\"}]"
            })
    void namesOfAListOfHuggingFacesClassesAreFound(String feature) {
        assertThat(HuggingFace.names("f", "{\"info\": {\"features\": {\"label\": " + feature + "}}}", "label"))
                .containsExactly("cat", "dog", "cow");
    }

    @Test
    void severalLabelsInWebDataset() throws IOException {
        expectSeveral(tarOf("{\"label\": [\"cat\", \"dog\"]}", "{\"label\": []}", "{\"label\": [\"dog\"]}"), "label");
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("a.png", png("a"));
        entries.put("a.cls", "cat|dog".getBytes(StandardCharsets.UTF_8));
        entries.put("b.png", png("b"));
        entries.put("b.json", "{\"label\": []}".getBytes(StandardCharsets.UTF_8));
        entries.put("c.png", png("c"));
        entries.put("c.cls", "dog".getBytes(StandardCharsets.UTF_8));
        expectSeveral(tar(entries), "label");
    }

    @Test
    void anEmptyClassFileShowsNoneAndAnObjectCountsBeforeIt() throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("a.png", png("a"));
        entries.put("a.cls", "7".getBytes(StandardCharsets.UTF_8));
        entries.put("a.json", "{\"label\": [\"cat\", \"dog\"]}".getBytes(StandardCharsets.UTF_8));
        entries.put("b.png", png("b"));
        entries.put("b.cls", new byte[0]);
        entries.put("c.png", png("c"));
        entries.put("c.cls", "dog".getBytes(StandardCharsets.UTF_8));
        expectSeveral(tar(entries), "label");
    }

    @Test
    void aTableMayHaveAColumnForEachOfManyClasses() throws IOException {
        List<String> classes = IntStream.range(0, 600).mapToObj(k -> "c" + k).toList();
        String zeros = ",0".repeat(598);
        Path list = text(
                "list.csv",
                "path," + String.join(",", classes),
                "a.png,True,1" + zeros,
                "b.png,False,0" + zeros,
                "c.png,FALSE,1.0" + zeros);
        expect(list, Task.MULTI_LABEL, String.join(",", classes), classes, SEVERAL);
    }

    @Test
    void namesThatPartsAreSeparatedByAreRefused() throws IOException {
        Path bar = text("bar.jsonl", "{\"path\": \"a.png\", \"label\": [\"cat|dog\"]}");
        assertThatThrownBy(() -> read(bar, Task.MULTI_LABEL, "label"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("the class cat|dog has | in its name");
        Path unit = text("unit.jsonl", "{\"path\": \"a.png\", \"label\": [\"cat\\u001fdog\"]}");
        assertThatThrownBy(() -> read(unit, Task.MULTI_LABEL, "label"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("has the class cat<U+001F>dog, whose name must not have U+001F");
    }

    @Test
    void imagesWithoutAColumnForAClassOfTheHeadAreRefused() throws IOException {
        Path list = text("list.csv", "path,cat,dog", "a.png,1,1", "b.png,0,0", "c.png,0,1");
        ReadOptions options = new ReadOptions(ImageFormat.AUTO, "image", "cat,dog", null, Task.MULTI_LABEL);
        ImageSource source = ImageSource.at(spark, List.of(list.toString()), options);
        Labels head = Labels.inOrder(Task.MULTI_LABEL, List.of("cat", "cow", "dog"));
        assertThatThrownBy(() -> source.labels(source.named(true), head))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(
                        "the images tell of the classes cat, dog, but the head has the classes cat, cow, dog");
    }

    @Test
    void values() throws IOException {
        expectValues(text("list.csv", "path;size;age", "a.png;-1;31.5", "b.png;2;0", "c.png;0.1;1e6"));
        expectValues(text(
                "list.jsonl",
                "{\"path\": \"a.png\", \"age\": 31.5, \"size\": -1}",
                "{\"path\": \"b.png\", \"age\": 0, \"size\": 2}",
                "{\"path\": \"c.png\", \"age\": 1e6, \"size\": 0.1}"));
        expectValues(text(
                "list.json",
                "{\"a.png\": {\"age\": 31.5, \"size\": -1}, \"b.png\": {\"age\": 0, \"size\": 2},"
                        + " \"c.png\": {\"age\": 1e6, \"size\": 0.1}}"));
        expectValues(
                tarOf("{\"age\": 31.5, \"size\": -1}", "{\"age\": 0, \"size\": 2}", "{\"age\": 1e6, \"size\": 0.1}"));
        for (DataType type : List.of(DataTypes.DoubleType, DataTypes.createDecimalType(20, 3))) {
            StructType columns = new StructType().add("age", type).add("size", DataTypes.FloatType);
            boolean decimal = !type.equals(DataTypes.DoubleType);
            Object[][] rows = {{31.5, -1f}, {0.0, 2f}, {1e6, 0.1f}};
            if (decimal) {
                Arrays.stream(rows).forEach(row -> row[0] = new java.math.BigDecimal(row[0].toString()));
            }
            expectValues(parquet(columns, rows));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "old;names c.png, which has the age old, needs a finite number; mend the line",
                "NaN;has the age NaN, needs a finite number",
                "1e39;has the age 1e39, needs a finite number",
                "12d;has the age 12d, needs a finite number",
                "0x1p3;has the age 0x1p3, needs a finite number",
                "'';has no age, needs a finite number"
            })
    void aValueThatIsNoNumberIsRefusedWithImageAndColumn(String cell, String message) throws IOException {
        Path list = text("list.csv", "path,age", "a.png,1", "b.png,2", "c.png," + cell);
        assertThatThrownBy(() -> read(list, Task.REGRESSION, "age"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(list + ": line 4")
                .hasMessageContaining(message);
    }

    @Test
    void missingLabelsAreRefused() throws IOException {
        StructType age = new StructType().add("age", DataTypes.DoubleType);
        for (Double wrong : new Double[] {Double.NaN, null, Double.POSITIVE_INFINITY}) {
            Path parquet = parquet(age, new Object[] {1.0}, new Object[] {wrong});
            assertThatThrownBy(() -> read(parquet, Task.REGRESSION, "age"))
                    .hasStackTraceContaining("#000000001: has " + (wrong == null ? "no age" : "the age"));
        }
        StructType names = new StructType().add("label", DataTypes.createArrayType(DataTypes.StringType));
        Path none = parquet(names, new Object[] {new String[] {"cat"}}, new Object[] {null});
        assertThatThrownBy(() -> read(none, Task.MULTI_LABEL, "label")).hasMessageContaining("#000000001 has no label");
        Path hole = parquet(names, new Object[] {new String[] {"cat", null}});
        assertThatThrownBy(() -> read(hole, Task.MULTI_LABEL, "label"))
                .hasStackTraceContaining("has a class without a name in label");
        Path key = text("list.jsonl", "{\"path\": \"a.png\"}");
        assertThatThrownBy(() -> read(key, Task.MULTI_LABEL, "label"))
                .hasMessageContaining("line 1 names a.png, which has no label");
        Path object = text("list2.jsonl", "{\"path\": \"a.png\", \"label\": {\"cat\": 1}}");
        assertThatThrownBy(() -> read(object, Task.MULTI_LABEL, "label"))
                .hasMessageContaining("which has the label {\"cat\":1}, needs an array of classes, or text with |");
        Path flag = text("list3.csv", "path,cat,dog", "a.png,1,-1");
        assertThatThrownBy(() -> read(flag, Task.MULTI_LABEL, "cat,dog"))
                .hasMessageContaining("has the dog -1, needs 0 or 1");
    }

    @Test
    void columnsOfOtherTypesAreRefused() {
        StructType text = new StructType().add("label", DataTypes.StringType);
        Path words = parquet(text, new Object[] {"cat"});
        assertThatThrownBy(() -> read(words, Task.REGRESSION, "label"))
                .hasMessageContaining("column label is string, needs a number; is data.labelColumn right?");
        StructType whole = new StructType().add("label", DataTypes.IntegerType);
        Path numbers = parquet(whole, new Object[] {7});
        assertThatThrownBy(() -> read(numbers, Task.MULTI_LABEL, "label"))
                .hasMessageContaining("column label is int, needs an array of strings or integers, or string with |");
    }

    @ParameterizedTest
    @CsvSource({"MULTI_LABEL", "REGRESSION"})
    void foldersAndListsTellOneClass(Task task) throws IOException {
        Files.createDirectories(folder.resolve("folders/cat"));
        Files.write(folder.resolve("folders/cat/a.png"), png("a"));
        Path list = text("list.txt", "a.png 1");
        for (Path path : List.of(folder.resolve("folders"), list)) {
            assertThatThrownBy(() -> read(path, task, "label"))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining("tell one class of each image, but data.task is " + task
                            + "; use Parquet, CSV, JSONL, a JSON object or the .json of WebDataset");
        }
    }

    @Test
    void kryoCanSendTargetsAndForms() {
        SerializerInstance kryo = new KryoSerializer(new SparkConf()).newInstance();
        for (Target target :
                List.of(Target.NONE, Target.ofClass(3), Target.ofClasses(1, 2), Target.ofValues(1.5f, -2))) {
            ClassTag<Target> tag = ClassTag$.MODULE$.apply(Target.class);
            Target sent = kryo.deserialize(kryo.serialize(target, tag), tag);
            assertThat(sent).isEqualTo(target);
            assertThat(sent.shared()).isEqualTo(target);
        }
        ClassTag<Labels> labels = ClassTag$.MODULE$.apply(Labels.class);
        Labels outputs = Labels.inOrder(Task.REGRESSION, List.of("age")).ofTraining(List.of("1", "3"));
        Labels copy = kryo.deserialize(kryo.serialize(outputs, labels), labels);
        assertThat(copy).isEqualTo(outputs);
        assertThat(copy.trained(Target.ofValues(3)).values()).containsExactly(1);
        ClassTag<Named> named = ClassTag$.MODULE$.apply(Named.class);
        Named sent = kryo.deserialize(kryo.serialize(new Named("a", "cat\u001fdog", 0, 0), named), named);
        assertThat(LabelForm.parts(String.valueOf(sent.label))).containsExactly("cat", "dog");
    }
}
