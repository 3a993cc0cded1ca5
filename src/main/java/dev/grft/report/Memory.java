package dev.grft.report;

import java.lang.management.ManagementFactory;
import java.util.function.LongSupplier;

/**
 * The memory that a training in this process needs: what a garbage collection at its end leaves of the heap, and the most
 * native memory that its networks have held, which the caller counts.
 *
 * <p>Not what the system says is resident: a heap keeps what it once had, and so does the C library, so that in one process
 * every training would seem to need at least as much as the one before. What is garbage again before a step is over, such as
 * the gradients of the shards, is not in it.
 */
public final class Memory {
    private final LongSupplier natives;
    private long most;

    private Memory(LongSupplier natives) {
        this.natives = natives;
    }

    /**
     * Begins to watch; collects the garbage of others first, with which native memory goes.
     *
     * @param natives returns the bytes of native memory in use
     */
    public static Memory watch(LongSupplier natives) {
        System.gc();
        return new Memory(natives);
    }

    /** Looks at the native memory; cheap enough for each step. */
    public void look() {
        most = Math.max(most, natives.getAsLong());
    }

    /** Returns the bytes that were needed; collects the garbage, so what counts must still be held. */
    public long bytes() {
        look();
        System.gc();
        return most + ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }
}
