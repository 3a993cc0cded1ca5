package dev.grft.vit.kernels.torch;

import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.Tensor;

/**
 * LibTorch's fused attention on the CPU, whose weights are never in memory. Its operations are not among the functions of the bindings, so
 * they are called by their names; arguments and results are those of native_functions.yaml of LibTorch 2.10.
 */
final class Fused {
    private static final String NAME = "aten::_scaled_dot_product_flash_attention_for_cpu";
    private static final double DROPOUT = 0;
    private static final boolean CAUSAL = false;

    private Fused() {}

    /**
     * Returns the context {@code [B, H, Q, h]} and the logarithms of the sums of the exponentials.
     *
     * @param q {@code [B, H, Q, h]}
     * @param k {@code [B, H, T, h]}, as v is
     */
    static List<Tensor> forward(Tensor q, Tensor k, Tensor v) {
        return call(NAME, 2, List.of(q, k, v));
    }

    /** Returns the gradients of q, k and v, given that of the context. */
    static List<Tensor> backward(Tensor dcontext, Tensor q, Tensor k, Tensor v) {
        List<Tensor> made = forward(q, k, v);
        return call(NAME + "_backward", 3, List.of(dcontext, q, k, v, made.get(0), made.get(1)));
    }

    private static List<Tensor> call(String name, int results, List<Tensor> tensors) {
        IValueVector stack = new IValueVector();
        tensors.forEach(tensor -> stack.push_back(new IValue(tensor)));
        stack.push_back(new IValue(DROPOUT))
                .push_back(new IValue(CAUSAL))
                .push_back(new IValue()) // no mask
                .push_back(new IValue()); // the scale is 1 / sqrt(h)
        Dispatcher.singleton().findSchemaOrThrow(name, "").callBoxed(stack);
        return IntStream.range(0, results)
                .mapToObj(i -> stack.get(i).toTensor())
                .toList();
    }
}
