package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a verb asks of the file system that has the images, counted there. */
class ListedOnceTest extends OnTiny {
    private static final Map<String, Integer> ASKED = new ConcurrentHashMap<>(); // by operation and path

    /** A file system that counts. */
    public static final class Counting extends FileSystem {
        private final RawLocalFileSystem files = new RawLocalFileSystem();

        private static org.apache.hadoop.fs.Path local(org.apache.hadoop.fs.Path path) {
            return new org.apache.hadoop.fs.Path("file", null, path.toUri().getPath());
        }

        private static void count(String operation, org.apache.hadoop.fs.Path path) {
            ASKED.merge(operation + " " + path.toUri().getPath(), 1, Integer::sum);
        }

        private static FileStatus status(FileStatus of) {
            return new FileStatus(
                    of.getLen(),
                    of.isDirectory(),
                    1,
                    of.getBlockSize(),
                    of.getModificationTime(),
                    new org.apache.hadoop.fs.Path(
                            "counting", null, of.getPath().toUri().getPath()));
        }

        @Override
        public void initialize(URI name, org.apache.hadoop.conf.Configuration conf) throws IOException {
            super.initialize(name, conf);
            files.initialize(URI.create("file:///"), conf);
        }

        @Override
        public URI getUri() {
            return URI.create("counting:///");
        }

        @Override
        public String getScheme() {
            return "counting";
        }

        @Override
        public FileStatus[] listStatus(org.apache.hadoop.fs.Path path) throws IOException {
            count("list", path);
            FileStatus[] all = files.listStatus(local(path));
            for (int i = 0; i < all.length; i++) {
                all[i] = status(all[i]);
            }
            return all;
        }

        @Override
        public FileStatus getFileStatus(org.apache.hadoop.fs.Path path) throws IOException {
            count("status", path);
            return status(files.getFileStatus(local(path)));
        }

        @Override
        public FSDataInputStream open(org.apache.hadoop.fs.Path path, int size) throws IOException {
            count("open", path);
            return files.open(local(path), size);
        }

        @Override
        public org.apache.hadoop.fs.FSDataOutputStream create(
                org.apache.hadoop.fs.Path path,
                org.apache.hadoop.fs.permission.FsPermission permission,
                boolean overwrite,
                int size,
                short replication,
                long block,
                org.apache.hadoop.util.Progressable progress) {
            throw new UnsupportedOperationException();
        }

        @Override
        public org.apache.hadoop.fs.FSDataOutputStream append(
                org.apache.hadoop.fs.Path path, int size, org.apache.hadoop.util.Progressable progress) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean delete(org.apache.hadoop.fs.Path path, boolean recursive) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void setWorkingDirectory(org.apache.hadoop.fs.Path path) {}

        @Override
        public org.apache.hadoop.fs.Path getWorkingDirectory() {
            return new org.apache.hadoop.fs.Path("counting:///");
        }

        @Override
        public boolean mkdirs(org.apache.hadoop.fs.Path path, org.apache.hadoop.fs.permission.FsPermission permission) {
            throw new UnsupportedOperationException();
        }
    }

    @BeforeEach
    void begin() {
        spark.sparkContext().hadoopConfiguration().set("fs.counting.impl", Counting.class.getName());
        ASKED.clear();
    }

    private static Path counted(Path path) {
        return Path.of("counting:" + path);
    }

    private static Map<String, Integer> asked(String operation) {
        return ASKED.entrySet().stream()
                .filter(each -> each.getKey().startsWith(operation + " "))
                .collect(
                        Collectors.toMap(each -> each.getKey().substring(operation.length() + 1), Map.Entry::getValue));
    }

    @Test
    void aVerbListsEachFolderOnceAndOpensEachImageOnce() throws Exception {
        Path train = Tiny.images(folder.resolve("train"), 6, 2);
        Files.createDirectories(train.resolve("red/deep"));
        Files.move(train.resolve("red/0.png"), train.resolve("red/deep/0.png"));
        Files.createDirectory(train.resolve("none"));
        List<String> sets = Tiny.sets(
                shared.pretrained(), counted(train), shared.test(), folder.resolve("run"), "training.epochs=1");

        Tiny.Printed first = Tiny.does(spark, sets, false, Verbs::train);

        assertThat(first.err()).contains("the folder none is not a class");
        assertThat(asked("list")).hasSize(6).containsValues(1).doesNotContainValue(2);
        assertThat(asked("open")).hasSize(18).containsValues(1).doesNotContainValue(2);
        assertThat(asked("status")).containsOnlyKeys(train.toString());

        ASKED.clear();
        Tiny.does(spark, sets, false, Verbs::train);

        assertThat(asked("list")).hasSize(6).doesNotContainValue(2);
        assertThat(asked("open")).isEmpty();
        assertThat(asked("status")).containsOnlyKeys(train.toString());
    }

    @Test
    void theFoldersOfAListAreListedOnceAndItsImagesOpenedOnce() throws Exception {
        Path train = Tiny.images(folder.resolve("train"), 6, 2);
        StringBuilder lines = new StringBuilder("path,label\n");
        for (String color : List.of("blue", "green", "red")) {
            for (int i = 0; i < 6; i++) {
                lines.append(color)
                        .append('/')
                        .append(i)
                        .append(".png,")
                        .append(color)
                        .append('\n');
            }
        }
        Path list = Files.writeString(train.resolve("train.csv"), lines);
        List<String> sets = Tiny.sets(
                shared.pretrained(), counted(list), shared.test(), folder.resolve("run"), "training.epochs=1");

        Tiny.does(spark, sets, false, Verbs::select);

        assertThat(asked("list")).hasSize(3).doesNotContainValue(2);
        assertThat(asked("open")).hasSize(19).doesNotContainValue(2);
        assertThat(asked("status")).isEmpty();
    }
}
