package dev.grft.vit.kernels.onednn;

import dev.grft.vit.kernels.onednn.Primitives.Argument;
import dev.grft.vit.kernels.onednn.Primitives.Prepared;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.post_ops;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * Products of bfloat16 matrices, summed in float; for one thread at a time. Results are float, or rounded to bfloat16 if their pointer is one
 * to shorts. What oneDNN prepares for a shape is kept until it is closed.
 *
 * <p>The same inputs and {@linkplain OneDnn#threads number of threads} give the same bits on processors of one kind.
 */
public final class Products implements AutoCloseable {
    private final Primitives primitives = new Primitives(OneDnn::threads);

    /** What a product is prepared for. */
    private record Shape(
            Matrices a,
            Matrices b,
            Matrices c,
            memory.data_type ofC,
            float scale,
            boolean adds,
            boolean biased,
            boolean packed,
            int threads) {}

    /** Puts {@code scale * a b}, plus c if it {@code adds}, into {@code c}: a and b bfloat16, each at the address of its pointer. */
    public void multiply(
            ShortPointer a,
            Matrices ofA,
            ShortPointer b,
            Matrices ofB,
            float scale,
            boolean adds,
            Pointer c,
            Matrices ofC) {
        Shape shape = new Shape(ofA, ofB, ofC, Primitives.type(c), scale, adds, false, false, OneDnn.threads());
        primitives.get(shape, this::prepare).execute(a, b, c);
    }

    /** Puts {@code a b + bias} into {@code c}, bias a row of it. */
    public void affine(
            ShortPointer a, Matrices ofA, ShortPointer b, Matrices ofB, FloatPointer bias, Pointer c, Matrices ofC) {
        Shape shape = new Shape(ofA, ofB, ofC, Primitives.type(c), 1, false, true, false, OneDnn.threads());
        primitives.get(shape, this::prepare).execute(a, b, c, bias);
    }

    /** Puts {@code x W' + bias} into {@code y [m, out]}; x {@code [m, in]}, w {@code [out, in]}, bias {@code [out]}, null for none. */
    public void forward(
            ShortPointer x,
            Packed packed,
            FloatPointer w,
            long m,
            long out,
            long in,
            @Nullable FloatPointer bias,
            Pointer y) {
        Pointer b = packed.forward(w, out, in);
        Prepared product = primitives.get(packed(m, out, in, bias != null, y), this::prepare);
        if (bias == null) {
            product.execute(x, b, y);
        } else {
            product.execute(x, b, y, bias);
        }
    }

    /** Puts {@code dy W} into {@code dx [m, in]}; dy {@code [m, out]}, w {@code [out, in]}. */
    public void backward(ShortPointer dy, Packed packed, FloatPointer w, long m, long out, long in, Pointer dx) {
        Pointer b = packed.backward(w, out, in);
        primitives.get(packed(m, in, out, false, dx), this::prepare).execute(dy, b, dx);
    }

    private static Shape packed(long m, long n, long k, boolean biased, Pointer c) {
        return new Shape(
                Matrices.one(m, k),
                Matrices.one(k, n),
                Matrices.one(m, n),
                Primitives.type(c),
                1,
                false,
                biased,
                true,
                OneDnn.threads());
    }

    private Prepared prepare(Shape shape) {
        try (memory.desc a = Primitives.view(shape.a, memory.data_type.bf16);
                memory.desc b = shape.packed
                        ? Packed.order(shape.b.rows(), shape.b.columns())
                        : Primitives.view(shape.b, memory.data_type.bf16);
                memory.desc c = Primitives.view(shape.c, shape.ofC);
                memory.desc bias = Primitives.view(Matrices.one(1, shape.c.columns()), memory.data_type.f32);
                post_ops after = new post_ops();
                primitive_attr how = Primitives.how()) {
            if (shape.scale != 1) {
                after.append_eltwise(dnnl.algorithm.eltwise_linear, shape.scale, 0);
            }
            if (shape.adds) {
                after.append_sum();
            }
            how.set_post_ops(after);
            OneDnn.use(shape.threads);
            List<Argument> arguments = new ArrayList<>(List.of(
                    new Argument(dnnl.DNNL_ARG_SRC, a),
                    new Argument(dnnl.DNNL_ARG_WEIGHTS, b),
                    new Argument(dnnl.DNNL_ARG_DST, c)));
            if (shape.biased) {
                arguments.add(new Argument(dnnl.DNNL_ARG_BIAS, bias));
            }
            try (matmul.primitive_desc product = shape.biased
                            ? new matmul.primitive_desc(OneDnn.engine(), a, b, bias, c, how, false)
                            : new matmul.primitive_desc(OneDnn.engine(), a, b, c, how, false);
                    memory.desc scratch = product.scratchpad_desc()) {
                return primitives.prepared(new matmul(product), scratch, arguments);
            }
        }
    }

    /** Frees what is prepared. */
    @Override
    public void close() {
        primitives.close();
    }
}
