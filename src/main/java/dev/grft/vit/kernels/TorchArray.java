package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.nd4j.Freed;
import dev.grft.vit.kernels.torch.Torch;
import dev.grft.vit.kernels.torch.TorchDevice;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * An array in LibTorch's memory on a device. Tensors of it are made for each call: one that lives on would keep the memory after {@link
 * #close}.
 */
final class TorchArray extends Array {
    private final TorchDevice device;
    private final Tensor memory; // of all values, in a row
    private final long from;
    private final boolean view;

    private TorchArray(TorchDevice device, DataType type, Tensor memory, long from, boolean view, long... shape) {
        super(type, shape);
        this.device = device;
        this.memory = memory;
        this.from = from;
        this.view = view;
    }

    /** Where LibTorch's arrays lie. */
    record Place(TorchDevice device) implements Memory {
        @Override
        @SuppressWarnings("try") // the scope frees what is made in it
        public Array allocate(DataType type, long... shape) {
            Torch.load();
            try (PointerScope scope = new PointerScope()) {
                Tensor memory = device.empty(type(type), length(shape)).retainReference(); // beyond the scope
                return new TorchArray(device, type, memory, 0, false, shape);
            }
        }
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
        return new TorchArray(device, type(), memory, from + first, true, shape);
    }

    /** The tensors of one call, and what its operations allocate. */
    static final class Call implements AutoCloseable {
        private final TorchDevice device;
        private final PointerScope scope = new PointerScope();

        /** Begins a call of a device, whose arrays alone it may use. */
        Call(TorchDevice device) {
            this.device = device;
        }

        /**
         * Returns a tensor of an array in some shape, until this call ends.
         *
         * @throws IllegalArgumentException if the array lies in another memory
         * @throws IllegalStateException if it is freed
         */
        private Tensor tensor(Array array, long... shape) {
            if (!(array instanceof TorchArray here) || !here.device.name().equals(device.name())) {
                throw new IllegalArgumentException("TorchKernels needs arrays of its own memory, got a "
                        + array.getClass().getSimpleName() + " " + array);
            }
            if (here.memory.isNull()) {
                throw new IllegalStateException(array + " is freed");
            }
            return here.memory.narrow(0, here.from, here.length()).view(shape);
        }

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
        try (Call call = new Call(device)) {
            call.flat(this).fill_(scalar(value));
        }
        return this;
    }

    @Override
    public Array copy(Array other) {
        requireLength(other.length());
        try (Call call = new Call(device)) {
            call.flat(this).copy_(call.flat(other));
        }
        return this;
    }

    @Override
    public Array write(float[] values) {
        requireLength(values.length);
        try (Call call = new Call(device)) {
            device.write(values, call.flat(this));
        }
        return this;
    }

    @Override
    public Array write(double[] values) {
        requireLength(values.length);
        try (Call call = new Call(device)) {
            device.write(values, call.flat(this));
        }
        return this;
    }

    @Override
    public void read(float[] values) {
        requireLength(values.length);
        try (Call call = new Call(device)) {
            device.read(call.flat(this), values);
        }
    }

    @Override
    public double[] doubles() {
        double[] values = new double[Math.toIntExact(length())];
        try (Call call = new Call(device)) {
            device.read(call.flat(this), values);
        }
        return values;
    }

    @Override
    public void close() {
        if (!view && !memory.isNull()) {
            memory.deallocate();
            Freed.count(device.gpu() ? 0 : bytes());
        }
    }
}
