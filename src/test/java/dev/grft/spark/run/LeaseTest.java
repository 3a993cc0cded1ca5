package dev.grft.spark.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.run.Lease.Driver;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LeaseTest {
    /** Of a lease that is to expire. Where it must not, a machine that stands still for a while has to do no harm: there it is {@link #LONG}. */
    private static final double LIMIT = 2;

    private static final double LONG = 6; // beats come every 2 s

    @TempDir
    Path folder;

    private final List<Lease> taken = Collections.synchronizedList(new ArrayList<>());
    private final List<String> said = Collections.synchronizedList(new ArrayList<>());
    private final List<UserError> lost = Collections.synchronizedList(new ArrayList<>());

    @AfterEach
    void giveBack() {
        taken.forEach(Lease::close);
    }

    /** Returns a driver on another machine: whether it runs cannot be known here. */
    private static Driver elsewhere(String name, String application, String attempt) {
        return new Driver(name, application, attempt, "far", "boot of " + application + attempt, 7, "123");
    }

    /** Returns a driver on this machine. */
    private static Driver here(String name, long process, String started) {
        return new Driver(name, name, "", "near", "this machine", process, started);
    }

    private Lease take(Driver driver) {
        return take(driver, "file");
    }

    private Lease take(Driver driver, String scheme) {
        return take(driver, scheme, LIMIT);
    }

    private Lease take(Driver driver, String scheme, double limit) {
        return take(driver, scheme, limit, () -> {});
    }

    private Lease take(Driver driver, String scheme, double limit, Runnable check) {
        Configuration hadoop = new Configuration();
        hadoop.setClass("fs.uploads.impl", Objects.class, org.apache.hadoop.fs.FileSystem.class);
        hadoop.setClass("fs.gaps.impl", Gaps.class, org.apache.hadoop.fs.FileSystem.class);
        Lease lease = Lease.take(
                new Storage(hadoop),
                Lease.Place.ofRun(new org.apache.hadoop.fs.Path(scheme + ":" + folder.resolve("run"))),
                driver,
                limit,
                said::add,
                check,
                lost::add);
        taken.add(lease);
        return lease;
    }

    private Path file() {
        return folder.resolve("run/" + Lease.NAME);
    }

    /** Leaves the lease of a driver that was killed. */
    private void leftBy(Driver driver) throws Exception {
        Lease lease = take(driver);
        String text = Files.readString(file());
        lease.close();
        Files.writeString(file(), text);
    }

    @Test
    void aDirectoryHasOneDriverAtATime() throws Exception {
        Lease first = take(elsewhere("grft train runs/demo", "app-1", ""), "file", LONG);
        assertThatThrownBy(() -> take(elsewhere("grft evaluate runs/demo", "app-2", "")))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "file:" + folder.resolve("run") + ": \"grft train runs/demo\" (application app-1, process 7 on"
                                + " far) is at work in this run directory; wait until it has ended, or set another run.directory");
        first.close();
        assertThat(file()).doesNotExist();
        take(elsewhere("grft evaluate runs/demo", "app-2", ""));
        assertThat(lost).isEmpty();
    }

    @Test
    void aLeaseExpiresOnceItHasNotChangedForTheLimit() throws Exception {
        leftBy(elsewhere("a", "app-1", ""));
        long begins = System.nanoTime();
        take(elsewhere("b", "app-2", ""));
        assertThat((System.nanoTime() - begins) / 1e9).isGreaterThan(LIMIT);
        assertThat(said).singleElement().asString().contains("\"a\" (application app-1", "silent for 2 s");
    }

    @Test
    void aLeaseThatWasNotWrittenToItsEndExpiresToo() throws Exception {
        Files.createDirectories(file().getParent());
        Files.createFile(file());
        take(elsewhere("b", "app-2", ""));
        assertThat(said).singleElement().asString().contains("silent for 2 s"); // its driver may be writing it
        assertThat(file()).content().contains("app-2");
    }

    @Test
    void aDeadProcessOfThisMachineIsNotWaitedFor() throws Exception {
        Process process = new ProcessBuilder("true").start();
        process.waitFor();
        leftBy(here("a", process.pid(), "123"));
        take(here("b", 1, "5"));
        assertThat(said).isEmpty();
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aProcessThatHasEndedAndWhoseParentHasNotAskedForItsCodeIsDead() throws Exception {
        // Its child ends after the shell has become a program that asks for no code.
        Process parent = new ProcessBuilder("sh", "-c", "sleep 1 & echo $!; exec sleep 60").start();
        try {
            long child =
                    Long.parseLong(parent.inputReader(StandardCharsets.UTF_8).readLine());
            Path stat = Path.of("/proc/" + child + "/stat");
            while (!Files.readString(stat).contains(") Z ")) {
                TimeUnit.MILLISECONDS.sleep(10);
            }
            leftBy(here("a", child, Files.readString(stat).split(" ", -1)[21]));
            take(here("b", 1, "5"));
            assertThat(said).isEmpty();
        } finally {
            parent.destroyForcibly();
        }
    }

    @Test
    void aProcessThatHasGotTheIdOfADeadOneIsNotTheDriver() throws Exception {
        leftBy(here("a", ProcessHandle.current().pid(), "123"));
        take(here("b", 1, "5"));
        assertThat(said).isEmpty();
    }

    @Test
    void twoDriversOfOneProcessAreToldApart() throws Exception {
        Driver driver = here("a", 1, "5");
        Lease first = take(driver);
        assertThatThrownBy(() -> take(driver)).hasMessageContaining("at work in this run directory");
        first.close();
        leftBy(driver);
        take(driver);
        assertThat(said).isEmpty();
    }

    @Test
    void theNextAttemptOfAnApplicationTakesOverAtOnceAndTheOneBeforeFindsOut() throws Exception {
        Lease first = take(elsewhere("a", "app-1", "1"));
        take(elsewhere("a", "app-1", "2"));
        assertThat(said).isEmpty();
        assertThatThrownBy(() -> {
                    TimeUnit.MILLISECONDS.sleep((long) (1000 * LIMIT));
                    first.check();
                })
                .isInstanceOf(UserError.class)
                .hasMessageContaining("has taken this run directory over");
        assertThat(lost).hasSize(1);
        first.close();
        assertThat(file()).as("the lease of the other").exists();
    }

    @Test
    void aDriverThatIsToldToStopIsWaitedFor() throws Exception {
        Lease first = take(elsewhere("a", "app-1", ""), "file", 60);
        first.ending();
        CompletableFuture<Lease> second = CompletableFuture.supplyAsync(() -> take(elsewhere("b", "app-2", "")));
        until(() -> !said.isEmpty());
        assertThat(second).isNotDone();
        first.close();
        assertThat(second).succeedsWithin(30, TimeUnit.SECONDS);
    }

    @Test
    void aDriverThatWasOvertakenLeavesTheLeaseOfTheOtherAlone() throws Exception {
        Lease first = take(elsewhere("a", "app-1", "1"));
        take(elsewhere("a", "app-1", "2"));
        String text = Files.readString(file());
        first.ending();
        assertThat(text).contains("\"attempt\":\"2\"");
        assertThat(file()).content().contains("\"attempt\":\"2\"");
        assertThatThrownBy(first::check).isInstanceOf(InUse.class).hasMessageContaining("has taken");
    }

    @Test
    void aDriverThatIsToldToStopFindsOutToo() throws Exception {
        Lease first = take(elsewhere("a", "app-1", "1"));
        first.ending();
        take(elsewhere("a", "app-1", "2"));
        assertThatThrownBy(first::check).isInstanceOf(InUse.class).hasMessageContaining("has taken");
    }

    @Test
    void aDriverThatCannotReadItsLeaseForTheLimitWritesNoMore() throws Exception {
        Lease lease = take(elsewhere("a", "app-1", ""));
        synchronized (lease) { // no beat comes between
            Files.delete(file());
            Files.createDirectory(file()); // as a file system that is away: it can be neither read nor written
            assertThatCode(lease::check).doesNotThrowAnyException();
        }
        TimeUnit.MILLISECONDS.sleep((long) (1000 * LIMIT) + 300);
        assertThatThrownBy(lease::check)
                .isInstanceOf(InUse.class)
                .hasMessageStartingWith(
                        "file:" + folder.resolve("run") + ": its lease could not be read for engine.leaseSeconds (")
                .hasMessageEndingWith(
                        "), so another driver may have taken this run directory over; run the same command again");
        Files.delete(file());
    }

    /** Java's exists() says no of what it cannot look at, as while a mounted file system is away. */
    @Test
    void aFileSystemThatIsAwayForAMomentIsNoTakeover() throws Exception {
        Lease lease = take(elsewhere("a", "app-1", ""));
        Path run = folder.resolve("run");
        Path away = folder.resolve("away");
        synchronized (lease) { // no beat comes between
            Files.move(run, away);
            Files.createSymbolicLink(run, run); // leads to itself
            assertThat(Files.exists(file())).isFalse();
            assertThatCode(lease::check).doesNotThrowAnyException();
        }
        TimeUnit.MILLISECONDS.sleep((long) (1000 * LIMIT / 2)); // beats come every third of the limit
        synchronized (lease) {
            Files.delete(run);
            Files.move(away, run);
        }
        assertThatCode(lease::check).doesNotThrowAnyException();
        assertThat(lost).isEmpty();
    }

    @Test
    void aDriverWhoseWriteFailedAfterItHadDeletedTheOldFileWritesItAgain() throws Exception {
        Lease lease = take(elsewhere("a", "app-1", ""), "gaps");
        Gaps.failing = true;
        try {
            until(() -> !Files.exists(file()));
            assertThatCode(lease::check).doesNotThrowAnyException();
        } finally {
            Gaps.failing = false;
        }
        until(() -> Files.exists(file()));
        assertThatCode(lease::check).doesNotThrowAnyException();
        assertThat(lost).isEmpty();
        synchronized (lease) { // no beat is at work
            Files.delete(file());
        }
        assertThatThrownBy(lease::check).hasMessageContaining("another driver, which has ended,");
    }

    @Test
    void aLeaseThatWasGivenBackIsNotWrittenAgain() {
        Lease lease = take(elsewhere("a", "app-1", ""));
        lease.close();
        lease.ending();
        lease.check();
        assertThat(file()).doesNotExist();
    }

    @Test
    void anInterruptedThreadGivesItsLeaseBack() {
        Lease lease = take(elsewhere("a", "app-1", ""));
        Thread.currentThread().interrupt();
        lease.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(file()).doesNotExist();
    }

    /** On ABFS and GCS a beat deletes the file and then renames the new one. */
    @Test
    void aFileThatIsMissingWhileItIsReplacedIsWaitedFor() throws Exception {
        Lease first = take(elsewhere("a", "app-1", ""), "gaps", LONG);
        Path away = folder.resolve("away");
        Files.move(file(), away);
        assertThatThrownBy(() -> take(elsewhere("b", "app-2", ""), "gaps", LONG, () -> {
                    if (Files.exists(away)) { // this one has found no file
                        assertThat(away.toFile().renameTo(file().toFile())).isTrue();
                    }
                }))
                .isInstanceOf(InUse.class);
        assertThatCode(first::check).doesNotThrowAnyException();
        assertThat(lost).isEmpty();
    }

    @Test
    void ofTwoDriversThatStartAtOnceOneIsRefused() throws Exception {
        for (String scheme : List.of("file", "uploads")) {
            List<CompletableFuture<Lease>> drivers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Driver driver = elsewhere("driver " + i, "app-" + i, "");
                drivers.add(CompletableFuture.supplyAsync(() -> take(driver, scheme, 4 * LIMIT)));
            }
            int holders = 0;
            for (CompletableFuture<Lease> driver : drivers) {
                try {
                    driver.get();
                    holders++;
                } catch (java.util.concurrent.ExecutionException e) {
                    assertThat(e).hasCauseInstanceOf(UserError.class);
                }
            }
            assertThat(holders).as(scheme).isEqualTo(1);
            giveBack();
            taken.clear();
        }
        assertThat(lost).isEmpty();
    }

    @Test
    void aDriverThatWakesUpAfterTheOtherHasEndedFindsOut() {
        Lease first = take(elsewhere("a", "app-1", "1"), "file", 60); // and looks by itself after 20 s
        take(elsewhere("a", "app-1", "2")).close();
        assertThat(file()).doesNotExist();
        assertThatThrownBy(first::check)
                .isInstanceOf(InUse.class)
                .hasMessage("file:" + folder.resolve("run")
                        + ": another driver, which has ended, has taken this run directory"
                        + " over, for this driver had not been able to write its lease for engine.leaseSeconds; run the same"
                        + " command again to resume");
        assertThat(lost).hasSize(1);
        first.ending();
        first.close();
        assertThat(file()).doesNotExist();
        take(elsewhere("b", "app-2", ""));
    }

    @Test
    void aLeaseThatIsGoneIsNotWrittenAgainByItself() throws Exception {
        Lease lease = take(elsewhere("a", "app-1", ""));
        synchronized (lease) { // no beat is at work
            Files.delete(file());
        }
        until(() -> !lost.isEmpty());
        TimeUnit.MILLISECONDS.sleep((long) (1000 * LIMIT / 2)); // one more beat
        assertThat(file()).doesNotExist();
        assertThat(lost).singleElement().isInstanceOf(InUse.class);
    }

    private static void until(BooleanSupplier condition) throws InterruptedException {
        while (!condition.getAsBoolean()) { // or the test's own limit
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    /** Is no local file system to the program, for it hides one. */
    public static final class Gaps extends org.apache.hadoop.fs.FilterFileSystem {
        static volatile boolean failing; // between the deletion of the old file and the move of the new one

        public Gaps() {
            super(new org.apache.hadoop.fs.RawLocalFileSystem() {
                @Override
                public java.net.URI getUri() {
                    return java.net.URI.create("gaps:///");
                }
            });
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) throws java.io.IOException {
            if (failing) {
                delete(to, false);
                throw new java.io.IOException("the connection is lost");
            }
            return super.rename(from, to);
        }
    }

    /** Writes a file when it is closed, whether there is one or not, as S3A does. */
    public static final class Objects extends org.apache.hadoop.fs.RawLocalFileSystem {
        @Override
        public java.net.URI getUri() {
            return java.net.URI.create("uploads:///");
        }

        @Override
        public boolean hasPathCapability(org.apache.hadoop.fs.Path path, String capability) {
            return capability.equals(org.apache.hadoop.fs.CommonPathCapabilities.ABORTABLE_STREAM);
        }

        @Override
        public org.apache.hadoop.fs.FSDataOutputStream create(org.apache.hadoop.fs.Path path, boolean overwrite)
                throws java.io.IOException {
            Path file = pathToFile(path).toPath();
            Files.createDirectories(file.getParent());
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream() {
                @Override
                public void close() throws java.io.IOException {
                    Path whole = Files.write(Files.createTempFile(folderOf(file), "x", null), toByteArray());
                    Files.move(whole, file, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
                }
            };
            return new org.apache.hadoop.fs.FSDataOutputStream(bytes, null);
        }

        private static Path folderOf(Path file) {
            return java.util.Objects.requireNonNull(file.getParent());
        }
    }
}
