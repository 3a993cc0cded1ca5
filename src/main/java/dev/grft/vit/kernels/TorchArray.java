package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.nd4j.Freed;
import dev.grft.vit.kernels.torch.Torch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * An array in the memory of LibTorch's device. Tensors of it are made for each call: one that lives on would keep the memory after {@link
 * #close}.
 */
final class TorchArray extends Array {
    /** LibTorch's device. */
    static final Memory MEMORY = TorchArray::allocate;

    private final Tensor memory; // of all values, in a row
    private final long from;
    private final boolean view;

    private TorchArray(DataType type, Tensor memory, long from, boolean view, long... shape) {
        super(type, shape);
        this.memory = memory;
        this.from = from;
        this.view = view;
    }

    /** Does {@link Memory#allocate}. */
    private static TorchArray allocate(DataType type, long... shape) {
        Torch.load();
        Tensor memory = Torch.empty(type(type), length(shape)).retainReference(); // beyond the caller's scope
        return new TorchArray(type, memory, 0, false, shape);
    }

    /** Returns LibTorch's name of a type. */
    static ScalarType type(DataType type) {
        return switch (type) {
            case FLOAT -> ScalarType.Float;
            case DOUBLE -> ScalarType.Double;
            case BFLOAT16 -> ScalarType.BFloat16;
        };
    }

    @Override
    Array part(long first, long... shape) {
        return new TorchArray(type(), memory, from + first, true, shape);
    }

    /**
     * Returns a tensor of an array in some shape, for the scope of the caller.
     *
     * @throws IllegalArgumentException if the array lies in another memory
     * @throws IllegalStateException if it is freed
     */
    private static Tensor tensor(Array array, long... shape) {
        if (!(array instanceof TorchArray here)) {
            throw new IllegalArgumentException("TorchKernels needs arrays of its own memory, got a "
                    + array.getClass().getSimpleName() + " " + array);
        }
        if (here.memory.isNull()) {
            throw new IllegalStateException(array + " is freed");
        }
        return here.memory.narrow(0, here.from, here.length()).view(shape);
    }

    /** The tensors of one call, and what its operations allocate. */
    static final class Call implements AutoCloseable {
        private final PointerScope scope = new PointerScope();

        /** Returns a tensor of an array's shape. */
        Tensor of(Array array) {
            return tensor(array, array.shape());
        }

        /** Returns a tensor of all values in a row. */
        Tensor flat(Array array) {
            return tensor(array, array.length());
        }

        @Nullable
        Tensor ofOrNull(@Nullable Array array) {
            return array == null ? null : of(array);
        }

        @Override
        public void close() {
            scope.close();
        }
    }

    @Override
    public Array fill(double value) {
        try (Call call = new Call()) {
            call.flat(this).fill_(scalar(value));
        }
        return this;
    }

    @Override
    public Array copy(Array other) {
        requireLength(other.length());
        try (Call call = new Call()) {
            call.flat(this).copy_(call.flat(other));
        }
        return this;
    }

    @Override
    public Array write(float[] values) {
        requireLength(values.length);
        try (Call call = new Call()) {
            call.flat(this).copy_(Torch.view(new FloatPointer(values), ScalarType.Float, length()));
        }
        return this;
    }

    @Override
    public Array write(double[] values) {
        requireLength(values.length);
        try (Call call = new Call()) {
            call.flat(this).copy_(Torch.view(new DoublePointer(values), ScalarType.Double, length()));
        }
        return this;
    }

    @Override
    public void read(float[] values) {
        requireLength(values.length);
        try (Call call = new Call()) {
            FloatPointer copy = new FloatPointer(length());
            Torch.view(copy, ScalarType.Float, length()).copy_(call.flat(this));
            copy.get(values);
        }
    }

    @Override
    public double[] doubles() {
        double[] values = new double[Math.toIntExact(length())];
        try (Call call = new Call()) {
            DoublePointer copy = new DoublePointer(length());
            Torch.view(copy, ScalarType.Double, length()).copy_(call.flat(this));
            copy.get(values);
        }
        return values;
    }

    @Override
    public void close() {
        if (!view && !memory.isNull()) {
            memory.deallocate();
            Freed.count(bytes());
        }
    }
}
