package dev.grft.vit.kernels.onednn;

import java.util.function.Supplier;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.reorder;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A weight {@code [out, in]} that does not change, in bfloat16 and in the order in which products read it: made once, at the first product,
 * and read by all threads. The order depends on the sizes and the processor alone, not on the rows of a product or its threads.
 */
public final class Packed implements AutoCloseable {
    private static final long ROWS = 1024; // of the product whose order is taken, like those of a batch

    private @Nullable BytePointer forward;
    private @Nullable BytePointer backward;
    private @Nullable Pointer rounded;
    private long roundedBytes;

    /** Returns the packed W', which {@code x [M, in]} is multiplied by. */
    synchronized BytePointer forward(FloatPointer w, long out, long in) {
        if (forward == null) {
            forward = pack(w, Matrices.one(out, in).transposed());
        }
        return forward;
    }

    /** Returns the packed W, which {@code dy [M, out]} is multiplied by. */
    synchronized BytePointer backward(FloatPointer w, long out, long in) {
        if (backward == null) {
            backward = pack(w, Matrices.one(out, in));
        }
        return backward;
    }

    /**
     * Returns W in bfloat16, row by row, for kernels that do not multiply by oneDNN.
     *
     * @param size its bytes
     * @param make makes it, once
     */
    public synchronized Pointer rounded(long size, Supplier<Pointer> make) {
        if (rounded == null) {
            rounded = make.get().retainReference(); // beyond the caller's scope
            roundedBytes = size;
        }
        return rounded;
    }

    /** Returns the order of a packed {@code [k, n]}. */
    static memory.desc order(long k, long n) {
        OneDnn.use(1);
        try (memory.desc a = Primitives.view(Matrices.one(ROWS, k), memory.data_type.bf16);
                memory.desc b = new memory.desc(new long[] {k, n}, memory.data_type.bf16, memory.format_tag.any);
                memory.desc c = Primitives.view(Matrices.one(ROWS, n), memory.data_type.f32);
                matmul.primitive_desc product = new matmul.primitive_desc(OneDnn.engine(), a, b, c)) {
            return product.weights_desc();
        }
    }

    private static BytePointer pack(FloatPointer w, Matrices view) {
        try (memory.desc order = order(view.rows(), view.columns());
                memory.desc plain = Primitives.view(view, memory.data_type.f32);
                memory from = new memory(plain, OneDnn.engine(), w)) {
            BytePointer packed = new BytePointer(order.get_size());
            try (memory to = new memory(order, OneDnn.engine(), packed);
                    reorder packing = new reorder(from, to);
                    stream queue = new stream(OneDnn.engine())) {
                packing.execute(queue, from, to);
                queue._wait();
            }
            return packed;
        }
    }

    /** Returns the bytes of native memory held. */
    public synchronized long bytes() {
        return bytes(forward) + bytes(backward) + (rounded == null ? 0 : roundedBytes);
    }

    private static long bytes(@Nullable BytePointer memory) {
        return memory == null ? 0 : memory.capacity();
    }

    /** Frees the native memory; it is made anew at the next product. */
    @Override
    public synchronized void close() {
        close(forward);
        close(backward);
        close(rounded);
        forward = null;
        backward = null;
        rounded = null;
    }

    private static void close(@Nullable Pointer memory) {
        if (memory != null) {
            memory.close();
        }
    }
}
