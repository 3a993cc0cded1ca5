package dev.grft.vit.kernels;

import java.util.Arrays;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Copies between Java's arrays and ND4J's flat vectors: on a CPU whole blocks at once, where ND4J goes number by number. */
public final class Flat {
    /** Whether ND4J computes on the CPU. */
    static final boolean CPU = computesOnCpu();

    private Flat() {}

    private static boolean computesOnCpu() {
        Backend.prepare(); // the next line starts ND4J, which cannot be prepared afterwards
        return "CPU".equals(Nd4j.getExecutioner().getEnvironmentInformation().getProperty("backend"));
    }

    /** Returns a copy of a contiguous vector. */
    public static float[] read(INDArray vector) {
        float[] copy = new float[Math.toIntExact(vector.length())];
        read(vector, copy);
        return copy;
    }

    /** Puts a contiguous vector into an array of as many numbers. */
    public static void read(INDArray vector, float[] copy) {
        requireLength(copy, vector);
        if (inMemory(vector)) {
            CpuArrays.held(vector).get(copy);
        } else {
            System.arraycopy(vector.dup().data().asFloat(), 0, copy, 0, copy.length);
        }
    }

    /** Returns a copy of a contiguous matrix, by rows. */
    public static float[][] rows(INDArray matrix) {
        float[] all = read(matrix);
        int columns = Math.toIntExact(matrix.size(1));
        float[][] rows = new float[Math.toIntExact(matrix.size(0))][];
        for (int r = 0; r < rows.length; r++) {
            rows[r] = Arrays.copyOfRange(all, r * columns, (r + 1) * columns);
        }
        return rows;
    }

    /** Returns an array of a shape, rows first, that holds a copy of as many numbers. */
    public static INDArray array(float[] numbers, DataType type, long... shape) {
        INDArray array = Nd4j.createUninitialized(DataType.FLOAT, shape, 'c');
        write(numbers, array);
        return type == DataType.FLOAT ? array : array.castTo(type);
    }

    /** Puts numbers into a contiguous array of as many, rows first. */
    public static void write(float[] numbers, INDArray vector) {
        requireLength(numbers, vector);
        if (inMemory(vector)) {
            CpuArrays.held(vector).put(numbers);
        } else {
            vector.assign(Nd4j.createFromArray(numbers).reshape(vector.shape()));
        }
    }

    private static void requireLength(float[] numbers, INDArray vector) {
        if (numbers.length != vector.length()) {
            throw new IllegalArgumentException(numbers.length + " numbers for a vector of " + vector.length());
        }
    }

    private static boolean inMemory(INDArray vector) {
        return CPU && vector.dataType() == DataType.FLOAT && !vector.isEmpty();
    }
}
