package dev.grft.vit.kernels;

import dev.grft.vit.kernels.blas.Blas;
import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.nd4j.Freed;
import dev.grft.vit.kernels.nd4j.Pointers;
import java.lang.ref.Reference;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;

/** An array in the memory of ND4J's backend, and what BLAS and the loops in Java read and write of it. */
final class HostArray extends Array {
    static {
        Blas.prepare(); // this may be the first array of the process
    }

    private final INDArray array;
    private final boolean view;

    private HostArray(INDArray array, boolean view) {
        super(DataType.valueOf(array.dataType().name()), array.shape());
        this.array = array;
        this.view = view;
    }

    /** Does {@link Memory#allocate}. */
    static HostArray allocate(DataType type, long... shape) {
        return new HostArray(Nd4j.createUninitialized(nd4j(type), shape, 'c'), false);
    }

    private static org.nd4j.linalg.api.buffer.DataType nd4j(DataType type) {
        return org.nd4j.linalg.api.buffer.DataType.valueOf(type.name());
    }

    @Override
    Array part(long from, long... shape) {
        INDArray flat = array.reshape('c', new long[] {length()});
        long to = from + length(shape);
        INDArray some = from == 0 && to == length() ? flat : flat.get(NDArrayIndex.interval(from, to));
        return new HostArray(some.reshape('c', shape), true);
    }

    @Override
    public Array fill(double value) {
        nd4j(this).assign(value);
        return this;
    }

    @Override
    public Array copy(Array other) {
        requireLength(other.length());
        nd4j(this).assign(nd4j(other).reshape('c', shape()));
        return this;
    }

    @Override
    public Array write(float[] values) {
        requireLength(values.length);
        Flat.write(values, nd4j(this));
        return this;
    }

    @Override
    public Array write(double[] values) {
        requireLength(values.length);
        Flat.write(values, nd4j(this));
        return this;
    }

    @Override
    public void read(float[] values) {
        requireLength(values.length);
        Flat.read(nd4j(this), values);
    }

    @Override
    public double[] doubles() {
        return Flat.doubles(nd4j(this));
    }

    @Override
    public void close() {
        if (!view) {
            Freed.array(array);
        }
    }

    /**
     * Returns the array as ND4J has it.
     *
     * @throws IllegalArgumentException if it lies in another memory
     * @throws IllegalStateException if it is freed
     */
    static INDArray nd4j(Array array) {
        if (!(array instanceof HostArray host)) {
            throw new IllegalArgumentException("these kernels need arrays of their own memory, got a "
                    + array.getClass().getSimpleName() + " " + array);
        }
        if (host.array.wasClosed()) {
            throw new IllegalStateException(array + " is freed");
        }
        return host.array;
    }

    /**
     * Returns a pointer to the first value of an array, whose memory lasts as long as the pointer.
     *
     * @throws IllegalArgumentException if the array is not FLOAT: BLAS would misread it
     */
    static FloatPointer pointer(Array array) {
        return Pointers.floats(require(array, DataType.FLOAT));
    }

    private static INDArray require(Array array, DataType type) {
        if (array.type() != type) {
            throw new IllegalArgumentException("CpuKernels needs an array of " + type + ", got " + array);
        }
        return nd4j(array);
    }

    /** Returns whether the values are bfloat16 numbers. */
    static boolean isNarrow(Array array) {
        return array.type() == DataType.BFLOAT16;
    }

    /**
     * Returns a pointer to the first value of a BFLOAT16 array, as {@link #pointer} does.
     *
     * @throws IllegalArgumentException if the array is not BFLOAT16
     */
    static ShortPointer shorts(Array array) {
        return Pointers.shorts(require(array, DataType.BFLOAT16));
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
    static CpuMemory memory(Array array) {
        return new CpuMemory(pointer(array));
    }

    /** Returns a copy of the values of a FLOAT array, with room for so many more. */
    static float[] read(Array array, int more) {
        int n = length(array);
        float[] values = new float[n + more];
        memory(array).get(0, values, 0, n);
        return values;
    }

    /** Returns the same without more room. */
    static float[] read(Array array) {
        return read(array, 0);
    }

    /**
     * Returns a size of an array.
     *
     * @throws ArithmeticException if it exceeds an int
     */
    static int size(Array array, int dimension) {
        return Math.toIntExact(array.size(dimension));
    }

    /**
     * Returns the number of values of an array.
     *
     * @throws ArithmeticException if it exceeds an int
     */
    static int length(Array array) {
        return Math.toIntExact(array.length());
    }
}
