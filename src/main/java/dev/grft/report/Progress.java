package dev.grft.report;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Says how far a phase is: in a terminal by one line that changes, elsewhere by a line every few seconds. Goes to standard error,
 * so that standard output has results only. Safe for use by several threads.
 */
public final class Progress {
    private static final double INTERVAL = 2;
    private static final double INTERVAL_OF_TERMINAL = 0.25;

    /** Goes to the beginning of the line and erases it. */
    private static final String ERASE = "\r\u001b[K";

    private final PrintStream out;
    private final boolean terminal;
    private boolean unfinished; // whether the last line will change

    /** Returns progress that is printed to {@code out} in whole lines. */
    public Progress(PrintStream out) {
        this(out, false);
    }

    /**
     * Returns progress.
     *
     * @param terminal whether lines can be written over
     */
    public Progress(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** Returns progress that is printed to standard error, which is a terminal or is not. */
    public static Progress ofProcess() {
        return new Progress(System.err, isTerminal(Path.of("/proc/self/fd/2")));
    }

    /** Returns whether an open file of Linux is a terminal. */
    static boolean isTerminal(Path descriptor) {
        try {
            String file = Files.readSymbolicLink(descriptor).toString();
            return file.startsWith("/dev/pts/") || file.startsWith("/dev/tty");
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /** Prints one line. */
    public synchronized void say(String message, Object... arguments) {
        String line = arguments.length == 0 ? message : String.format(Locale.ROOT, message, arguments);
        out.println(unfinished ? ERASE + line : line);
        out.flush();
        unfinished = false;
    }

    /** Prints a line over the last one, if that is to change. */
    private synchronized void over(String line, boolean last) {
        out.print(ERASE + line + (last ? System.lineSeparator() : ""));
        out.flush();
        unfinished = !last;
    }

    /** Returns the meter of a phase that handles {@code total} images; below 0 if their number is not known. */
    public Meter phase(String name, long total) {
        return new Meter(name, total);
    }

    /** Returns a meter that prints nothing. */
    public Meter silent(long total) {
        return new Meter("", total);
    }

    /** Counts the images of one phase. */
    public final class Meter {
        private final String name;
        private final long total;
        private final long start = System.nanoTime();
        private long lastPrinted = start;
        private long done;
        private long skipped;

        private Meter(String name, long total) {
            this.name = name;
            this.total = total;
        }

        /** Counts images that an earlier run has done: they do not count for the speed. */
        public synchronized void skip(long images) {
            done += images;
            skipped += images;
        }

        /** Counts images; prints at most every two seconds, or as often as one can read. {@code note} is printed before the numbers. */
        public synchronized void add(long images, String note) {
            done += images;
            long now = System.nanoTime();
            double interval = terminal ? INTERVAL_OF_TERMINAL : INTERVAL;
            boolean last = total >= 0 && done >= total;
            if (!name.isEmpty() && (last || (now - lastPrinted) / 1e9 >= interval)) {
                lastPrinted = now;
                double speed = (done - skipped) / Math.max(1e-9, (now - start) / 1e9);
                String line = String.format(
                        Locale.ROOT,
                        "%s %s%d%s images, %.0f images/s%s",
                        name,
                        note.isEmpty() ? "" : note + ", ",
                        done,
                        total < 0 ? "" : "/" + total,
                        speed,
                        total < 0 ? "" : ", " + time((total - done) / Math.max(1e-9, speed)) + " left");
                if (terminal) {
                    over(line, last);
                } else {
                    say("%s", line);
                }
            }
        }

        /** Returns the seconds since the phase began. */
        public double seconds() {
            return (System.nanoTime() - start) / 1e9;
        }
    }

    /** Returns a duration as {@code m:ss} or {@code h:mm:ss}. */
    static String time(double seconds) {
        long whole = Math.max(0, Math.round(seconds));
        return whole < 3600
                ? String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
    }
}
