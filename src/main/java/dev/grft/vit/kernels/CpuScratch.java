package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Functions;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Scratch memory of the kernels of one thread. It grows as needed, and no kernel keeps anything in it after its call. */
final class CpuScratch {
    /** The number of values that a loop works on at once: a few arrays of this length fit into the nearest cache. */
    static final int CHUNK = 2048;

    private static final int BLOCK = 1 << 15; // values of a BFLOAT16 array that are widened at once

    private final float[][] rows = {{}, {}, {}, {}};
    private final FloatPointer[] matrices = {new FloatPointer(), new FloatPointer(), new FloatPointer()};
    private final FloatPointer[] blocks = {new FloatPointer(), new FloatPointer()};
    private final ShortPointer[] shorts = {
        new ShortPointer(), new ShortPointer(), new ShortPointer(), new ShortPointer()
    };
    private final Functions functions = new Functions();
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

    /** Frees the native memory; it is taken anew when it is asked for. */
    void free() {
        free(matrices);
        free(blocks);
        for (int i = 0; i < shorts.length; i++) {
            shorts[i].deallocate();
            shorts[i] = new ShortPointer();
        }
        functions.close();
    }

    private static void free(FloatPointer[] memory) {
        for (int i = 0; i < memory.length; i++) {
            memory[i].deallocate();
            memory[i] = new FloatPointer();
        }
    }

    /** Returns native memory {@code index}, 0 to 2, of at least n values, its position 0. */
    FloatPointer matrix(int index, long n) {
        return of(matrices, index, n);
    }

    private static FloatPointer of(FloatPointer[] memory, int index, long n) {
        if (memory[index].capacity() < n) {
            memory[index].deallocate();
            memory[index] = new FloatPointer(n);
        }
        return memory[index].position(0);
    }

    /** Returns native memory {@code index}, 0 to 3, of at least n bfloat16 numbers. */
    ShortPointer shorts(int index, long n) {
        if (shorts[index].capacity() < n) {
            shorts[index].deallocate();
            shorts[index] = new ShortPointer(n);
        }
        return shorts[index];
    }

    /** Returns what widens and rounds bfloat16 numbers. */
    Functions functions() {
        return functions;
    }

    /**
     * Returns the memory of a FLOAT or BFLOAT16 array {@code [m, n]} for loops that go from row to row. Of two BFLOAT16 arrays of a loop
     * each needs an index of its own, 0 or 1. Whoever writes {@linkplain CpuMemory#flush flushes}.
     */
    CpuMemory memory(int index, INDArray array) {
        if (!CpuArrays.isNarrow(array)) {
            return CpuArrays.memory(array);
        }
        FloatPointer block = of(blocks, index, Math.max(BLOCK, array.size(array.rank() - 1)));
        return new CpuMemory.Narrow(CpuArrays.shorts(array), array.length(), block, functions);
    }
}
