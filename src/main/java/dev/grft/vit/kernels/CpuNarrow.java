package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Functions;
import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * A BFLOAT16 array that loops in Java read and write as floats, one row after the other: some rows at a time lie in a block, to which they are
 * widened, and from which they are rounded when the loop has gone on or {@linkplain #flush ends}.
 */
final class CpuNarrow extends CpuMemory {
    private final ShortPointer values;
    private final long length;
    private final FloatPointer block;
    private final Functions functions;
    private long start;
    private long filled; // values of the block that are those from start on
    private boolean changed;

    /** Returns the values of an array, as many as {@code length}, a block of which lies in {@code block}. */
    CpuNarrow(ShortPointer values, long length, FloatPointer block, Functions functions) {
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
            functions.widen(CpuArrays.at(values, start), block, filled);
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
            functions.narrow(block, CpuArrays.at(values, start), filled);
            changed = false;
        }
        CpuArrays.keep(values);
    }

    @Override
    FloatBuffer window(long at) {
        throw new UnsupportedOperationException("a BFLOAT16 array has no floats");
    }
}
