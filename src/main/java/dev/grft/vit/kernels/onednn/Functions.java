package dev.grft.vit.kernels.onednn;

import dev.grft.vit.kernels.onednn.Primitives.Argument;
import dev.grft.vit.kernels.onednn.Primitives.Prepared;
import java.util.List;
import java.util.function.IntSupplier;
import org.bytedeco.dnnl.eltwise_backward;
import org.bytedeco.dnnl.eltwise_forward;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.reorder;
import org.bytedeco.dnnl.softmax_backward;
import org.bytedeco.dnnl.softmax_forward;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * Functions between products, of bfloat16 numbers; for one thread at a time. They compute in float and round their results, to nearest even.
 * What oneDNN prepares for a size is kept until it is closed.
 */
public final class Functions implements AutoCloseable {
    private final Primitives primitives;

    /** Returns functions that use all {@linkplain OneDnn#threads threads}. */
    public Functions() {
        this(OneDnn::threads);
    }

    private Functions(IntSupplier threads) {
        this.primitives = new Primitives(threads);
    }

    /** Returns functions that use one thread, for callers that are themselves one of several. */
    public static Functions ofOneThread() {
        return new Functions(() -> 1);
    }

    private record Conversion(long n, boolean narrows) {}

    private record Softmax(long rows, long columns, boolean backward, int threads) {}

    private record Elementwise(dnnl.algorithm of, float alpha, long n, boolean backward, int threads) {}

    /** Rounds n floats to bfloat16. */
    public void narrow(FloatPointer from, ShortPointer to, long n) {
        convert(from, to, n);
    }

    /** Returns n bfloat16 numbers to floats, which is exact. */
    public void widen(ShortPointer from, FloatPointer to, long n) {
        convert(from, to, n);
    }

    private void convert(Pointer from, Pointer to, long n) {
        primitives
                .get(new Conversion(n, to instanceof ShortPointer), this::prepare)
                .execute(from, to);
    }

    /** Puts the softmax of each row of {@code scores [rows, columns]} into {@code weights}. */
    public void softmax(FloatPointer scores, ShortPointer weights, long rows, long columns) {
        primitives
                .get(new Softmax(rows, columns, false, OneDnn.threads()), this::prepare)
                .execute(scores, weights);
    }

    /** Replaces the gradient {@code [rows, columns]} of each row's softmax by that of its scores. */
    public void softmaxBackward(FloatPointer weights, FloatPointer gradient, long rows, long columns) {
        primitives
                .get(new Softmax(rows, columns, true, OneDnn.threads()), this::prepare)
                .execute(weights, gradient, gradient);
    }

    /** A function of one number. */
    public record Activation(dnnl.algorithm function, float alpha) {
        private static final Activation GELU = new Activation(dnnl.algorithm.eltwise_gelu_erf, 0);
        private static final Activation TANH_GELU = new Activation(dnnl.algorithm.eltwise_gelu_tanh, 0);

        /** Returns {@code x Phi(x)}, by the error function. */
        public static Activation gelu() {
            return GELU;
        }

        /** Returns {@code x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2}. */
        public static Activation tanhGelu() {
            return TANH_GELU;
        }

        /** Returns {@code x sigmoid(factor x)}. */
        public static Activation swish(double factor) {
            return new Activation(dnnl.algorithm.eltwise_swish, (float) factor);
        }
    }

    /** Puts the function of n numbers {@code x} into {@code y}, which may be x. */
    public void activate(Activation function, ShortPointer x, ShortPointer y, long n) {
        primitives.get(key(function, n, false), this::prepare).execute(x, y);
    }

    /** Multiplies the gradient of n results by the derivative of the function at {@code x}. */
    public void activateBackward(Activation function, ShortPointer x, ShortPointer gradient, long n) {
        primitives.get(key(function, n, true), this::prepare).execute(x, gradient, gradient);
    }

    private static Elementwise key(Activation function, long n, boolean backward) {
        return new Elementwise(function.function, function.alpha, n, backward, OneDnn.threads());
    }

    private Prepared prepare(Conversion key) {
        try (memory.desc floats = Primitives.view(Matrices.one(1, key.n), memory.data_type.f32);
                memory.desc shorts = Primitives.view(Matrices.one(1, key.n), memory.data_type.bf16);
                primitive_attr how = Primitives.how()) {
            memory.desc from = key.narrows ? floats : shorts;
            memory.desc to = key.narrows ? shorts : floats;
            try (reorder.primitive_desc described =
                            new reorder.primitive_desc(OneDnn.engine(), from, OneDnn.engine(), to, how, false);
                    memory.desc scratch = described.scratchpad_desc()) {
                return primitives.prepared(
                        new reorder(described),
                        scratch,
                        List.of(new Argument(dnnl.DNNL_ARG_FROM, from), new Argument(dnnl.DNNL_ARG_TO, to)));
            }
        }
    }

    private Prepared prepare(Softmax key) {
        try (memory.desc floats = Primitives.view(Matrices.one(key.rows, key.columns), memory.data_type.f32);
                memory.desc shorts = Primitives.view(Matrices.one(key.rows, key.columns), memory.data_type.bf16);
                primitive_attr how = Primitives.how();
                softmax_forward.primitive_desc forward = new softmax_forward.primitive_desc(
                        OneDnn.engine(),
                        dnnl.prop_kind.forward_training,
                        dnnl.algorithm.softmax_accurate,
                        floats,
                        key.backward ? floats : shorts,
                        1,
                        how,
                        false)) {
            if (!key.backward) {
                try (memory.desc scratch = forward.scratchpad_desc()) {
                    return primitives.prepared(
                            new softmax_forward(forward),
                            scratch,
                            List.of(new Argument(dnnl.DNNL_ARG_SRC, floats), new Argument(dnnl.DNNL_ARG_DST, shorts)));
                }
            }
            try (softmax_backward.primitive_desc backward = new softmax_backward.primitive_desc(
                            OneDnn.engine(),
                            dnnl.algorithm.softmax_accurate,
                            floats,
                            floats,
                            floats,
                            1,
                            forward,
                            how,
                            false);
                    memory.desc scratch = backward.scratchpad_desc()) {
                return primitives.prepared(
                        new softmax_backward(backward),
                        scratch,
                        List.of(
                                new Argument(dnnl.DNNL_ARG_DST, floats),
                                new Argument(dnnl.DNNL_ARG_DIFF_DST, floats),
                                new Argument(dnnl.DNNL_ARG_DIFF_SRC, floats)));
            }
        }
    }

    private Prepared prepare(Elementwise key) {
        try (memory.desc form = Primitives.view(Matrices.one(1, key.n), memory.data_type.bf16);
                primitive_attr how = Primitives.how();
                eltwise_forward.primitive_desc forward = new eltwise_forward.primitive_desc(
                        OneDnn.engine(),
                        dnnl.prop_kind.forward_training,
                        key.of,
                        form,
                        form,
                        key.alpha,
                        0f,
                        how,
                        false)) {
            if (!key.backward) {
                try (memory.desc scratch = forward.scratchpad_desc()) {
                    return primitives.prepared(
                            new eltwise_forward(forward),
                            scratch,
                            List.of(new Argument(dnnl.DNNL_ARG_SRC, form), new Argument(dnnl.DNNL_ARG_DST, form)));
                }
            }
            try (eltwise_backward.primitive_desc backward = new eltwise_backward.primitive_desc(
                            OneDnn.engine(), key.of, form, form, form, key.alpha, 0f, forward, how, false);
                    memory.desc scratch = backward.scratchpad_desc()) {
                return primitives.prepared(
                        new eltwise_backward(backward),
                        scratch,
                        List.of(
                                new Argument(dnnl.DNNL_ARG_SRC, form),
                                new Argument(dnnl.DNNL_ARG_DIFF_DST, form),
                                new Argument(dnnl.DNNL_ARG_DIFF_SRC, form)));
            }
        }
    }

    /** Returns how many functions are prepared. */
    public int prepared() {
        return primitives.size();
    }

    /** Frees what is prepared. */
    @Override
    public void close() {
        primitives.close();
    }
}
