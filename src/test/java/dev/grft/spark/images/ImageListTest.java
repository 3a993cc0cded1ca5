package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageListTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    Path folder;

    private Path file(String name, String content) {
        try {
            return Files.writeString(folder.resolve(name), content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ImageList read(Path file, ImageFormat format, @Nullable Path root) {
        return ImageList.read(
                HADOOP,
                file.toString(),
                format,
                LabelForm.of(Task.SINGLE_LABEL, "label"),
                root == null ? null : root.toString());
    }

    private ImageList list(String content) {
        return read(file("list.txt", content), ImageFormat.LIST, null);
    }

    private ImageList json(String content) {
        return read(file("split.json", content), ImageFormat.JSON, null);
    }

    @Test
    void aListNamesAnImageAndTheNumberOfItsClassOnEachLine() {
        ImageList list = list("images/train800/000001.jpg 12\nimages/train800/000000.jpg 7\n");
        assertThat(list.classes()).hasToString("{images/train800/000000.jpg=7, images/train800/000001.jpg=12}");
        assertThat(list.root()).hasToString("file:" + folder);
    }

    @Test
    void blanksAndLineEndsOfAnySystemAndAPathWithBlanksAreRead() {
        assertThat(list("\uFEFF  a b.jpg\t 007 \r\n\r\n./deep//c:1%20.jpg 0").classes())
                .hasToString("{a b.jpg=7, deep/c:1%20.jpg=0}");
    }

    @Test
    void jsonGivesEachImageItsClassWhichMayBeANumberOrText() {
        assertThat(json("{\"001.Albatross/a.jpg\": 1, \"jpg/b.jpg\": \"0817\"}").classes())
                .hasToString("{001.Albatross/a.jpg=1, jpg/b.jpg=0817}");
    }

    @Test
    void pathsAreRelativeToTheRootIfOneIsGiven() throws Exception {
        Path root = Files.createDirectory(folder.resolve("images"));
        Path file = file("train.json", "{\"a:b c%41[x].jpg\": 1}");
        ImageList list = read(file, ImageFormat.JSON, root);
        assertThat(list.root()).hasToString("file:" + root);
        assertThat(ImageList.below(list.root(), "a:b c%41[x].jpg").toUri().getPath())
                .isEqualTo(root + "/a:b c%41[x].jpg");
    }

    @Test
    void aLineThatIsNoPathAndClassIsRefused() {
        refused(
                () -> list("a.jpg 0\n\nb.jpg\n"),
                "list.txt: line 3 must be a path and a class number, such as 'images/000000.jpg 7', got 'b.jpg'; mend"
                        + " the line, or use another file");
        refused(
                () -> list("a.jpg cat"),
                "list.txt: line 1 must end with a class number, whole and 0 or more, got 'cat'; number the classes,"
                        + " or use another file");
        for (String wrong : new String[] {"-1", "1.0", "9999999999", "1e3"}) {
            refused(
                    () -> list("a.jpg 0\nb.jpg " + wrong),
                    "list.txt: line 2 must end with a class number, whole and 0 or more, got '" + wrong + "'");
        }
        refused(
                () -> list("x".repeat(1000)),
                "list.txt: line 1 must be a path and a class number, such as" + " 'images/000000.jpg 7', got '"
                        + "x".repeat(80) + "...'");
    }

    @Test
    void anImageThatIsNamedTwiceIsRefused() {
        refused(
                () -> list("images/a.jpg 0\nb.jpg 1\nimages//./a.jpg 0\n"),
                "list.txt: line 3 names images/a.jpg, which line 1 has named already; remove one of them");
        refused(
                () -> json("{\"a.jpg\": 1,\n \"a.jpg\": 2}"),
                "split.json: line 2, column 2 names a.jpg, which line 1, column 2 has named already; remove one of them");
    }

    @Test
    void aPathThatLeavesTheRootIsRefused() {
        for (String wrong : new String[] {"/data/a.jpg", "../a.jpg", "images/../../a.jpg", "."}) {
            refused(
                    () -> list(wrong + " 0"),
                    "list.txt: line 1 must name an image below file:" + folder + ", got '" + wrong
                            + "'; make the path relative to that folder, or set data.root");
        }
    }

    @Test
    void aListOfNothingIsRefused() {
        refused(() -> list("\n \n"), "list.txt: names no image, expected one or more; is it the right file?");
        refused(() -> json(""), "split.json: names no image, expected one or more; is it the right file?");
        refused(() -> json("{}"), "split.json: names no image, expected one or more; is it the right file?");
    }

    @Test
    void jsonThatIsNoObjectOfClassesIsRefused() {
        refused(
                () -> json("[1]"),
                "split.json: line 1, column 1 must begin an object such as {\"images/a.jpg\": 7}, got '['; is it the"
                        + " wrong file?");
        for (String wrong : new String[] {"1.5", "null", "true", "{", "[", "\" \""}) {
            refused(
                    () -> json("{\"a.jpg\": 1,\n\"b.jpg\": " + wrong + "}"),
                    "split.json: line 2, column 1 must give the class of b.jpg as a whole number or text, got '"
                            + wrong.replace("\"", "") + "'; mend it, or use another file");
        }
        refused(() -> json("{\"a.jpg\": 1,"), "split.json: is not JSON: Unexpected end-of-input");
        refused(() -> json("{a.jpg: 1}"), "split.json: is not JSON: Unexpected character ('a'");
    }

    @Test
    void aFileOrARootThatIsNotThereIsRefused() {
        refused(
                () -> read(folder.resolve("no.txt"), ImageFormat.LIST, null),
                "no.txt: there is no such file (looked for file:" + folder + "/no.txt)");
        Path file = file("list.txt", "a.jpg 0");
        for (String wrong : new String[] {"images", "list.txt"}) { // the second is a file
            Path root = folder.resolve(wrong);
            assertThatThrownBy(() -> read(file, ImageFormat.LIST, root))
                    .isInstanceOf(UserError.class)
                    .hasMessage(
                            root + ": there is no such folder (looked for file:" + root + "), to which the paths in "
                                    + file + " are relative; set data.root to the folder of the images");
        }
    }

    private ImageList csv(String content) {
        return read(file("table.csv", content), ImageFormat.CSV, null);
    }

    private ImageList jsonl(String content) {
        return read(file("lines.jsonl", content), ImageFormat.JSONL, null);
    }

    @Test
    void csvHasAHeaderAndQuotesWhatHoldsCommasQuotesAndLineEnds() {
        assertThat(csv("label,id,path\r\ncat,1,a.jpg\r\n\"a \"\"dog\"\", big\",2,\"b, c.jpg\"\r\n0817,3,#d.jpg\r\n")
                        .classes())
                .hasToString("{#d.jpg=0817, a.jpg=cat, b, c.jpg=a \"dog\", big}");
        assertThat(csv("\uFEFFfile_name,label\n\"a\nb.jpg\",1").classes()).hasToString("{a\nb.jpg=1}");
    }

    @Test
    void jsonLinesHaveTheSameKeys() {
        assertThat(jsonl(
                                "{\"path\": \"a.jpg\", \"label\": \"cat\", \"more\": {}}\n\n{\"label\": 7, \"file_name\": \"b.jpg\"}")
                        .classes())
                .hasToString("{a.jpg=cat, b.jpg=7}");
    }

    @Test
    void imagesWithoutClassesNeedNone() {
        Path csv = file("table.csv", "path\na.jpg\n");
        Path jsonl = file("lines.jsonl", "{\"path\": \"a.jpg\"}");
        Path json = file("object.json", "{\"a.jpg\": {\"age\": 31.5, \"sizes\": [1, 2]}}");
        for (Path file : new Path[] {csv, jsonl, json}) {
            ImageFormat format = file == csv ? ImageFormat.CSV : file == json ? ImageFormat.JSON : ImageFormat.JSONL;
            assertThat(ImageList.read(HADOOP, file.toString(), format, null, null)
                            .classes())
                    .containsOnlyKeys("a.jpg");
        }
    }

    @Test
    void tablesThatAreNoneAreRefused() {
        refused(
                () -> csv("a.jpg,cat\n"),
                "table.csv: line 1 must be a header with path or file_name, got 'a.jpg,cat'; add the column, or set"
                        + " data.labelColumn");
        refused(() -> csv("path,class\n"), "table.csv: line 1 must be a header with label, got 'path,class'");
        refused(() -> csv(""), "table.csv: line 1 must be a header with path or file_name, got ''");
        refused(() -> csv("path,label\na.jpg,\n"), "table.csv: line 2 must have a path and a label, got 'a.jpg,'");
        refused(() -> csv("path,label\n../a.jpg,cat\n"), "table.csv: line 2 must name an image below file:" + folder);
        refused(() -> csv("path,label\n" + "x".repeat(70_000)), "table.csv: is not CSV, line ");
        refused(
                () -> jsonl("{\"path\": \"a.jpg\", \"label\": \"cat\"}\n{\"path\": 7}"),
                "lines.jsonl: line 2 must be an object such as {\"path\": \"images/a.jpg\", \"label\": \"cat\"}, got"
                        + " '{\"path\": 7}'; mend it, or use another file");
        refused(() -> jsonl("{\"path\": \"a"), "lines.jsonl: line 1 is not JSON: ");
        refused(() -> jsonl("{\"path\": \"/a.jpg\", \"label\": 1}"), "lines.jsonl: line 1 must name an image below");
    }

    private void refused(Runnable reading, String message) {
        assertThatThrownBy(reading::run).isInstanceOf(UserError.class).hasMessageStartingWith(folder + "/" + message);
    }
}
