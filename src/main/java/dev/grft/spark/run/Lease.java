package dev.grft.spark.run;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.cluster.Causes;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkContext;
import org.jspecify.annotations.Nullable;

/**
 * The right of one driver to write in a folder, such as a run directory: {@code lease.json}, which it writes anew every third of a limit and deletes at its
 * end. Another driver is refused while the file changes. It takes over once the file has not changed for the limit, and at once if the
 * driver is known to be dead: a process of this machine that has ended, or an earlier attempt of the same application.
 *
 * <p>No clocks are compared: each driver measures by its own how long the file has not changed. A driver that cannot write its lease
 * for long finds out before it next changes a file, at the latest, that another has taken over, or that its file is gone, which another has
 * deleted at its end.
 *
 * <p>Two drivers that start at once: on HDFS and local disks only one of them can create the file. Elsewhere the driver that wrote last
 * has the lease, and both look again after a second: S3A has no such call, and on ABFS a file is missing for a moment while it is
 * replaced. One that a slow write let pass finds out with its next beat. The same holds where two take over at once, on any file system.
 */
final class Lease implements AutoCloseable {
    static final String NAME = "lease.json";

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final double SETTLING = 1; // seconds
    private static final double LOOKING = 1; // seconds between two looks at the lease of another

    /** The owners of leases that this process holds. */
    private static final Set<String> HELD = ConcurrentHashMap.newKeySet();

    /**
     * A driver.
     *
     * @param name of the application
     * @param application Spark's id of it
     * @param attempt of the application on YARN, else empty
     * @param machine differs where process ids do not mean the same: by boot, container and user; empty if not known
     * @param process id
     * @param started tells one process of an id from a later one
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Driver(
            String name,
            String application,
            String attempt,
            String host,
            String machine,
            long process,
            String started) {
        /** Returns the driver that this process is. */
        static Driver of(SparkContext spark) {
            long process = ProcessHandle.current().pid();
            return new Driver(
                    spark.appName(),
                    spark.applicationId(),
                    spark.applicationAttemptId().isDefined()
                            ? spark.applicationAttemptId().get()
                            : "",
                    nameOfHost(),
                    thisMachine(),
                    process,
                    startOf(process));
        }

        /** Returns whether this driver runs; null if that cannot be known here. */
        private @Nullable Boolean runs(Driver here, String owner) {
            if (application.equals(here.application) && !attempt.equals(here.attempt)) {
                return false; // YARN starts an attempt when the one before has ended
            }
            if (machine.isEmpty() || !machine.equals(here.machine)) {
                return null;
            }
            boolean sameProcess = process == here.process && started.equals(here.started);
            return sameProcess ? HELD.contains(owner) : !started.isEmpty() && started.equals(startOf(process));
        }

        private static String nameOfHost() {
            try {
                return InetAddress.getLocalHost().getHostName();
            } catch (IOException e) {
                return "a host without a name";
            }
        }

        private static String thisMachine() {
            try {
                return Files.readString(java.nio.file.Path.of("/proc/sys/kernel/random/boot_id"))
                                .strip() + " "
                        + Files.readSymbolicLink(java.nio.file.Path.of("/proc/self/ns/pid")) + " "
                        + System.getProperty("user.name");
            } catch (IOException e) { // not Linux
                return "";
            }
        }

        /** Returns when a process has started, in Linux's ticks since the boot; empty if there is none that runs. */
        private static String startOf(long process) {
            try {
                String stat = Files.readString(java.nio.file.Path.of("/proc/" + process + "/stat"));
                String[] fields = // from the third; the name before it may have spaces
                        stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
                boolean ended =
                        fields[0].equals("Z") || fields[0].equals("X"); // its parent has not asked for the exit code
                return ended ? "" : fields[19];
            } catch (IOException e) {
                return "";
            }
        }

        @Override
        public String toString() {
            return "\"" + name + "\" (application " + application + ", process " + process + " on " + host + ")";
        }
    }

    /**
     * What a lease is of.
     *
     * @param file of the lease
     * @param folder in which only one driver writes
     * @param called what messages call such a folder
     * @param instead what a driver can do that does not wait
     */
    record Place(Path file, Path folder, String called, String instead) {
        static Place ofRun(Path directory) {
            return new Place(new Path(directory, NAME), directory, "run directory", "set another run.directory");
        }

        static Place ofOutput(Path file, Path folder) {
            return new Place(file, folder, "folder", "choose another --output");
        }
    }

    /** What stands in the file. {@code ending}: the driver was asked to stop, and does so. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Note(String owner, Driver driver, double seconds, long beat, boolean ending) {}

    private final Storage storage;
    private final Place place;
    private final Path path;
    private final Driver driver;
    private final double seconds;
    private final Consumer<UserError> lost;
    private final String owner = UUID.randomUUID().toString();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "grft-lease");
        thread.setDaemon(true);
        return thread;
    });
    private long beats;
    private long lastBeat; // when it began, by this process's clock
    private long lastLook; // likewise the last one that read the file
    private boolean ending;
    private boolean closed;
    private boolean halfWritten; // the file may be missing because this driver's write failed
    private @Nullable UserError overtaken;

    private Lease(Storage storage, Place place, Driver driver, double seconds, Consumer<UserError> lost) {
        this.storage = storage;
        this.place = place;
        this.path = place.file;
        this.driver = driver;
        this.seconds = seconds;
        this.lost = lost;
    }

    /**
     * Returns the lease of a folder, once this driver has it.
     *
     * @param seconds without a change after which a lease has expired
     * @param say gets a sentence before it waits
     * @param check throws if the driver is not to wait any longer
     * @param lost is called if another driver takes over
     * @throws UserError if another driver is at work there
     */
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    static Lease take(
            Storage storage,
            Place place,
            Driver driver,
            double seconds,
            Consumer<String> say,
            Runnable check,
            Consumer<UserError> lost) {
        Lease lease = new Lease(storage, place, driver, seconds, lost);
        HELD.add(lease.owner);
        try {
            lease.take(say, check);
        } catch (RuntimeException e) {
            HELD.remove(lease.owner);
            lease.timer.shutdown();
            throw e;
        }
        long every = (long) (1000 * seconds / 3) + 1;
        lease.timer.scheduleWithFixedDelay(lease::beat, every, every, TimeUnit.MILLISECONDS);
        return lease;
    }

    private void take(Consumer<String> say, Runnable check) {
        @Nullable String before = null;
        long since = 0;
        boolean exact = storage.replacesAtOnce(path);
        boolean missing = false;
        for (; ; ) {
            lastBeat = System.nanoTime();
            lastLook = lastBeat;
            String now = read();
            if (now == null && !exact && !missing) {
                missing = true; // or another driver is replacing it just now
                pause(SETTLING, check);
                continue;
            }
            if (now == null) {
                if (storage.create(path, text())) {
                    if (!exact) {
                        settle(check);
                    }
                    return;
                }
                continue;
            }
            missing = false;
            Note other = parsed(now);
            Boolean runs = other == null ? null : other.driver.runs(driver, other.owner);
            boolean changed = !now.equals(before); // which may be empty, while its driver is writing it
            double limit = other == null ? seconds : Math.max(seconds, other.seconds);
            boolean expired = !changed && (System.nanoTime() - since) / 1e9 > limit;
            boolean alive = Boolean.TRUE.equals(runs) || (changed && before != null);
            if (other != null && alive && (expired || !other.ending)) {
                throw refused(other);
            }
            if (expired || Boolean.FALSE.equals(runs)) {
                storage.writeAtomically(path, text());
                settle(check);
                return;
            }
            if (changed) {
                say.accept(String.format(
                        "%s: the last driver%s may still run; resuming once it has been silent for %.0f s",
                        place.folder, other == null ? "" : ", " + other.driver + ",", limit));
                before = now;
                since = System.nanoTime();
            }
            pause(Math.min(LOOKING, limit / 4), check);
        }
    }

    /** Waits for writes of other drivers that have seen what this one has. */
    private void settle(Runnable check) {
        pause(SETTLING, check);
        Note last = note();
        if (last != null && !last.owner.equals(owner)) {
            throw refused(last);
        }
    }

    private static void pause(double seconds, Runnable check) {
        check.run();
        try {
            Thread.sleep((long) (1000 * seconds));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while it waited for a lease", e);
        }
    }

    private UserError refused(Note other) {
        return new InUse(String.format(
                "%s: %s is at work in this %s; wait until it has ended, or %s",
                place.folder, other.driver, place.called, place.instead));
    }

    private synchronized void beat() {
        try {
            if (look() && !ending) {
                write();
            }
        } catch (Throwable e) { // the file system may be away for a while; an error thrown would end all beats
            if (e instanceof Error || secondsSince(lastBeat) > seconds) {
                System.err.println(place.folder + ": its lease cannot be written: " + Causes.said(e));
            }
        }
    }

    /** Looks at the file and returns whether this driver has the lease. */
    private boolean look() {
        if (overtaken == null && !closed) {
            long begins = System.nanoTime();
            String text = read();
            lastLook = begins;
            halfWritten &= text == null;
            Note last = text == null ? null : parsed(text);
            if (text == null && !halfWritten) { // nobody else deletes it
                overtaken = overtaken("another driver, which has ended,", "run the same command again to resume");
            } else if (last != null && !last.owner.equals(owner)) {
                overtaken = overtaken(last.driver.toString(), "it goes on where this one was");
            }
            if (overtaken != null) {
                lost.accept(overtaken);
            }
        }
        return overtaken == null && !closed;
    }

    private InUse overtaken(String by, String then) {
        return new InUse(String.format(
                "%s: %s has taken this %s over, for this driver had not been able to write its lease for"
                        + " engine.leaseSeconds; %s",
                place.folder, by, place.called, then));
    }

    private void write() {
        long begins = System.nanoTime();
        beats++;
        halfWritten = storage.missesWhileReplaced(path);
        storage.writeAtomically(path, text());
        halfWritten = false;
        lastBeat = begins;
    }

    private static double secondsSince(long time) {
        return (System.nanoTime() - time) / 1e9;
    }

    /**
     * Requires that this driver still has the lease. Looks at the file, for the clock stands still while a machine sleeps.
     *
     * @throws UserError if another driver has taken over, and may have ended since, or if the file could not be read for the limit
     */
    synchronized void check() {
        try {
            if (look() && !ending && secondsSince(lastBeat) > seconds / 2) {
                write();
            }
        } catch (RuntimeException e) {
            if (secondsSince(lastLook) > seconds) {
                throw new InUse(
                        String.format(
                                "%s: its lease could not be read for engine.leaseSeconds (%s), so another driver may have"
                                        + " taken this %s over; run the same command again",
                                place.folder, Causes.said(e), place.called),
                        e);
            }
        }
        if (overtaken != null) {
            throw new InUse(
                    String.valueOf(overtaken.getMessage()), overtaken); // a new one, which the one before can suppress
        }
    }

    /** Tells drivers that wait that this one is to stop: they wait for its end. */
    synchronized void ending() {
        if (!ending) {
            ending = true;
            try {
                if (look()) {
                    write();
                }
            } catch (RuntimeException e) {
                // Then it expires.
            }
        }
    }

    private String text() {
        try {
            return MAPPER.writeValueAsString(new Note(owner, driver, seconds, beats, ending)) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns what the file holds, null if there is none. */
    private @Nullable String read() {
        try {
            return storage.isThere(path) ? storage.readString(path) : null;
        } catch (UserError e) {
            if (storage.isThere(path)) {
                throw e;
            }
            return null; // deleted just now
        }
    }

    private @Nullable Note note() {
        String text = read();
        return text == null ? null : parsed(text);
    }

    /** Returns null if the file was not written to its end. */
    private static @Nullable Note parsed(String text) {
        try {
            Note note = MAPPER.readValue(text, Note.class);
            Objects.requireNonNull(note.owner);
            Objects.requireNonNull(note.driver);
            return note;
        } catch (JsonProcessingException | NullPointerException e) {
            return null;
        }
    }

    /** Gives the directory back. */
    @Override
    public void close() {
        timer.shutdown();
        boolean interrupted = Thread.interrupted(); // nothing is read or deleted in a thread that is
        try {
            timer.awaitTermination((long) (1000 * seconds), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        try {
            giveBack();
        } catch (RuntimeException e) {
            System.err.println(place.folder + ": its lease was not given back, it expires: " + Causes.said(e));
        } finally {
            HELD.remove(owner);
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private synchronized void giveBack() {
        closed = true;
        Note last = note();
        if (last != null && last.owner.equals(owner)) {
            storage.delete(path);
        }
    }
}
