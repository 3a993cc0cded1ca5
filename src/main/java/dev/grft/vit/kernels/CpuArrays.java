package dev.grft.vit.kernels;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Views of ND4J's arrays as memory that BLAS and the loops in Java read and write. */
final class CpuArrays {
    private CpuArrays() {}

    /**
     * Returns a pointer to the first value of an array.
     *
     * @throws IllegalArgumentException if the array is not FLOAT, contiguous and row-major: BLAS would misread it
     */
    static FloatPointer pointer(INDArray array) {
        if (array.dataType() != DataType.FLOAT || !isRowMajor(array)) {
            throw new IllegalArgumentException("CpuKernels needs a contiguous row-major FLOAT array, got "
                    + array.dataType() + Arrays.toString(array.shape()) + array.ordering());
        }
        FloatPointer pointer = new FloatPointer(array.data().addressPointer());
        return pointer.capacity(array.length());
    }

    /** Returns whether the values lie one after the other in 'c' order; ND4J's flags do not tell it for views. */
    private static boolean isRowMajor(INDArray array) {
        long expected = 1;
        for (int i = array.rank() - 1; i >= 0; i--) {
            if (array.size(i) != 1 && array.stride(i) != expected) {
                return false;
            }
            expected *= array.size(i);
        }
        return true;
    }

    /** Returns the memory of an array, with the checks of {@link #pointer}. */
    static FloatBuffer buffer(INDArray array) {
        return pointer(array).asBuffer();
    }

    /** Returns a copy of a DOUBLE array. */
    static double[] doubles(INDArray array) {
        return array.data().asDouble();
    }

    /** Reads n values from {@code at} on into {@code to}, which is returned. */
    static float[] read(FloatBuffer from, int at, float[] to, int n) {
        from.get(at, to, 0, n);
        return to;
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
