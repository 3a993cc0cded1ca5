package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Functions;
import java.lang.ref.Reference;
import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * Floats in native memory, as many as there are, that loops in Java read and write some at a time.
 *
 * <p>A buffer of Java's ends below 2^31 bytes, so a long memory has several: one begins every {@code 2^bits} values and reaches to the end of
 * the next. So up to {@code 2^bits} values from any position on lie in one buffer.
 */
class CpuMemory {
    private static final int BITS =
            28; // two of these windows, less one value, are the most that a buffer of Java's can hold

    private final FloatPointer pointer; // which holds the memory
    private final FloatBuffer[] windows;
    private final int bits;

    /** Returns the memory from the position of a pointer to its end. */
    CpuMemory(FloatPointer pointer) {
        this(pointer, BITS);
    }

    CpuMemory(FloatPointer pointer, int bits) {
        this.pointer = pointer;
        this.bits = bits;
        long from = pointer.position();
        long end = pointer.limit();
        long size = 1L << bits;
        windows = new FloatBuffer[Math.toIntExact(Math.max(1, (end - from + size - 1) / size))];
        for (int i = 0; i < windows.length; i++) {
            long at = from + i * size;
            windows[i] = pointer.getPointer(at)
                    .position(0)
                    .capacity(Math.min(end - at, 2 * size - 1))
                    .asBuffer();
        }
    }

    /** Returns a buffer that holds {@code 2^bits} values from a position on, or all that follow; see {@link #in}. */
    FloatBuffer window(long at) {
        return part(at);
    }

    private FloatBuffer part(long at) {
        return windows[(int) (at >>> bits)];
    }

    /** Returns where a position is in its {@link #window}. */
    int in(long at) {
        return (int) (at & ((1L << bits) - 1));
    }

    /** Reads n values from a position on into {@code to}, from its index {@code first} on. */
    void get(long at, float[] to, int first, int n) {
        part(at).get(in(at), to, first, n);
        keep();
    }

    /** Writes n values of {@code from}, from its index {@code first} on, to a position. */
    void put(long at, float[] from, int first, int n) {
        part(at).put(in(at), from, first, n);
        keep();
    }

    /** Copies n values, any number, from a position of {@code from} to one of this memory. */
    void put(long at, CpuMemory from, long first, long n) {
        long most = 1L << Math.min(bits, from.bits);
        for (long done = 0; done < n; done += most) {
            int some = (int) Math.min(most, n - done);
            window(at + done).put(in(at + done), from.window(first + done), from.in(first + done), some);
        }
        from.keep();
        keep();
    }

    float get(long at) {
        float value = part(at).get(in(at));
        keep();
        return value;
    }

    void put(long at, float value) {
        part(at).put(in(at), value);
        keep();
    }

    /** Writes what {@link #put} still holds back; to be called after the last put. */
    void flush() {
        keep();
    }

    /** Keeps the memory from being freed before this call; to be called after the last use of a {@link #window}. */
    @SuppressWarnings("ReachabilityFenceUsage") // in no finally: after an exception nothing uses the memory
    void keep() {
        Reference.reachabilityFence(pointer);
    }

    /**
     * A BFLOAT16 array that loops in Java read and write as floats, one row after the other: some rows at a time lie in a block, to which they are
     * widened, and from which they are rounded when the loop has gone on or {@linkplain #flush ends}.
     */
    static final class Narrow extends CpuMemory {
        private final ShortPointer values;
        private final long length;
        private final FloatPointer block;
        private final Functions functions;
        private long start;
        private long filled; // values of the block that are those from start on
        private boolean changed;

        /** Returns the values of an array, as many as {@code length}, a block of which lies in {@code block}. */
        Narrow(ShortPointer values, long length, FloatPointer block, Functions functions) {
            super(block);
            this.values = values;
            this.length = length;
            this.block = block;
            this.functions = functions;
        }

        @Override
        void get(long at, float[] to, int first, int n) {
            if (at < start || at + n > start + filled) {
                flush();
                start = at;
                filled = Math.min(block.capacity(), length - at);
                functions.widen(HostArray.at(values, start), block, filled);
            }
            super.get(at - start, to, first, n);
        }

        @Override
        void put(long at, float[] from, int first, int n) {
            if (at < start || at > start + filled || at + n > start + block.capacity()) {
                flush();
                start = at;
                filled = 0;
            }
            super.put(at - start, from, first, n);
            filled = Math.max(filled, at + n - start);
            changed = true;
        }

        @Override
        void flush() {
            if (changed) {
                functions.narrow(block, HostArray.at(values, start), filled);
                changed = false;
            }
            HostArray.keep(values);
        }

        @Override
        float get(long at) {
            throw new UnsupportedOperationException("a BFLOAT16 array is read in rows");
        }

        @Override
        void put(long at, float value) {
            throw new UnsupportedOperationException("a BFLOAT16 array is written in rows");
        }

        @Override
        FloatBuffer window(long at) {
            throw new UnsupportedOperationException("a BFLOAT16 array has no floats");
        }
    }
}
