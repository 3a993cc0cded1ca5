package dev.grft.vit.kernels.onednn;

import java.lang.ref.Reference;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.post_ops;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.reorder;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * Products of bfloat16 matrices, summed in float; for one thread at a time. What oneDNN prepares for a shape is kept until it is closed.
 *
 * <p>The same inputs and {@linkplain OneDnn#threads number of threads} give the same bits on processors of one kind.
 */
public final class Products implements AutoCloseable {
    private final Map<Shape, Product> products = new HashMap<>();
    private final Map<Long, Conversion> conversions = new HashMap<>();
    private final Deque<Pointer> owned = new ArrayDeque<>(); // native objects, the last made first
    private @Nullable stream queue;

    /** What a product is prepared for. */
    private record Shape(Matrices a, Matrices b, Matrices c, float scale, boolean adds, boolean packed, int threads) {}

    /** Converts n floats to bfloat16, to nearest even. */
    public void convert(FloatPointer from, ShortPointer to, long n) {
        OneDnn.use(OneDnn.threads());
        conversions.computeIfAbsent(n, Conversion::new).execute(from, to);
    }

    /** Puts {@code scale * a b}, plus c if it {@code adds}, into {@code c}: a and b bfloat16, each at the address of its pointer. */
    public void multiply(
            ShortPointer a,
            Matrices ofA,
            ShortPointer b,
            Matrices ofB,
            float scale,
            boolean adds,
            FloatPointer c,
            Matrices ofC) {
        product(new Shape(ofA, ofB, ofC, scale, adds, false, OneDnn.threads())).execute(a, b, c);
    }

    /** Puts {@code x W'}, plus y if it {@code adds}, into {@code y [m, out]}; x {@code [m, in]}, w {@code [out, in]}. */
    public void forward(
            ShortPointer x, Packed packed, FloatPointer w, long m, long out, long in, boolean adds, FloatPointer y) {
        Pointer b = packed.forward(w, out, in);
        product(packed(m, out, in, adds)).execute(x, b, y);
    }

    /** Puts {@code dy W} into {@code dx [m, in]}; dy {@code [m, out]}, w {@code [out, in]}. */
    public void backward(ShortPointer dy, Packed packed, FloatPointer w, long m, long out, long in, FloatPointer dx) {
        Pointer b = packed.backward(w, out, in);
        product(packed(m, in, out, false)).execute(dy, b, dx);
    }

    private static Shape packed(long m, long n, long k, boolean adds) {
        return new Shape(Matrices.one(m, k), Matrices.one(k, n), Matrices.one(m, n), 1, adds, true, OneDnn.threads());
    }

    private Product product(Shape shape) {
        Product found = products.get(shape);
        if (found == null) {
            found = new Product(shape);
            products.put(shape, found);
        }
        OneDnn.use(shape.threads);
        return found;
    }

    private stream queue() {
        if (queue == null) {
            queue = own(new stream(OneDnn.engine()));
        }
        return queue;
    }

    static memory.desc view(Matrices matrices, memory.data_type type) {
        return new memory.desc(matrices.sizes(), type, matrices.strides());
    }

    private <T extends Pointer> T own(T made) {
        owned.push(made);
        return made;
    }

    /** Frees what is prepared. */
    @Override
    public void close() {
        products.clear();
        conversions.clear();
        queue = null;
        while (!owned.isEmpty()) {
            owned.pop().close();
        }
    }

    /** One prepared product. */
    private final class Product {
        private final memory a;
        private final memory b;
        private final memory c;
        private final matmul product;
        private final IntMemoryMap arguments;

        Product(Shape shape) {
            Supplier<memory.desc> order = () -> shape.packed
                    ? Packed.order(shape.b.rows(), shape.b.columns())
                    : view(shape.b, memory.data_type.bf16);
            try (memory.desc ofA = view(shape.a, memory.data_type.bf16);
                    memory.desc ofB = order.get();
                    memory.desc ofC = view(shape.c, memory.data_type.f32);
                    post_ops after = new post_ops();
                    primitive_attr how = new primitive_attr()) {
                if (shape.scale != 1) {
                    after.append_eltwise(dnnl.algorithm.eltwise_linear, shape.scale, 0);
                }
                if (shape.adds) {
                    after.append_sum();
                }
                how.set_post_ops(after);
                how.set_deterministic(true);
                how.set_scratchpad_mode(dnnl.scratchpad_mode.user);
                OneDnn.use(shape.threads);
                try (matmul.primitive_desc described =
                                new matmul.primitive_desc(OneDnn.engine(), ofA, ofB, ofC, how, false);
                        memory.desc scratch = described.scratchpad_desc()) {
                    a = own(new memory(ofA, OneDnn.engine(), new Pointer()));
                    b = own(new memory(ofB, OneDnn.engine(), new Pointer()));
                    c = own(new memory(ofC, OneDnn.engine(), new Pointer()));
                    product = own(new matmul(described));
                    arguments = own(new IntMemoryMap());
                    arguments
                            .put(dnnl.DNNL_ARG_SRC, a)
                            .put(dnnl.DNNL_ARG_WEIGHTS, b)
                            .put(dnnl.DNNL_ARG_DST, c)
                            .put(dnnl.DNNL_ARG_SCRATCHPAD, own(new memory(scratch, OneDnn.engine())));
                }
            }
        }

        void execute(Pointer left, Pointer right, Pointer result) {
            try {
                a.set_data_handle(left);
                b.set_data_handle(right);
                c.set_data_handle(result);
                product.execute(queue(), arguments);
                queue()._wait();
            } finally {
                Reference.reachabilityFence(left);
                Reference.reachabilityFence(right);
                Reference.reachabilityFence(result);
            }
        }
    }

    /** One prepared conversion of n values. */
    private final class Conversion {
        private final memory from;
        private final memory to;
        private final reorder conversion;

        Conversion(long n) {
            try (memory.desc floats = view(Matrices.one(1, n), memory.data_type.f32);
                    memory.desc halves = view(Matrices.one(1, n), memory.data_type.bf16)) {
                from = own(new memory(floats, OneDnn.engine(), new Pointer()));
                to = own(new memory(halves, OneDnn.engine(), new Pointer()));
                conversion = own(new reorder(from, to));
            }
        }

        void execute(FloatPointer source, ShortPointer target) {
            try {
                from.set_data_handle(source);
                to.set_data_handle(target);
                conversion.execute(queue(), from, to);
                queue()._wait();
            } finally {
                Reference.reachabilityFence(source);
                Reference.reachabilityFence(target);
            }
        }
    }
}
