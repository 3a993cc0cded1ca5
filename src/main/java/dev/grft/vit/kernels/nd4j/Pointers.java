package dev.grft.vit.kernels.nd4j;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Pointers to the first value of ND4J's arrays. They hold the array: ND4J frees its memory once nothing refers to it. */
@SuppressWarnings("unused") // it is the reference that counts
public final class Pointers {
    private Pointers() {}

    private static final class Floats extends FloatPointer {
        private final INDArray array;

        Floats(INDArray array) {
            super(array.data().addressPointer());
            this.array = array;
            capacity(array.length());
        }
    }

    private static final class Doubles extends DoublePointer {
        private final INDArray array;

        Doubles(INDArray array) {
            super(array.data().addressPointer());
            this.array = array;
            capacity(array.length());
        }
    }

    private static final class Shorts extends ShortPointer {
        private final INDArray array;

        Shorts(INDArray array) {
            super(array.data().addressPointer());
            this.array = array;
            capacity(array.length());
        }
    }

    /** Returns a pointer to floats. */
    public static FloatPointer floats(INDArray array) {
        return new Floats(array);
    }

    /** Returns a pointer to doubles. */
    public static DoublePointer doubles(INDArray array) {
        return new Doubles(array);
    }

    /** Returns a pointer to bfloat16 numbers. */
    public static ShortPointer shorts(INDArray array) {
        return new Shorts(array);
    }
}
