package dev.grft.report;

import java.io.PrintStream;
import java.util.Locale;

/**
 * Lines that say how far a phase is: at its start, every few seconds, at its end. Goes to standard error, so that standard
 * output has results only. Safe for use by several threads.
 */
public final class Progress {
    private static final double INTERVAL = 2;

    private final PrintStream out;

    /** Returns progress that is printed to {@code out}. */
    public Progress(PrintStream out) {
        this.out = out;
    }

    /** Prints one line. */
    public void say(String message, Object... arguments) {
        out.println(arguments.length == 0 ? message : String.format(Locale.ROOT, message, arguments));
        out.flush();
    }

    /** Returns the meter of a phase that handles {@code total} images. */
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

        /** Counts images; prints at most every two seconds. {@code note} is printed before the numbers. */
        public synchronized void add(long images, String note) {
            done += images;
            long now = System.nanoTime();
            if (!name.isEmpty() && (done >= total || (now - lastPrinted) / 1e9 >= INTERVAL)) {
                lastPrinted = now;
                double speed = (done - skipped) / Math.max(1e-9, (now - start) / 1e9);
                say(
                        "%s %s%d/%d images, %.0f images/s, %s left",
                        name,
                        note.isEmpty() ? "" : note + ", ",
                        done,
                        total,
                        speed,
                        time((total - done) / Math.max(1e-9, speed)));
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
