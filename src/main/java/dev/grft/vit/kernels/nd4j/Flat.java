package dev.grft.vit.kernels.nd4j;

import dev.grft.vit.kernels.blas.Blas;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Copies between Java's arrays and ND4J's contiguous ones: whole blocks at once, where ND4J goes number by number. */
public final class Flat {
    static {
        Blas.prepare(); // this may be the first use of ND4J
    }

    private Flat() {}

    /** Returns a copy of the values. */
    public static float[] read(INDArray array) {
        float[] copy = new float[Math.toIntExact(array.length())];
        read(array, copy);
        return copy;
    }

    /** Puts the values into an array of as many. */
    public static void read(INDArray array, float[] copy) {
        requireLength(copy.length, array);
        if (inMemory(array, DataType.FLOAT)) {
            Pointers.floats(array).get(copy);
        } else {
            System.arraycopy(array.dup().data().asFloat(), 0, copy, 0, copy.length);
        }
    }

    /** Returns a copy of the values. */
    public static double[] doubles(INDArray array) {
        if (!inMemory(array, DataType.DOUBLE)) {
            return array.castTo(DataType.DOUBLE).dup('c').data().asDouble();
        }
        double[] copy = new double[Math.toIntExact(array.length())];
        Pointers.doubles(array).get(copy);
        return copy;
    }

    /** Returns an array of a shape, rows first, that holds a copy of the numbers. */
    public static INDArray array(float[] numbers, DataType type, long... shape) {
        INDArray array = Nd4j.createUninitialized(DataType.FLOAT, shape, 'c');
        write(numbers, array);
        return type == DataType.FLOAT ? array : array.castTo(type);
    }

    /** Puts numbers into an array of as many, rows first. */
    public static void write(float[] numbers, INDArray array) {
        requireLength(numbers.length, array);
        if (inMemory(array, DataType.FLOAT)) {
            Pointers.floats(array).put(numbers);
        } else {
            array.assign(Nd4j.createFromArray(numbers).reshape(array.shape()));
        }
    }

    /** Puts numbers into an array of as many, rows first. */
    public static void write(double[] numbers, INDArray array) {
        requireLength(numbers.length, array);
        if (inMemory(array, DataType.DOUBLE)) {
            Pointers.doubles(array).put(numbers);
        } else {
            array.assign(Nd4j.createFromArray(numbers).reshape(array.shape()));
        }
    }

    private static void requireLength(int numbers, INDArray array) {
        if (numbers != array.length()) {
            throw new IllegalArgumentException(numbers + " numbers for a vector of " + array.length());
        }
    }

    private static boolean inMemory(INDArray array, DataType type) {
        return array.dataType() == type && !array.isEmpty();
    }
}
