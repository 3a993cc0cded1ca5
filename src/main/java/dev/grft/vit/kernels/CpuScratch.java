package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Functions;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;

/** Native scratch memory of kernels, beside that of {@linkplain CpuThreads.Lane their loops}. It grows as needed, and no kernel keeps anything in it after its call. */
final class CpuScratch {
    /** The number of values that a loop works on at once: a few arrays of this length fit into the nearest cache. */
    static final int CHUNK = 2048;

    private final FloatPointer[] matrices = {new FloatPointer(), new FloatPointer(), new FloatPointer()};
    private final ShortPointer[] shorts = {
        new ShortPointer(), new ShortPointer(), new ShortPointer(), new ShortPointer()
    };
    private final Functions functions = new Functions();

    /** Frees the native memory; it is taken anew when it is asked for. */
    void free() {
        free(matrices);
        for (int i = 0; i < shorts.length; i++) {
            shorts[i].deallocate();
            shorts[i] = new ShortPointer();
        }
        functions.close();
    }

    static void free(FloatPointer[] memory) {
        for (int i = 0; i < memory.length; i++) {
            memory[i].deallocate();
            memory[i] = new FloatPointer();
        }
    }

    /** Returns native memory {@code index}, 0 to 2, of at least n values, its position 0. */
    FloatPointer matrix(int index, long n) {
        return of(matrices, index, n);
    }

    static FloatPointer of(FloatPointer[] memory, int index, long n) {
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

    /** Returns what widens and rounds bfloat16 numbers, with all threads. */
    Functions functions() {
        return functions;
    }
}
