package dev.grft.spark.verbs;

import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.report.Summary;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Exit;
import dev.grft.spark.cluster.LostCluster;
import dev.grft.spark.cluster.OutOfMemory;
import dev.grft.spark.cluster.Stopped;
import dev.grft.spark.cluster.Termination;
import dev.grft.spark.run.InUse;
import dev.grft.spark.run.Session;
import dev.grft.vit.kernels.Backend;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One verb as a program of its own, most of them as a Spark application that {@code spark-submit} configures: results go to standard
 * output, the last line of which is a {@link Summary}; progress and errors to standard error.
 */
public final class Application {
    private static final String GOES_ON = "; run the same command again to resume";
    private static final String TIME_IS_OVER = "--max-time is over";
    private static final double GRACE_SECONDS = 25; // of a verb without settings; as engine.graceSeconds

    private final String verb;
    private final long began = System.nanoTime();
    private final PrintStream out = System.out;
    private final PrintStream err = System.err;
    private @Nullable String directory;
    private @Nullable String id;
    private List<String> made = List.of();

    private Application(String verb) {
        this.verb = verb;
    }

    /**
     * Does a verb and returns the exit code, see {@link Exit}.
     *
     * @param configured returns the settings
     * @param maxTime after which it stops, with a checkpoint to resume from; null for no limit
     */
    public static int run(
            String verb,
            Supplier<Settings> configured,
            boolean force,
            @Nullable Duration maxTime,
            Consumer<Verbs> work) {
        return new Application(verb).run(configured, force, maxTime, work);
    }

    /**
     * Does a verb that needs no Spark application, and returns the exit code. To stop it, its thread is interrupted, which then writes no more
     * files.
     *
     * @param directory the run directory, null if there is none
     * @param maxTime as above
     * @param work gets what says why it is stopped, null while it is not; returns the paths of the artifacts that it has made
     */
    public static int alone(
            String verb,
            @Nullable String directory,
            @Nullable Duration maxTime,
            Function<Supplier<@Nullable String>, List<String>> work) {
        Application application = new Application(verb);
        application.directory = directory;
        return application.alone(maxTime, work);
    }

    private int alone(@Nullable Duration maxTime, Function<Supplier<@Nullable String>, List<String>> work) {
        Thread worker = Thread.currentThread();
        AtomicReference<@Nullable String> stopped = new AtomicReference<>();
        Consumer<String> stop = why -> {
            if (stopped.compareAndSet(null, why)) {
                worker.interrupt();
            }
        };
        Timer timer = new Timer("grft-max-time", true);
        try (Termination termination = new Termination(GRACE_SECONDS)) {
            termination.stops(stop);
            if (maxTime != null) {
                timer.schedule(
                        new TimerTask() {
                            @Override
                            public void run() {
                                stop.accept(TIME_IS_OVER);
                            }
                        },
                        maxTime.toMillis());
            }
            Throwable failure = null;
            try {
                made = work.apply(stopped::get);
            } catch (Throwable e) { // memory runs out here, too
                failure = e;
            }
            String why = stopped.getAndSet("done");
            Thread.interrupted(); // the summary is written in any case
            return ended(failure == null ? null : why != null ? new Stopped(why, failure) : Causes.rethrown(failure));
        } finally {
            timer.cancel();
        }
    }

    private int run(Supplier<Settings> configured, boolean force, @Nullable Duration maxTime, Consumer<Verbs> work) {
        Settings known;
        try {
            known = configured.get();
        } catch (RuntimeException e) {
            return ended(e);
        }
        directory = known.run().directory();
        Backend.load(); // while Spark starts
        // Closed last: the signal's exit waits for the summary, too.
        try (Termination termination = new Termination(known.engine().graceSeconds())) {
            return ended(failure(known, termination, force, maxTime, work));
        }
    }

    /** Does the work and returns what it failed with, null if it is done. */
    private @Nullable Throwable failure(
            Settings known, Termination termination, boolean force, @Nullable Duration maxTime, Consumer<Verbs> work) {
        try (Session session = Session.open(known, verb);
                OutOfMemory threads = new OutOfMemory()) {
            threads.report(session.watch()::fail);
            id = session.spark().sparkContext().applicationId();
            made = session.made();
            termination.stops(session.watch()::stop);
            if (maxTime != null) {
                session.watch().stopAfter(maxTime.toMillis() / 1e3, TIME_IS_OVER);
            }
            session.run(() -> work.accept(new Verbs(session, force)));
            return null;
        } catch (LostCluster | Stopped e) {
            return e;
        } catch (Error e) {
            UserError memory = OutOfMemory.of(e);
            return memory == null ? e : memory;
        } catch (Exception e) { // Spark throws checked exceptions undeclared, also while it starts
            return Causes.rethrown(e);
        }
    }

    private int lost(String message) {
        err.println("error: " + message + GOES_ON);
        return summary("lost", Exit.LOST, message);
    }

    /** Tells how the verb has ended, to people and programs, and returns the exit code. */
    private int ended(@Nullable Throwable failure) {
        if (failure == null) {
            return summary("done", Exit.DONE, null);
        }
        if (failure instanceof Stopped) {
            err.println("stopped: " + failure.getMessage() + GOES_ON);
            return summary("stopped", Termination.exitCode(), failure.getMessage());
        }
        if (failure instanceof InUse) {
            err.println("error: " + failure.getMessage());
            return summary("refused", Exit.LOST, failure.getMessage());
        }
        if (failure instanceof UserError) {
            err.println("error: " + failure.getMessage());
            return summary("refused", Exit.USER, failure.getMessage());
        }
        if (failure instanceof LostCluster) {
            return lost(String.valueOf(failure.getMessage()));
        }
        if (Causes.isLoss(failure)) {
            return lost(Causes.said(failure));
        }
        StringWriter trace = new StringWriter();
        failure.printStackTrace(new PrintWriter(trace));
        err.println("internal error, please report it:\n" + trace);
        return summary("failed", Exit.OURS, failure.toString());
    }

    private int summary(String status, int exit, @Nullable String message) {
        double seconds = Math.round((System.nanoTime() - began) / 1e6) / 1e3;
        out.println(new Summary(verb, status, exit, id, directory, seconds, made, message).json());
        return exit;
    }
}
