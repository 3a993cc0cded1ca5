package dev.grft.spark.cluster;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.spark.util.SignalUtils;
import org.jspecify.annotations.Nullable;
import scala.runtime.AbstractFunction0;

/**
 * Lets an application that is asked to end (SIGTERM, Ctrl-C) keep a state before it does: the signal's exit waits, with Spark and
 * the file systems still up, until the application has ended by itself.
 */
public final class Termination implements AutoCloseable {
    /** Before the hooks of Spark, 40 and 50, and of Hadoop's file systems, 10. */
    private static final int PRIORITY = 100;

    private static final double MOST = 1e15; // milliseconds: whatever is added does not overflow
    private static final String WHY = "the process was told to end";

    /** The number of the last signal that asked this process to end; 0: none. */
    private static volatile int signal;

    static {
        note("TERM", 15);
        note("INT", 2);
    }

    private final CountDownLatch ended = new CountDownLatch(1);
    private final Runnable hook;
    private boolean come;
    private @Nullable Consumer<String> stop;

    /**
     * Waits for the signal from now on.
     *
     * @param graceSeconds how long the application may take to end after it
     */
    public Termination(double graceSeconds) {
        long milliseconds = (long) Math.min(graceSeconds * 1000, MOST);
        hook = () -> {
            tell(null, true);
            try {
                if (!ended.await(milliseconds, TimeUnit.MILLISECONDS)) {
                    System.err.println("not ended within engine.graceSeconds, " + graceSeconds
                            + " s: the steps since the last checkpoint are lost");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        ShutdownHookManager.get().addShutdownHook(hook, PRIORITY, milliseconds + 1000, TimeUnit.MILLISECONDS);
    }

    /** Notes a signal and leaves it to the handlers before. */
    private static void note(String name, int number) {
        SignalUtils.register(name, new AbstractFunction0<>() {
            @Override
            public Object apply() {
                signal = number;
                return false;
            }
        });
    }

    /** Returns the exit code of a process that was stopped: of the signal's if one came, else {@link Exit#STOPPED}. */
    public static int exitCode() {
        return signal == 0 ? Exit.STOPPED : 128 + signal;
    }

    /** Registers what receives the reason to end the work; at once, if the signal has come already. */
    public void stops(Consumer<String> work) {
        tell(work, false);
    }

    private synchronized void tell(@Nullable Consumer<String> work, boolean now) {
        stop = work == null ? stop : work;
        come |= now;
        if (come && stop != null) {
            stop.accept(WHY);
        }
    }

    @Override
    public void close() {
        ended.countDown();
        if (!ShutdownHookManager.get().isShutdownInProgress()) {
            ShutdownHookManager.get().removeShutdownHook(hook);
        }
    }
}
