package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputsTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    Path folder;

    private Path file(String name, String content) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L));
        return file;
    }

    private static Inputs at(Path path, @Nullable Path root) {
        return Inputs.at(
                HADOOP,
                "data.train",
                path.toString(),
                new ReadOptions(ImageFormat.AUTO, "image", "label", root == null ? null : root.toString()));
    }

    private static String listing(Path path, @Nullable Path root) {
        return at(path, root).listing().times();
    }

    @Test
    void aFolderIsTheNamesSizesAndTimesOfAllFilesAtAnyDepth() throws Exception {
        file("train/cat/a.png", "1");
        file("train/dog/deep/b.png", "2");
        Path train = folder.resolve("train");
        String before = listing(train, null);
        assertThat(before).hasSize(64).isEqualTo(listing(train, null));

        Path added = file("train/cat/c.png", "3");
        assertThat(listing(train, null)).isNotEqualTo(before);
        Files.delete(added);
        assertThat(listing(train, null)).isEqualTo(before);

        Path b = file("train/dog/deep/b.png", "22");
        assertThat(listing(train, null)).isNotEqualTo(before);
        file("train/dog/deep/b.png", "2");
        assertThat(listing(train, null)).isEqualTo(before);
        Files.setLastModifiedTime(b, FileTime.fromMillis(2_000_000_000_000L));
        assertThat(listing(train, null)).isNotEqualTo(before);
    }

    @Test
    void aPatternIsTheFilesItNames() throws Exception {
        file("train-0.parquet", "1");
        String before = listing(folder.resolve("train-*.parquet"), null);
        file("test-0.parquet", "1");
        assertThat(listing(folder.resolve("train-*.parquet"), null)).isEqualTo(before);
        file("train-1.parquet", "1");
        assertThat(listing(folder.resolve("train-*.parquet"), null)).isNotEqualTo(before);
    }

    @Test
    void aListIsWhatItSaysAndWhatItNamesButNoOtherFile() throws Exception {
        file("images/a.jpg", "1");
        file("images/b.jpg", "2");
        Path list = file("train.txt", "images/a.jpg 0\nnowhere/c.jpg 1\n");
        String before = listing(list, null);
        assertThat(listing(list, null)).isEqualTo(before);

        file("images/b.jpg", "22");
        file("images/d.jpg", "4");
        assertThat(listing(list, null)).isEqualTo(before);

        file("nowhere/c.jpg", "3");
        assertThat(listing(list, null)).isNotEqualTo(before);
        Files.delete(folder.resolve("nowhere/c.jpg"));
        assertThat(listing(list, null)).isEqualTo(before);

        file("images/a.jpg", "11");
        assertThat(listing(list, null)).isNotEqualTo(before);
        file("images/a.jpg", "1");
        file("train.txt", "images/a.jpg 1\nnowhere/c.jpg 0\n");
        assertThat(listing(list, null)).isNotEqualTo(before);
    }

    @Test
    void jsonIsWhatItNamesBelowItsRoot() throws Exception {
        file("images/x/a.jpg", "1");
        Path root = folder.resolve("images");
        Path split = file("train.json", "{\"x/a.jpg\": 0}");
        String before = listing(split, root);
        file("images/x/a.jpg", "11");
        assertThat(listing(split, root)).isNotEqualTo(before);
    }

    @Test
    void whatIsNotThereIsRefused() {
        assertThatThrownBy(() -> listing(folder.resolve("no"), null))
                .isInstanceOf(UserError.class)
                .hasMessage(folder + "/no: there is no such file or folder (data.train)");
        assertThatThrownBy(() -> listing(folder.resolve("no.json"), null))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + "/no.json: there is no such file (looked for file:");
    }
}
