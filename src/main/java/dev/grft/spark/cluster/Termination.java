package dev.grft.spark.cluster;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.hadoop.util.ShutdownHookManager;
import org.jspecify.annotations.Nullable;

/**
 * Lets an application that is told to end (SIGTERM, Ctrl-C) keep a state before it does: the signal's exit waits, with Spark and
 * the file systems still up, until the application has ended by itself.
 */
public final class Termination implements AutoCloseable {
    /** Before the hooks of Spark, 40 and 50, and of Hadoop's file systems, 10. */
    private static final int PRIORITY = 100;

    private static final String WHY = "the process was told to end";

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
        long milliseconds = (long) (graceSeconds * 1000);
        hook = () -> {
            tell(null, true);
            try {
                if (!ended.await(milliseconds, TimeUnit.MILLISECONDS)) {
                    System.err.println("not ended within engine.graceSeconds, " + graceSeconds
                            + " s: what came since the last state is lost");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        ShutdownHookManager.get().addShutdownHook(hook, PRIORITY, milliseconds + 1000, TimeUnit.MILLISECONDS);
    }

    /** Says who is told why to end the work; at once, if the signal has come already. */
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
