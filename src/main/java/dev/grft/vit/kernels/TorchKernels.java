package dev.grft.vit.kernels;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.TorchArray.Call;
import dev.grft.vit.kernels.onednn.Packed;
import dev.grft.vit.kernels.torch.Attention;
import dev.grft.vit.kernels.torch.Losses;
import dev.grft.vit.kernels.torch.Products;
import dev.grft.vit.kernels.torch.Rows;
import dev.grft.vit.kernels.torch.Squares;
import dev.grft.vit.kernels.torch.Tokens;
import dev.grft.vit.kernels.torch.Torch;
import dev.grft.vit.kernels.torch.TorchDevice;
import java.util.IdentityHashMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * LibTorch's operations on arrays in its memory of a device, in FLOAT or DOUBLE. What an operation allocates is freed when it returns.
 *
 * <p>In bfloat16, products with weights and those of attention are rounded before they are added to FLOAT, as under PyTorch's autocast. All
 * operations are deterministic: the same inputs and number of threads give the same bits.
 */
public final class TorchKernels implements Kernels {
    private static final long FEW = 64; // rows for which it does not pay to convert a weight that changes
    private static final int MANY = 4096; // arrays of indices on the device, of several networks one after the other

    private final TorchDevice device;
    private final boolean bf16;
    private final IdentityHashMap<int[], Tensor> indices = new IdentityHashMap<>(); // on the device

    /**
     * Returns kernels of a device whose products with weights, and those of attention, are in bfloat16 or in the type of the arrays.
     *
     * @throws dev.grft.UserError if LibTorch's native libraries are not on the class path
     */
    public TorchKernels(TorchDevice device, boolean bf16) {
        Torch.load();
        this.device = device;
        this.bf16 = bf16;
    }

    private Call call() {
        return new Call(device);
    }

    private static ScalarType type(Array array) {
        return TorchArray.type(array.type());
    }

    /** Returns the type of products of an array. */
    private ScalarType products(Array array) {
        return bf16 ? ScalarType.BFloat16 : type(array);
    }

    @Override
    public Memory memory() {
        return new TorchArray.Place(device);
    }

    @Override
    public void free() {
        indices.values().forEach(Tensor::deallocate);
        indices.clear();
    }

    /** Returns numbers on the device, where they stay. */
    @SuppressWarnings("try") // the scope frees what is made in it
    private Tensor indices(int[] numbers) {
        if (indices.size() >= MANY) {
            free();
        }
        return indices.computeIfAbsent(numbers, key -> {
            try (PointerScope scope = new PointerScope()) {
                return device.indices(numbers).retainReference(); // beyond the scope
            }
        });
    }

    @Override
    public DataType between(DataType model) {
        return bf16 ? DataType.BFLOAT16 : model;
    }

    @Override
    public void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c) {
        CpuProducts.requireShapes(transposeA, a, transposeB, b, c);
        try (Call call = call()) {
            Products.multiply(products(a), transposeA, call.of(a), transposeB, call.of(b), alpha, beta, call.of(c));
        }
    }

    @Override
    public void linear(Array x, Array w, @Nullable Packed packed, @Nullable Array bias, Array y) {
        ScalarType type = ofWeights(x, packed, y);
        try (Call call = call()) {
            Products.linear(type, call.of(x), weight(call, w, packed, type), call.ofOrNull(bias), call.of(y));
        }
    }

    @Override
    public void linearBackward(Array dy, Array w, @Nullable Packed packed, Array dx) {
        ScalarType type = ofWeights(dy, packed, dx);
        try (Call call = call()) {
            Products.multiply(type, false, call.of(dy), false, weight(call, w, packed, type), 1, 0, call.of(dx));
        }
    }

    /** Returns the type of products with a weight: that of the arrays, if it changes and there are few rows. */
    private ScalarType ofWeights(Array x, @Nullable Packed packed, Array y) {
        boolean converts = packed == null && x.size(0) < FEW && !HostArray.isNarrow(x) && !HostArray.isNarrow(y);
        return converts ? type(x) : products(x);
    }

    /** Returns a weight, in bfloat16 what has been made of it once. */
    private static Tensor weight(Call call, Array w, @Nullable Packed packed, ScalarType type) {
        Tensor exact = call.of(w);
        if (packed == null || type != ScalarType.BFloat16 || HostArray.isNarrow(w)) {
            return exact;
        }
        return (Tensor) packed.rounded(2 * w.length(), () -> exact.to(type));
    }

    @Override
    public void fillRows(Array row, Array y) {
        try (Call call = call()) {
            call.of(y).copy_(call.flat(row));
        }
    }

    @Override
    public void add(Array x, Array y) {
        try (Call call = call()) {
            call.flat(y).add_(call.flat(x));
        }
    }

    @Override
    public void multiply(Array x, Array y) {
        try (Call call = call()) {
            call.flat(y).mul_(call.flat(x));
        }
    }

    @Override
    public void sum(Array base, Array delta, Array y) {
        try (Call call = call()) {
            torch.add_out(call.flat(y), call.flat(base), call.flat(delta));
        }
    }

    @Override
    public void columnSums(Array x, Array sums) {
        try (Call call = call()) {
            Rows.columnSums(call.of(x), call.flat(sums));
        }
    }

    @Override
    public void columnDots(Array a, Array b, Array sums) {
        try (Call call = call()) {
            Rows.columnDots(call.of(a), call.of(b), call.flat(sums));
        }
    }

    @Override
    public void columnsToRows(Array x, int[] columns, Array y) {
        try (Call call = call()) {
            Rows.columnsToRows(call.of(x), indices(columns), call.of(y));
        }
    }

    @Override
    public void scaleColumns(Array x, Array factors, Array y) {
        try (Call call = call()) {
            torch.mul_out(call.of(y), call.of(x), call.flat(factors));
        }
    }

    @Override
    public void scaleExamples(Array x, float[] factors, Array y) {
        try (Call call = call()) {
            Tensor of = device.empty(ScalarType.Float, factors.length);
            device.write(factors, of);
            Rows.scaleExamples(call.flat(x), of, call.flat(y));
        }
    }

    @Override
    public void addRowsToColumns(Array x, int[] columns, Array y) {
        try (Call call = call()) {
            Rows.addRowsToColumns(call.of(x), indices(columns), call.of(y));
        }
    }

    @Override
    public void addEntries(Array x, int[] columns, Array values, Array y) {
        try (Call call = call()) {
            Rows.addEntries(call.of(x), indices(columns), call.of(values), call.of(y));
        }
    }

    @Override
    public void entryDots(Array a, Array b, int[] columns, Array dots) {
        try (Call call = call()) {
            Rows.entryDots(call.of(a), call.of(b), indices(columns), call.of(dots));
        }
    }

    @Override
    public void layerNorm(
            Array x,
            Array gamma,
            Array beta,
            double eps,
            @Nullable Array normalized,
            @Nullable Array inverse,
            Array y) {
        try (Call call = call()) {
            Tensor in = call.of(x);
            Tensor z = normalized == null ? torch.empty_like(in) : call.of(normalized);
            Rows.normalize(in, eps, z, call.ofOrNull(inverse));
            Rows.scaleAndShift(z, call.flat(gamma), call.flat(beta), call.of(y));
        }
    }

    @Override
    public void scaleAndShift(Array normalized, Array gamma, Array beta, Array y) {
        try (Call call = call()) {
            Rows.scaleAndShift(call.of(normalized), call.flat(gamma), call.flat(beta), call.of(y));
        }
    }

    @Override
    public void layerNormBackward(Array dy, Array gamma, Array normalized, Array inverse, Array dx) {
        try (Call call = call()) {
            Rows.layerNormBackward(call.of(dy), call.flat(gamma), call.of(normalized), call.flat(inverse), call.of(dx));
        }
    }

    @Override
    public void gelu(@Nullable Array bias, Array x, Array y) {
        try (Call call = call()) {
            Rows.gelu(plus(call, bias, x), false, call.of(y));
        }
    }

    @Override
    public void geluBackward(Array kept, Array dy) {
        try (Call call = call()) {
            Rows.geluBackward(call.of(kept), false, call.of(dy));
        }
    }

    /** Returns x after adding the bias, if there is one, to its rows. */
    private static Tensor plus(Call call, @Nullable Array bias, Array x) {
        Tensor in = call.of(x);
        return bias == null ? in : in.add_(call.flat(bias));
    }

    @Override
    public void sigmoidGelu(@Nullable Array bias, double linear, double cubic, Array x, Array y) {
        try (Call call = call()) {
            Tensor in = plus(call, bias, x);
            if (cubic == 0) {
                Rows.swish(in, linear, call.of(y));
            } else {
                Rows.gelu(in, true, call.of(y));
            }
        }
    }

    @Override
    public void sigmoidGeluBackward(double linear, double cubic, Array kept, Array dy) {
        try (Call call = call()) {
            if (cubic == 0) {
                Rows.swishBackward(call.of(kept), linear, call.of(dy));
            } else {
                Rows.geluBackward(call.of(kept), true, call.of(dy));
            }
        }
    }

    @Override
    public void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out) {
        try (Call call = call()) {
            Attention.attention(
                    device, products(qkv), call.of(qkv), heads, examples, call.ofOrNull(weights), call.of(out));
        }
    }

    @Override
    public void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv) {
        try (Call call = call()) {
            Tensor kept = call.ofOrNull(weights);
            Attention.backward(
                    device, products(qkv), call.of(dout), call.of(qkv), kept, heads, examples, call.of(dqkv));
        }
    }

    @Override
    public void attend(Array u, Array x, double scale, Array weights, Array out) {
        try (Call call = call()) {
            Attention.attend(call.of(u), call.of(x), scale, call.of(weights), call.of(out));
        }
    }

    @Override
    public void attendBackward(
            Array dout, Array u, Array x, double scale, Array weights, Array du, @Nullable Array dx) {
        try (Call call = call()) {
            Tensor w = call.of(weights);
            Attention.attendBackward(call.of(dout), call.of(u), call.of(x), scale, w, call.of(du), call.ofOrNull(dx));
        }
    }

    @Override
    public void headsApart(Array x, int heads, Array y) {
        try (Call call = call()) {
            Tokens.headsApart(call.of(x), heads, call.of(y));
        }
    }

    @Override
    public void addHeads(Array x, int heads, Array y) {
        try (Call call = call()) {
            Tokens.addHeads(call.of(x), heads, call.of(y));
        }
    }

    @Override
    public void patches(Array images, int patchSize, Array y) {
        try (Call call = call()) {
            Tokens.patches(call.of(images), patchSize, call.of(y));
        }
    }

    @Override
    public void tokens(Array patches, @Nullable Array first, Array positions, int examples, Array y) {
        try (Call call = call()) {
            Tokens.tokens(call.of(patches), call.ofOrNull(first), call.of(positions), examples, call.of(y));
        }
    }

    @Override
    public void copyRows(Array x, int from, Array y, int to, int count, int examples) {
        try (Call call = call()) {
            Tokens.copyRows(call.of(x), from, call.of(y), to, count, examples);
        }
    }

    @Override
    public void pool(Array x, int prefix, Array y) {
        try (Call call = call()) {
            Tokens.pool(call.of(x), prefix, call.of(y));
        }
    }

    @Override
    public void poolBackward(Array dy, int prefix, Array dx) {
        try (Call call = call()) {
            Tokens.poolBackward(call.of(dy), prefix, call.of(dx));
        }
    }

    @Override
    public void sumExamples(Array x, int examples, Array y) {
        try (Call call = call()) {
            Tokens.sumExamples(call.flat(x), examples, call.flat(y));
        }
    }

    @Override
    public void crossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        loss(Losses::crossEntropy, logits, targets, losses, dlogits);
    }

    @Override
    public void binaryCrossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        loss(Losses::binaryCrossEntropy, logits, targets, losses, dlogits);
    }

    @Override
    public void squaredError(Array outputs, Array targets, Array losses, Array doutputs) {
        loss(Losses::squaredError, outputs, targets, losses, doutputs);
    }

    private void loss(Losses.OfOutputs loss, Array outputs, Array targets, Array losses, Array gradient) {
        try (Call call = call()) {
            loss.apply(call.of(outputs), call.of(targets), call.flat(losses), call.of(gradient));
        }
    }

    @Override
    public void contrastive(Array features, Array same, double temperature, Array losses, Array dfeatures) {
        try (Call call = call()) {
            Losses.contrastive(call.of(features), call.of(same), temperature, call.flat(losses), call.of(dfeatures));
        }
    }

    @Override
    public void addSquaredGradients(Array dy, Array x, int examples, Array rows, Array columns) {
        long t = dy.size(0) / examples;
        boolean ghost = CpuSquares.ghostIsCheaper(t, dy.size(1), x.size(1));
        for (long b = 0; b < examples; b++) {
            try (Call call = call()) {
                Tensor d = call.of(dy).narrow(0, b * t, t);
                Tensor f = call.of(x).narrow(0, b * t, t);
                Squares.addOfExample(ghost, d, f, call.flat(rows), call.flat(columns));
            }
        }
    }

    @Override
    public void addToSums(Array x, Array sums) {
        try (Call call = call()) {
            call.flat(sums).add_(call.flat(x));
        }
    }

    @Override
    public void addSquares(Array g, Array rows, Array columns) {
        try (Call call = call()) {
            Squares.addSquares(call.of(g), call.flat(rows), call.flat(columns));
        }
    }

    @Override
    public void addAbsolutes(Array g, Array rows, Array columns) {
        try (Call call = call()) {
            Squares.addAbsolutes(call.of(g), call.flat(rows), call.flat(columns));
        }
    }
}
