package dev.grft.vit.kernels;

import org.bytedeco.javacpp.FloatPointer;

/** Scratch memory of the kernels of one thread. It grows as needed, and no kernel keeps anything in it after its call. */
final class CpuScratch {
    /** The number of values that a loop works on at once: a few arrays of this length fit into the nearest cache. */
    static final int CHUNK = 2048;

    private final float[][] rows = {{}, {}, {}, {}};
    private final FloatPointer[] matrices = {new FloatPointer(), new FloatPointer()};
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
        for (int i = 0; i < matrices.length; i++) {
            matrices[i].deallocate();
            matrices[i] = new FloatPointer();
        }
    }

    /** Returns native memory {@code index}, 0 or 1, of at least n values, its position 0. */
    FloatPointer matrix(int index, long n) {
        if (matrices[index].capacity() < n) {
            matrices[index].deallocate();
            matrices[index] = new FloatPointer(n);
        }
        return matrices[index].position(0);
    }
}
