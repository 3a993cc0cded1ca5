package dev.grft.vit.kernels;

import dev.grft.vit.kernels.onednn.Packed;
import dev.grft.vit.kernels.torch.Attention;
import dev.grft.vit.kernels.torch.Losses;
import dev.grft.vit.kernels.torch.Products;
import dev.grft.vit.kernels.torch.Rows;
import dev.grft.vit.kernels.torch.Squares;
import dev.grft.vit.kernels.torch.Tokens;
import dev.grft.vit.kernels.torch.Torch;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * LibTorch's operations on the memory of ND4J's arrays, in FLOAT or DOUBLE. What an operation allocates is freed when it returns.
 *
 * <p>In bfloat16, products with weights and those of attention are rounded before they are added to FLOAT, as under PyTorch's autocast. All
 * operations are deterministic: the same inputs and number of threads give the same bits.
 */
public final class TorchKernels implements Kernels {
    private static final long FEW = 64; // rows for which it does not pay to convert a weight that changes

    private final boolean bf16;

    /**
     * Returns kernels whose products with weights, and those of attention, are in bfloat16 or in the type of the arrays.
     *
     * @throws dev.grft.UserError if LibTorch's native libraries are not on the class path
     */
    public TorchKernels(boolean bf16) {
        Torch.load();
        this.bf16 = bf16;
    }

    /** What one call allocates, and the arrays whose memory its tensors view. */
    private static final class Call implements AutoCloseable {
        private final PointerScope scope = new PointerScope();
        private final List<INDArray> arrays = new ArrayList<>();

        /** Returns a tensor of an array's shape. */
        Tensor of(INDArray array) {
            return view(array, array.shape());
        }

        /** Returns a tensor of all values in a row. */
        Tensor flat(INDArray array) {
            return view(array, array.length());
        }

        @Nullable
        Tensor ofOrNull(@Nullable INDArray array) {
            return array == null ? null : of(array);
        }

        private Tensor view(INDArray array, long... shape) {
            if (!CpuArrays.isRowMajor(array)) {
                throw new IllegalArgumentException("TorchKernels needs a contiguous row-major array, got "
                        + array.dataType() + Arrays.toString(array.shape()) + array.ordering());
            }
            arrays.add(array);
            return Torch.view(array.data().addressPointer(), type(array), shape);
        }

        @Override
        public void close() {
            try {
                scope.close();
            } finally {
                Reference.reachabilityFence(arrays);
            }
        }
    }

    private static ScalarType type(INDArray array) {
        return switch (array.dataType()) {
            case FLOAT -> ScalarType.Float;
            case DOUBLE -> ScalarType.Double;
            case BFLOAT16 -> ScalarType.BFloat16;
            default ->
                throw new IllegalArgumentException(
                        "TorchKernels computes in FLOAT, DOUBLE and BFLOAT16, got " + array.dataType());
        };
    }

    /** Returns the type of products of an array. */
    private ScalarType products(INDArray array) {
        return bf16 ? ScalarType.BFloat16 : type(array);
    }

    @Override
    public DataType between(DataType model) {
        return bf16 ? DataType.BFLOAT16 : model;
    }

    @Override
    public void gemm(
            boolean transposeA, INDArray a, boolean transposeB, INDArray b, double alpha, double beta, INDArray c) {
        CpuProducts.requireShapes(transposeA, a, transposeB, b, c);
        try (Call call = new Call()) {
            Products.multiply(products(a), transposeA, call.of(a), transposeB, call.of(b), alpha, beta, call.of(c));
        }
    }

    @Override
    public void linear(INDArray x, INDArray w, @Nullable Packed packed, @Nullable INDArray bias, INDArray y) {
        ScalarType type = ofWeights(x, packed, y);
        try (Call call = new Call()) {
            Products.linear(type, call.of(x), weight(call, w, packed, type), call.ofOrNull(bias), call.of(y));
        }
    }

    @Override
    public void linearBackward(INDArray dy, INDArray w, @Nullable Packed packed, INDArray dx) {
        ScalarType type = ofWeights(dy, packed, dx);
        try (Call call = new Call()) {
            Products.multiply(type, false, call.of(dy), false, weight(call, w, packed, type), 1, 0, call.of(dx));
        }
    }

    /** Returns the type of products with a weight: that of the arrays, if it changes and there are few rows. */
    private ScalarType ofWeights(INDArray x, @Nullable Packed packed, INDArray y) {
        boolean converts = packed == null && x.size(0) < FEW && !CpuArrays.isNarrow(x) && !CpuArrays.isNarrow(y);
        return converts ? type(x) : products(x);
    }

    /** Returns a weight, in bfloat16 what has been made of it once. */
    private static Tensor weight(Call call, INDArray w, @Nullable Packed packed, ScalarType type) {
        Tensor exact = call.of(w);
        if (packed == null || type != ScalarType.BFloat16 || CpuArrays.isNarrow(w)) {
            return exact;
        }
        Pointer rounded = packed.rounded(
                w.length(), memory -> Torch.view(memory, type, w.shape()).copy_(exact));
        return Torch.view(rounded, type, w.shape());
    }

    @Override
    public void fillRows(INDArray row, INDArray y) {
        try (Call call = new Call()) {
            call.of(y).copy_(call.flat(row));
        }
    }

    @Override
    public void add(INDArray x, INDArray y) {
        try (Call call = new Call()) {
            call.flat(y).add_(call.flat(x));
        }
    }

    @Override
    public void multiply(INDArray x, INDArray y) {
        try (Call call = new Call()) {
            call.flat(y).mul_(call.flat(x));
        }
    }

    @Override
    public void sum(INDArray base, INDArray delta, INDArray y) {
        try (Call call = new Call()) {
            torch.add_out(call.flat(y), call.flat(base), call.flat(delta));
        }
    }

    @Override
    public void columnSums(INDArray x, INDArray sums) {
        try (Call call = new Call()) {
            Rows.columnSums(call.of(x), call.flat(sums));
        }
    }

    @Override
    public void columnDots(INDArray a, INDArray b, INDArray sums) {
        try (Call call = new Call()) {
            Rows.columnDots(call.of(a), call.of(b), call.flat(sums));
        }
    }

    @Override
    public void columnsToRows(INDArray x, int[] columns, INDArray y) {
        try (Call call = new Call()) {
            Rows.columnsToRows(call.of(x), columns, call.of(y));
        }
    }

    @Override
    public void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        try (Call call = new Call()) {
            torch.mul_out(call.of(y), call.of(x), call.flat(factors));
        }
    }

    @Override
    public void scaleExamples(INDArray x, float[] factors, INDArray y) {
        try (Call call = new Call()) {
            Tensor of = Torch.view(new FloatPointer(factors), ScalarType.Float, factors.length);
            Rows.scaleExamples(call.flat(x), of, call.flat(y));
        }
    }

    @Override
    public void addRowsToColumns(INDArray x, int[] columns, INDArray y) {
        try (Call call = new Call()) {
            Rows.addRowsToColumns(call.of(x), columns, call.of(y));
        }
    }

    @Override
    public void addEntries(INDArray x, int[] columns, INDArray values, INDArray y) {
        try (Call call = new Call()) {
            Rows.addEntries(call.of(x), columns, call.of(values), call.of(y));
        }
    }

    @Override
    public void entryDots(INDArray a, INDArray b, int[] columns, INDArray dots) {
        try (Call call = new Call()) {
            Rows.entryDots(call.of(a), call.of(b), columns, call.of(dots));
        }
    }

    @Override
    public void layerNorm(
            INDArray x,
            INDArray gamma,
            INDArray beta,
            double eps,
            @Nullable INDArray normalized,
            @Nullable INDArray inverse,
            INDArray y) {
        try (Call call = new Call()) {
            Tensor in = call.of(x);
            Tensor z = normalized == null ? torch.empty_like(in) : call.of(normalized);
            Rows.normalize(in, eps, z, call.ofOrNull(inverse));
            Rows.scaleAndShift(z, call.flat(gamma), call.flat(beta), call.of(y));
        }
    }

    @Override
    public void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        try (Call call = new Call()) {
            Rows.scaleAndShift(call.of(normalized), call.flat(gamma), call.flat(beta), call.of(y));
        }
    }

    @Override
    public void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        try (Call call = new Call()) {
            Rows.layerNormBackward(call.of(dy), call.flat(gamma), call.of(normalized), call.flat(inverse), call.of(dx));
        }
    }

    @Override
    public void gelu(@Nullable INDArray bias, INDArray x, INDArray y) {
        try (Call call = new Call()) {
            Rows.gelu(plus(call, bias, x), false, call.of(y));
        }
    }

    @Override
    public void geluBackward(INDArray kept, INDArray dy) {
        try (Call call = new Call()) {
            Rows.geluBackward(call.of(kept), false, call.of(dy));
        }
    }

    /** Returns x after adding the bias, if there is one, to its rows. */
    private static Tensor plus(Call call, @Nullable INDArray bias, INDArray x) {
        Tensor in = call.of(x);
        return bias == null ? in : in.add_(call.flat(bias));
    }

    @Override
    public void sigmoidGelu(@Nullable INDArray bias, double linear, double cubic, INDArray x, INDArray y) {
        try (Call call = new Call()) {
            Tensor in = plus(call, bias, x);
            if (cubic == 0) {
                Rows.swish(in, linear, call.of(y));
            } else {
                Rows.gelu(in, true, call.of(y));
            }
        }
    }

    @Override
    public void sigmoidGeluBackward(double linear, double cubic, INDArray kept, INDArray dy) {
        try (Call call = new Call()) {
            if (cubic == 0) {
                Rows.swishBackward(call.of(kept), linear, call.of(dy));
            } else {
                Rows.geluBackward(call.of(kept), true, call.of(dy));
            }
        }
    }

    @Override
    public void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        try (Call call = new Call()) {
            Attention.attention(products(qkv), call.of(qkv), heads, examples, call.ofOrNull(weights), call.of(out));
        }
    }

    @Override
    public void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        try (Call call = new Call()) {
            Tensor kept = call.ofOrNull(weights);
            Attention.backward(products(qkv), call.of(dout), call.of(qkv), kept, heads, examples, call.of(dqkv));
        }
    }

    @Override
    public void attend(INDArray u, INDArray x, double scale, INDArray weights, INDArray out) {
        try (Call call = new Call()) {
            Attention.attend(call.of(u), call.of(x), scale, call.of(weights), call.of(out));
        }
    }

    @Override
    public void attendBackward(
            INDArray dout, INDArray u, INDArray x, double scale, INDArray weights, INDArray du, @Nullable INDArray dx) {
        try (Call call = new Call()) {
            Tensor w = call.of(weights);
            Attention.attendBackward(call.of(dout), call.of(u), call.of(x), scale, w, call.of(du), call.ofOrNull(dx));
        }
    }

    @Override
    public void headsApart(INDArray x, int heads, INDArray y) {
        try (Call call = new Call()) {
            Tokens.headsApart(call.of(x), heads, call.of(y));
        }
    }

    @Override
    public void addHeads(INDArray x, int heads, INDArray y) {
        try (Call call = new Call()) {
            Tokens.addHeads(call.of(x), heads, call.of(y));
        }
    }

    @Override
    public void patches(INDArray images, int patchSize, INDArray y) {
        try (Call call = new Call()) {
            Tokens.patches(call.of(images), patchSize, call.of(y));
        }
    }

    @Override
    public void tokens(INDArray patches, @Nullable INDArray first, INDArray positions, int examples, INDArray y) {
        try (Call call = new Call()) {
            Tokens.tokens(call.of(patches), call.ofOrNull(first), call.of(positions), examples, call.of(y));
        }
    }

    @Override
    public void copyRows(INDArray x, int from, INDArray y, int to, int count, int examples) {
        try (Call call = new Call()) {
            Tokens.copyRows(call.of(x), from, call.of(y), to, count, examples);
        }
    }

    @Override
    public void pool(INDArray x, int prefix, INDArray y) {
        try (Call call = new Call()) {
            Tokens.pool(call.of(x), prefix, call.of(y));
        }
    }

    @Override
    public void poolBackward(INDArray dy, int prefix, INDArray dx) {
        try (Call call = new Call()) {
            Tokens.poolBackward(call.of(dy), prefix, call.of(dx));
        }
    }

    @Override
    public void sumExamples(INDArray x, int examples, INDArray y) {
        try (Call call = new Call()) {
            Tokens.sumExamples(call.flat(x), examples, call.flat(y));
        }
    }

    @Override
    public void crossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        loss(Losses::crossEntropy, logits, targets, losses, dlogits);
    }

    @Override
    public void binaryCrossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        loss(Losses::binaryCrossEntropy, logits, targets, losses, dlogits);
    }

    @Override
    public void squaredError(INDArray outputs, INDArray targets, INDArray losses, INDArray doutputs) {
        loss(Losses::squaredError, outputs, targets, losses, doutputs);
    }

    private static void loss(
            Losses.OfOutputs loss, INDArray outputs, INDArray targets, INDArray losses, INDArray gradient) {
        try (Call call = new Call()) {
            loss.apply(call.of(outputs), call.of(targets), call.flat(losses), call.of(gradient));
        }
    }

    @Override
    public void contrastive(INDArray features, INDArray same, double temperature, INDArray losses, INDArray dfeatures) {
        try (Call call = new Call()) {
            Losses.contrastive(call.of(features), call.of(same), temperature, call.flat(losses), call.of(dfeatures));
        }
    }

    @Override
    public void addSquaredGradients(INDArray dy, INDArray x, int examples, INDArray rows, INDArray columns) {
        long t = dy.size(0) / examples;
        boolean ghost = CpuSquares.ghostIsCheaper(t, dy.size(1), x.size(1));
        for (long b = 0; b < examples; b++) {
            try (Call call = new Call()) {
                Tensor d = call.of(dy).narrow(0, b * t, t);
                Tensor f = call.of(x).narrow(0, b * t, t);
                Squares.addOfExample(ghost, d, f, call.flat(rows), call.flat(columns));
            }
        }
    }

    @Override
    public void addSquares(INDArray g, INDArray rows, INDArray columns) {
        try (Call call = new Call()) {
            Squares.addSquares(call.of(g), call.flat(rows), call.flat(columns));
        }
    }

    @Override
    public void addAbsolutes(INDArray g, INDArray rows, INDArray columns) {
        try (Call call = new Call()) {
            Squares.addAbsolutes(call.of(g), call.flat(rows), call.flat(columns));
        }
    }
}
