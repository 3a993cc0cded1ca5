package dev.grft.checkpoint.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Abortable;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StorageTest {
    @TempDir
    Path directory;

    private final Storage storage = new Storage(Golden.HADOOP);

    @Test
    void aFileIsWrittenWithItsDirectoryAndNothingElse() throws Exception {
        storage.writeAtomically(path("new/dir/a.txt"), "hello");

        assertThat(storage.readString(path("new/dir/a.txt"))).isEqualTo("hello");
        assertThat(storage.readBytes(path("new/dir/a.txt"))).hasSize(5);
        assertThat(storage.length(path("new/dir/a.txt"))).isEqualTo(5);
        assertThat(names("new/dir")).containsExactly("a.txt"); // no .a.txt.crc
    }

    @Test
    void aFileThatIsThereIsReplaced() throws Exception {
        storage.writeAtomically(path("a.txt"), "old");
        storage.writeAtomically(path("a.txt"), "new");

        assertThat(storage.readString(path("a.txt"))).isEqualTo("new");
        assertThat(names("")).containsExactly("a.txt");
    }

    @Test
    void nobodySeesAFileBeforeItIsComplete() {
        storage.writeAtomically(path("a.txt"), out -> {
            out.write(1);
            out.flush();
            assertThat(storage.exists(path("a.txt"))).isFalse();
            assertThat(storage.list(Golden.hadoop(directory))).isEmpty();
        });

        assertThat(storage.exists(path("a.txt"))).isTrue();
    }

    @Test
    void aFailureLeavesTheOldFileAndNothingElse() throws Exception {
        storage.writeAtomically(path("a.txt"), "old");

        assertThatThrownBy(() -> storage.writeAtomically(path("a.txt"), out -> {
                    out.write(1);
                    throw new IOException("disk full");
                }))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageEndingWith("a.txt: cannot be written")
                .hasRootCauseMessage("disk full");
        assertThatThrownBy(() -> storage.writeAtomically(path("a.txt"), out -> {
                    throw new IllegalStateException("bug");
                }))
                .hasMessage("bug");

        assertThat(storage.readString(path("a.txt"))).isEqualTo("old");
        assertThat(names("")).containsExactly("a.txt");
    }

    @Test
    void aFileSystemThatDoesNotReplaceIsServedToo() throws Exception {
        Storage strict = storage("strict", Strict.class);
        org.apache.hadoop.fs.Path path = path("strict", "a.txt");

        strict.writeAtomically(path, "old");
        strict.writeAtomically(path, "new");

        assertThat(strict.readString(path)).isEqualTo("new");
        assertThat(names("")).containsExactly("a.txt");
    }

    /** Refuses to rename onto a file that exists, as HDFS does. */
    public static final class Strict extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("strict:///");
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) throws IOException {
            return !exists(to) && super.rename(from, to);
        }
    }

    @Test
    void anObjectStoreIsWrittenWithoutARenameAndAFailureLeavesTheOldObject() throws Exception {
        requireWrittenInPlace(storage("objects", Objects.class), path("objects", "a.txt"));
        assertThat(Upload.OPEN).as("streams that are still open").hasValue(0);
    }

    private void requireWrittenInPlace(Storage objects, org.apache.hadoop.fs.Path path) throws Exception {
        objects.writeAtomically(path, "old");
        objects.writeAtomically(path, "new");
        assertThatThrownBy(() -> objects.writeAtomically(path, out -> {
                    out.write(1);
                    throw new IOException("connection lost");
                }))
                .hasMessageEndingWith("a.txt: cannot be written");

        assertThatThrownBy(() -> objects.writeAtomically(path, out -> {
                    out.write(1);
                    throw new IllegalStateException("bug");
                }))
                .hasMessage("bug");
        assertThat(Upload.OPEN).as("streams that are still open").hasValue(0);
        assertThat(objects.readString(path)).isEqualTo("new");

        Upload.fails = true;
        try {
            assertThatThrownBy(() -> objects.writeAtomically(path, "newer"))
                    .hasMessageEndingWith("a.txt: cannot be written");
            assertThatThrownBy(() -> objects.writeAtomically(path, out -> out.write(new byte[] {1, 2})))
                    .hasMessageEndingWith("a.txt: cannot be written");
        } finally {
            Upload.fails = false;
        }
        assertThat(objects.readString(path)).isEqualTo("new");
        assertThat(names("")).containsExactly("a.txt");
    }

    /** Lets a file appear when it is closed, and refuses to rename. */
    public static final class Objects extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("objects:///");
        }

        @Override
        public boolean hasPathCapability(org.apache.hadoop.fs.Path path, String capability) {
            return capability.equals(CommonPathCapabilities.ABORTABLE_STREAM);
        }

        @Override
        public FSDataOutputStream create(org.apache.hadoop.fs.Path path, boolean overwrite) throws IOException {
            return new FSDataOutputStream(new Upload(pathToFile(path).toPath()), null);
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) {
            throw new UnsupportedOperationException("a rename would be a copy");
        }
    }

    @Test
    void googlesConnectorWritesWithoutARenameThoughItCannotAbort() throws Exception {
        Storage google = storage("gs", Google.class);
        org.apache.hadoop.fs.Path path = path("gs", "a.txt");

        requireWrittenInPlace(google, path);
        assertThat(Upload.OPEN.getAndSet(0))
                .as("uploads that failed: closing them would let a part appear")
                .isEqualTo(2);
        assertThat(google.missesWhileReplaced(path)).isFalse();
        assertThat(google.replacesAtOnce(path)).isFalse();
    }

    @Test
    void googlesConnectorNeedsTheTemporaryDirectoryForLargeFilesOnly() {
        Storage google = storage("gs", Google.class);
        org.apache.hadoop.fs.Path path = path("gs", "a.txt");
        String temporary = System.getProperty("java.io.tmpdir");
        System.setProperty("java.io.tmpdir", directory.resolve("none").toString());
        try {
            google.writeAtomically(path, "lease");
            assertThatThrownBy(() -> google.writeAtomically(path, out -> out.write(1)))
                    .isInstanceOf(UserError.class)
                    .hasMessage(directory.resolve("none") + ": no temporary file can be made there for " + path
                            + ": NoSuchFileException; make room, or set java.io.tmpdir"
                            + " to another directory");
        } finally {
            System.setProperty("java.io.tmpdir", temporary);
        }
        assertThat(google.readString(path)).isEqualTo("lease");
    }

    /** Does not tell that a file appears when it is closed. */
    public static final class Google extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("gs:///");
        }

        @Override
        public FSDataOutputStream create(org.apache.hadoop.fs.Path path, boolean overwrite) {
            return new FSDataOutputStream(new Upload(pathToFile(path).toPath()), null) {
                @Override
                public AbortableResult abort() {
                    throw new UnsupportedOperationException("abort");
                }
            };
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) {
            throw new UnsupportedOperationException("a rename would be a copy");
        }
    }

    private static final class Upload extends OutputStream implements Abortable {
        static final AtomicInteger OPEN = new AtomicInteger();
        static boolean fails; // after a byte; closing would let it appear as the file

        private final Path file;
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private boolean aborted;
        private boolean closed;

        Upload(Path file) {
            this.file = file;
            OPEN.incrementAndGet();
        }

        @Override
        public void write(int one) throws IOException {
            if (fails && bytes.size() > 0) {
                throw new IOException("broken pipe");
            }
            bytes.write(one);
        }

        @Override
        public AbortableResult abort() {
            aborted = true;
            return null;
        }

        @Override
        public void close() throws IOException {
            if (closed) {
                return;
            }
            closed = true;
            OPEN.decrementAndGet();
            if (!aborted) {
                Files.write(file, bytes.toByteArray());
            }
        }
    }

    @Test
    void aDirectoryThatCannotBeWrittenIsTold() throws Exception {
        Files.writeString(directory.resolve("file"), "");

        assertThatThrownBy(() -> storage.writeAtomically(path("file/a.txt"), "x"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("file/a.txt: cannot be written");
    }

    @Test
    void aFullDiskIsTold() {
        assertThatThrownBy(() -> storage.writeAtomically(path("a.txt"), out -> {
                    throw new IOException("No space left on device");
                }))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(
                        "a.txt: cannot be written: No space left on device; make room, or choose another path");
    }

    /** The disk that is full is Linux's own. */
    @Test
    void aDiskThatIsFullWhenALocalFileIsWrittenIsTold() throws Exception {
        Files.createSymbolicLink(directory.resolve("full"), Path.of("/dev/full"));
        assertThat(storage.append(path("full"), 0, "x")).isFalse();

        assertThatThrownBy(() -> storage("full", Full.class).writeAtomically(path("full", "a.txt"), "x"))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(
                        "a.txt: cannot be written: No space left on device; make room, or choose another path");
        assertThat(names("")).containsExactly("full");
    }

    /** Hadoop's local file system, each of whose files is written to a full disk. */
    public static final class Full extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("full:///");
        }

        @Override
        public FSDataOutputStream create(org.apache.hadoop.fs.Path path, boolean overwrite) throws IOException {
            return super.create(new org.apache.hadoop.fs.Path("/dev/full"), true);
        }
    }

    @Test
    void aDirectoryThatCannotBeMadeIsTold() {
        assertThatThrownBy(() -> storage.create(new org.apache.hadoop.fs.Path("/proc/grft/lease.json"), "x"))
                .isInstanceOf(UserError.class)
                .hasMessage("/proc/grft/lease.json: cannot be written: Mkdirs failed to create /proc/grft; check the"
                        + " directory and its rights");
    }

    @Test
    void aDirectoryIsNotReplacedByAFile() throws Exception {
        Files.createDirectories(directory.resolve("a/b"));

        assertThatThrownBy(() -> storage.writeAtomically(path("a"), "x"))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("a: is a directory, expected a file; move it away");
        assertThat(names("")).containsExactly("a");
    }

    @Test
    void aMissingFileIsTold() {
        assertThat(storage.exists(path("no"))).isFalse();
        assertThat(storage.isDirectory(path("no"))).isFalse();
        assertThatThrownBy(() -> storage.readString(path("no")))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("no: no such file; check the path");
        assertThatThrownBy(() -> storage.sha256(path("no"))).isInstanceOf(UserError.class);
    }

    @Test
    void whatCannotBeLookedAtIsNotTakenForMissing() throws Exception {
        storage.writeAtomically(path("a"), "");
        Path loop = directory.resolve("loop");
        Files.createSymbolicLink(loop, loop);

        assertThat(storage.isThere(path("a"))).isTrue();
        assertThat(storage.isThere(path("no/no"))).isFalse();
        assertThat(storage.isThere(path("a/no/no"))).as("below a file").isFalse();
        assertThatThrownBy(() -> storage.isThere(path("loop/a")))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageEndingWith("loop/a: cannot be read");
    }

    @Test
    void anUnknownFileSystemIsTold() {
        assertThatThrownBy(() -> storage.exists(new org.apache.hadoop.fs.Path("gopher://x/y")))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("gopher://x/y: No FileSystem for scheme \"gopher\"");
    }

    @Test
    void aFileSystemWhoseClassIsMissingIsTold() {
        Configuration hadoop = new Configuration();
        hadoop.set("fs.s3a.impl", "org.apache.hadoop.fs.s3a.NoSuchFileSystem");
        assertThatThrownBy(() -> new Storage(hadoop).exists(new org.apache.hadoop.fs.Path("s3a://x/y")))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "s3a://x/y: Class org.apache.hadoop.fs.s3a.NoSuchFileSystem not found; add the file"
                                + " system's jar, such as --packages org.apache.hadoop:hadoop-aws:3.3.")
                .hasMessageEndingWith(" for s3a, or use another path");
    }

    @Test
    void theDigestIsThatOfTheBytes() {
        storage.writeAtomically(path("abc"), "abc");

        assertThat(storage.sha256(path("abc")))
                .isEqualTo(
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-2, appendix B.1
    }

    @Test
    void aDirectoryIsListedInOrderAndDeletedWhole() {
        storage.writeAtomically(path("d/b"), "");
        storage.writeAtomically(path("d/a/c"), "");

        assertThat(storage.list(path("d")))
                .extracting(org.apache.hadoop.fs.Path::getName)
                .containsExactly("a", "b");
        assertThat(storage.list(path("no"))).isEqualTo(List.of());
        assertThat(storage.isDirectory(path("d"))).isTrue();
        storage.delete(path("d"));
        storage.delete(path("d"));
        assertThat(storage.exists(path("d"))).isFalse();
    }

    /** Returns a storage with a file system of ours for this scheme. */
    private static Storage storage(String scheme, Class<? extends RawLocalFileSystem> fileSystem) {
        Configuration hadoop = new Configuration(false);
        hadoop.setClass("fs." + scheme + ".impl", fileSystem, org.apache.hadoop.fs.FileSystem.class);
        return new Storage(hadoop);
    }

    private org.apache.hadoop.fs.Path path(String scheme, String name) {
        return new org.apache.hadoop.fs.Path(URI.create(scheme + "://" + directory.toAbsolutePath() + "/" + name));
    }

    private org.apache.hadoop.fs.Path path(String name) {
        return Golden.hadoop(directory.resolve(name));
    }

    private List<String> names(String name) throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve(name))) {
            return files.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }
}
