package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.OneDnn;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.javacpp.FloatPointer;

/**
 * Shares the rows of a loop among as many threads as a product may use, {@link Backend#threads}. A short loop stays on the thread that
 * calls.
 *
 * <p>Results do not depend on the number of threads: rows are independent, or {@linkplain #blocks summed in blocks}.
 */
final class CpuThreads {
    /** The number of values that a thread takes at once. On a virtual machine another thread helps in a part of the calls only: decisions.md. */
    private static final long PART = 1 << 16;

    /** The number of values from which on a loop that only moves them is shared. A shorter one was slower on two threads: decisions.md. */
    private static final long MOVES = 1 << 21;

    private static final int BLOCKS = 64; // most of a sum

    /** The most values that all blocks of a sum keep together, if there are two of them or more. */
    private static final long SUMS = 1 << 23;

    /** The threads of all kernels of this process. They end when idle; there are never more than the callers may use together. */
    private static final Executor POOL = new ThreadPoolExecutor(
            0, Integer.MAX_VALUE, 10, TimeUnit.SECONDS, new SynchronousQueue<>(), CpuThreads::thread);

    private final Executor pool;
    private final List<Lane> lanes = new ArrayList<>(List.of(new Lane()));

    CpuThreads() {
        this(POOL);
    }

    /** Takes the threads from {@code pool}. Fewer share a loop, down to the one that calls, if it throws. */
    CpuThreads(Executor pool) {
        this.pool = pool;
    }

    private static Thread thread(Runnable runnable) {
        Thread thread = new Thread(runnable, "kernels");
        thread.setDaemon(true);
        return thread;
    }

    /** A loop over the rows of an array. */
    interface Loop {
        /** Computes the rows from {@code from} to {@code to}, exclusive, with the memory of a thread. */
        void rows(Lane lane, long from, long to);
    }

    /**
     * Runs a loop over rows that are independent of each other.
     *
     * @param width of a row, in values of the cost of a sum
     */
    void rows(long rows, long width, Loop loop) {
        long some = Math.max(1, PART / Math.max(1, width));
        if (OneDnn.threads() == 1 || rows <= some) {
            loop.rows(lanes.get(0), 0, rows);
        } else {
            blocks(rows, some, loop);
        }
    }

    /** As {@link #rows}, for a loop that does nothing or one operation with a value that it moves: memory limits it, not the thread. */
    void moves(long rows, long width, Loop loop) {
        if (rows * width < MOVES) {
            loop.rows(lanes.get(0), 0, rows);
        } else {
            rows(rows, width, loop);
        }
    }

    /** A sum over rows. */
    interface Sum {
        /** Adds the rows from {@code from} to {@code to}, exclusive, to {@code acc}, with the memory of a thread. */
        void add(Lane lane, long from, long to, float[] acc);
    }

    /**
     * Returns a sum {@code [n]} over rows, for any number of threads the same bits: that of the sums of {@linkplain #block blocks}, in their
     * order.
     *
     * @param width of a row, in values of the cost of a sum
     */
    float[] sum(long rows, long width, int n, Sum sum) {
        long block = block(rows, width, n);
        float[][] parts = new float[Math.toIntExact(Math.max(1, (rows + block - 1) / block))][n];
        blocks(rows, block, (lane, from, to) -> sum.add(lane, from, to, parts[(int) (from / block)]));
        for (int i = 1; i < parts.length; i++) {
            for (int j = 0; j < n; j++) {
                parts[0][j] += parts[i][j];
            }
        }
        return parts[0];
    }

    /** Runs a loop over blocks of so many rows each. A sum over all rows adds up those of the blocks, in their order. */
    void blocks(long rows, long block, Loop loop) {
        long blocks = (rows + block - 1) / block;
        try (Shared shared = new Shared(rows, block, loop)) {
            for (int i = 1; i < Math.min(OneDnn.threads(), blocks) && shared.start(pool, lane(i)); i++) {}
            shared.work(lanes.get(0));
        }
    }

    /**
     * Returns the rows of a block of a sum {@code [n]} over rows, which depend on the sizes alone. There are so few blocks that their sums
     * have at most {@link #SUMS} values, or there is one.
     */
    static long block(long rows, long width, long n) {
        long blocks = Math.max(1, Math.min(BLOCKS, SUMS / Math.max(1, n)));
        return Math.max(Math.max(BLOCKS, PART / Math.max(1, width)), (rows + blocks - 1) / blocks);
    }

    private Lane lane(int index) {
        while (lanes.size() <= index) {
            lanes.add(new Lane());
        }
        return lanes.get(index);
    }

    /** A loop that threads share, part by part. */
    private static final class Shared implements AutoCloseable {
        private final long rows;
        private final long some; // rows of a part
        private final Loop loop;
        private final AtomicLong next = new AtomicLong();
        private final List<FutureTask<Void>> helpers = new ArrayList<>();

        Shared(long rows, long some, Loop loop) {
            this.rows = rows;
            this.some = some;
            this.loop = loop;
        }

        /** Has a thread of a pool help; returns false if no thread is available, as at the system's limit of threads. */
        boolean start(Executor pool, Lane lane) {
            FutureTask<Void> helper = new FutureTask<>(() -> work(lane), null);
            helpers.add(helper);
            try {
                pool.execute(helper);
                return true;
            } catch (OutOfMemoryError | RejectedExecutionException e) {
                helpers.remove(helper);
                return false;
            }
        }

        /** Computes parts until none is left. */
        void work(Lane lane) {
            for (long from = next.getAndAdd(some); from < rows; from = next.getAndAdd(some)) {
                loop.rows(lane, from, Math.min(rows, from + some));
            }
        }

        /**
         * Waits for all helpers, also after a failure and while this thread is interrupted: they write to arrays of the caller.
         *
         * @throws IllegalStateException if one of them failed
         */
        @Override
        public void close() {
            next.set(rows); // after a failure parts are left, which nobody needs
            helpers.forEach(FutureTask::run); // one that has not begun has nothing to do any more
            IllegalStateException failed = null;
            for (FutureTask<Void> helper : helpers) {
                try {
                    join(helper);
                } catch (ExecutionException e) {
                    if (failed == null) {
                        failed = new IllegalStateException(e.getCause());
                    } else {
                        failed.addSuppressed(e.getCause());
                    }
                }
            }
            if (failed != null) {
                throw failed;
            }
        }

        private static void join(FutureTask<Void> task) throws ExecutionException {
            boolean interrupted = false;
            try {
                while (true) {
                    try {
                        task.get();
                        return;
                    } catch (InterruptedException e) {
                        interrupted = true;
                    }
                }
            } finally {
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    /** Frees the native memory; it is taken anew when it is asked for. */
    void free() {
        lanes.forEach(Lane::free);
    }

    /** Memory that the loops of one thread use. It grows as needed, and no loop keeps anything in it. */
    static final class Lane {
        private static final int BLOCK = 1 << 15; // values of a BFLOAT16 array that are widened at once

        private final float[][] rows = {{}, {}, {}, {}};
        private final FloatPointer[] blocks = {new FloatPointer(), new FloatPointer()};
        private final Functions functions = Functions.ofOneThread();
        private final CpuMath math = new CpuMath();
        private double[] sums = {};

        /** Returns array {@code index}, 0 to 3, of at least n values. */
        float[] row(int index, int n) {
            if (rows[index].length < n) {
                rows[index] = new float[n];
            }
            return rows[index];
        }

        /** Returns an array of at least n values. */
        double[] sums(int n) {
            if (sums.length < n) {
                sums = new double[n];
            }
            return sums;
        }

        CpuMath math() {
            return math;
        }

        /**
         * Returns the memory of a FLOAT or BFLOAT16 array {@code [m, n]} for a loop that goes from row to row, up to value {@code end}: what
         * follows belongs to other threads. Of two BFLOAT16 arrays of a loop each needs an index of its own, 0 or 1. A loop that
         * writes {@linkplain CpuMemory#flush flushes} at its end.
         */
        CpuMemory memory(int index, Array array, long end) {
            if (!HostArray.isNarrow(array)) {
                return HostArray.memory(array);
            }
            FloatPointer block = CpuScratch.of(blocks, index, Math.max(BLOCK, array.size(array.rank() - 1)));
            return new CpuMemory.Narrow(HostArray.shorts(array), end, block, functions);
        }

        private void free() {
            CpuScratch.free(blocks);
            functions.close();
        }
    }
}
