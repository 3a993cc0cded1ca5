package dev.grft.vit.kernels;

import java.lang.ref.Reference;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Views of ND4J's arrays as memory that BLAS and the loops in Java read and write. */
final class CpuArrays {
    private CpuArrays() {}

    /** A pointer that holds its array: ND4J frees the memory of an array once nothing refers to the array. */
    private static final class Held extends FloatPointer {
        @SuppressWarnings("unused") // it is the reference that counts
        private final INDArray array;

        Held(INDArray array) {
            super(array.data().addressPointer());
            this.array = array;
            capacity(array.length());
        }
    }

    /** Returns a pointer to the first value of an array, whose memory lasts as long as the pointer. */
    static FloatPointer held(INDArray array) {
        return new Held(array);
    }

    /**
     * Returns what {@link #held} does.
     *
     * @throws IllegalArgumentException if the array is not FLOAT, contiguous and row-major: BLAS would misread it
     */
    static FloatPointer pointer(INDArray array) {
        require(array, DataType.FLOAT);
        return held(array);
    }

    private static void require(INDArray array, DataType type) {
        if (array.dataType() != type || !isRowMajor(array)) {
            throw new IllegalArgumentException("CpuKernels needs a contiguous row-major " + type + " array, got "
                    + array.dataType() + Arrays.toString(array.shape()) + array.ordering());
        }
    }

    /** Returns whether the values lie one after the other in 'c' order; ND4J's flags do not tell it for views. */
    static boolean isRowMajor(INDArray array) {
        long expected = 1;
        for (int i = array.rank() - 1; i >= 0; i--) {
            if (array.size(i) != 1 && array.stride(i) != expected) {
                return false;
            }
            expected *= array.size(i);
        }
        return true;
    }

    /** A pointer that holds its array, of bfloat16 numbers. */
    private static final class HeldShorts extends ShortPointer {
        @SuppressWarnings("unused") // it is the reference that counts
        private final INDArray array;

        HeldShorts(INDArray array) {
            super(array.data().addressPointer());
            this.array = array;
            capacity(array.length());
        }
    }

    /** Returns whether the values are bfloat16 numbers. */
    static boolean isNarrow(INDArray array) {
        return array.dataType() == DataType.BFLOAT16;
    }

    /**
     * Returns a pointer to the first value of a BFLOAT16 array, as {@link #pointer} does.
     *
     * @throws IllegalArgumentException if the array is not BFLOAT16, contiguous and row-major
     */
    static ShortPointer shorts(INDArray array) {
        require(array, DataType.BFLOAT16);
        return new HeldShorts(array);
    }

    /** Returns the memory from value {@code index} on: oneDNN reads the address alone, not the position. It does not {@link #keep} it. */
    static <P extends Pointer> P at(P pointer, long index) {
        return pointer.position(0).getPointer(index);
    }

    /** Keeps memory from being freed before this call: pointers {@linkplain #at into it} do not. */
    @SuppressWarnings("ReachabilityFenceUsage") // in no finally: after an exception nothing uses the memory
    static void keep(Pointer... pointers) {
        Reference.reachabilityFence(pointers);
    }

    /** Returns the memory of an array, with the checks of {@link #pointer}. */
    static CpuMemory memory(INDArray array) {
        return new CpuMemory(pointer(array));
    }

    /** Returns a copy of a DOUBLE array. */
    static double[] doubles(INDArray array) {
        return array.data().asDouble();
    }

    /** Returns a copy of the values of a FLOAT array. */
    static float[] read(INDArray array) {
        return read(array, 0);
    }

    /** Returns the same, with room for so many values more. */
    static float[] read(INDArray array, int more) {
        int n = length(array);
        float[] values = new float[n + more];
        memory(array).get(0, values, 0, n);
        return values;
    }

    /**
     * Returns a size of an array.
     *
     * @throws ArithmeticException if it exceeds an int
     */
    static int size(INDArray array, int dimension) {
        return Math.toIntExact(array.size(dimension));
    }

    /**
     * Returns the number of values of an array.
     *
     * @throws ArithmeticException if it exceeds an int
     */
    static int length(INDArray array) {
        return Math.toIntExact(array.length());
    }
}
