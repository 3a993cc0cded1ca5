package dev.grft.vit.kernels.torch;

import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * Where tensors lie, and what computes with them. A copy to Java waits until its values are computed; nothing else waits for a GPU.
 *
 * @param name as LibTorch has it, such as {@code cpu} or {@code cuda:0}
 * @param gpu whether operations are chosen as for a GPU
 */
public record TorchDevice(String name, boolean gpu) {
    /** The processor. */
    public static final TorchDevice CPU = new TorchDevice("cpu", false);

    /** The first GPU that this process sees. */
    public static final TorchDevice GPU = new TorchDevice("cuda:0", true);

    private static final int PIECE =
            4 << 20; // values that are copied at a time; for a GPU each piece is pinned until its copy is over

    /** What is done with {@code n} values from one on. */
    private interface Piece {
        void copy(int from, int n);
    }

    /** Returns a new tensor of so many values, which are undefined. */
    public Tensor empty(torch.ScalarType type, long length) {
        return torch.empty(
                new long[] {length},
                new TensorOptions(type).device(new DeviceOptional(new Device(name))),
                new MemoryFormatOptional());
    }

    /** Returns a new tensor in host memory: pinned for a GPU, which then copies while the host goes on. */
    private Tensor host(torch.ScalarType type, int length) {
        return torch.empty(
                new long[] {length},
                new TensorOptions(type).pinned_memory(new BoolOptional(name.startsWith("cuda"))),
                new MemoryFormatOptional());
    }

    /** Overwrites {@code to [n]}, of any type. */
    public void write(float[] values, Tensor to) {
        inPieces(values.length, (from, n) -> {
            Tensor host = host(torch.ScalarType.Float, n);
            host.data_ptr_float().put(values, from, n);
            send(host, to.narrow(0, from, n));
        });
    }

    /** Overwrites {@code to [n]}, of any type. */
    public void write(double[] values, Tensor to) {
        inPieces(values.length, (from, n) -> {
            Tensor host = host(torch.ScalarType.Double, n);
            host.data_ptr_double().put(values, from, n);
            send(host, to.narrow(0, from, n));
        });
    }

    /** Copies without waiting. LibTorch gives pinned memory away again only when such copies are over. */
    private static Tensor send(Tensor host, Tensor to) {
        return to.copy_(host, true);
    }

    /** Returns a new tensor of numbers. */
    public Tensor indices(int[] numbers) {
        Tensor host = host(torch.ScalarType.Long, numbers.length);
        LongPointer values = host.data_ptr_long();
        for (int i = 0; i < numbers.length; i++) {
            values.put(i, numbers[i]);
        }
        return send(host, empty(torch.ScalarType.Long, numbers.length));
    }

    /** Puts {@code from [n]}, of any type, into an array of as many. */
    public void read(Tensor from, float[] values) {
        inPieces(values.length, (at, n) -> {
            Tensor host = host(torch.ScalarType.Float, n).copy_(from.narrow(0, at, n));
            host.data_ptr_float().get(values, at, n);
        });
    }

    /** Puts {@code from [n]}, of any type, into an array of as many. */
    public void read(Tensor from, double[] values) {
        inPieces(values.length, (at, n) -> {
            Tensor host = host(torch.ScalarType.Double, n).copy_(from.narrow(0, at, n));
            host.data_ptr_double().get(values, at, n);
        });
    }

    @SuppressWarnings("try") // the scope frees what is made in it
    private static void inPieces(int length, Piece piece) {
        for (int from = 0; from < length; from += PIECE) {
            try (PointerScope scope = new PointerScope()) {
                piece.copy(from, Math.min(PIECE, length - from));
            }
        }
    }
}
