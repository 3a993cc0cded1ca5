package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.isNarrow;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The fast path on a CPU: BLAS directly on ND4J's buffers, and loops in Java that work on one cached row at a time. Each subject has a
 * file of its own, named in the fields; all of them share the scratch memory and {@linkplain CpuThreads the threads}.
 *
 * <p>Arrays are FLOAT only; products may be rounded to bfloat16, as {@link CpuBf16} says. All reductions run in a fixed order, so the same inputs give the same bits; those of products depend on the number of
 * threads, those of loops do not.
 */
public final class CpuKernels implements Kernels {
    private final CpuScratch scratch = new CpuScratch();
    private final CpuThreads threads = new CpuThreads();
    private final CpuRows rows = new CpuRows(threads);
    private final CpuGathers gathers = new CpuGathers(threads);
    private final CpuLayerNorm layerNorm = new CpuLayerNorm(threads);
    private final CpuGelu gelu = new CpuGelu(threads);
    private final CpuAttention attention = new CpuAttention(scratch, threads);
    private final CpuTokens tokens = new CpuTokens(threads);
    private final CpuLosses loss = new CpuLosses(threads);
    private final CpuSquares squares = new CpuSquares(scratch, threads);
    private final @Nullable CpuBf16 bf16;

    /** Returns kernels that compute in FLOAT. */
    public CpuKernels() {
        this(false);
    }

    /** Returns kernels whose products with weights, and those of attention, are in bfloat16 or in FLOAT. */
    public CpuKernels(boolean bf16) {
        this.bf16 = bf16 ? new CpuBf16(scratch) : null;
    }

    @Override
    public Memory memory() {
        return Memory.ND4J;
    }

    @Override
    public DataType between(DataType model) {
        return bf16 == null ? model : DataType.BFLOAT16;
    }

    @Override
    public void linear(Array x, Array w, @Nullable Packed packed, @Nullable Array bias, Array y) {
        if (bf16 == null || CpuBf16.stays(x, packed, y)) {
            Kernels.super.linear(x, w, packed, bias, y);
        } else {
            bf16.linear(x, w, packed, bias, y);
        }
    }

    @Override
    public void linearBackward(Array dy, Array w, @Nullable Packed packed, Array dx) {
        if (bf16 == null || CpuBf16.stays(dy, packed, dx)) {
            Kernels.super.linearBackward(dy, w, packed, dx);
        } else {
            bf16.linearBackward(dy, w, packed, dx);
        }
    }

    @Override
    public void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c) {
        if (isNarrow(a) || isNarrow(b) || isNarrow(c)) {
            bf16().gemm(transposeA, a, transposeB, b, alpha, beta, c);
        } else {
            CpuProducts.gemm(transposeA, a, transposeB, b, alpha, beta, c);
        }
    }

    private CpuBf16 bf16() {
        return Objects.requireNonNull(bf16, "BFLOAT16 arrays are for kernels of that precision");
    }

    @Override
    public void free() {
        scratch.free();
        threads.free();
        if (bf16 != null) {
            bf16.free();
        }
    }

    @Override
    public void fillRows(Array row, Array y) {
        rows.fillRows(row, y);
    }

    @Override
    public void add(Array x, Array y) {
        rows.add(x, y);
    }

    @Override
    public void multiply(Array x, Array y) {
        rows.multiply(x, y);
    }

    @Override
    public void sum(Array base, Array delta, Array y) {
        rows.sum(base, delta, y);
    }

    @Override
    public void columnSums(Array x, Array sums) {
        rows.columnSums(x, sums);
    }

    @Override
    public void columnDots(Array a, Array b, Array sums) {
        rows.columnDots(a, b, sums);
    }

    @Override
    public void columnsToRows(Array x, int[] columns, Array y) {
        gathers.columnsToRows(x, columns, y);
    }

    @Override
    public void scaleColumns(Array x, Array factors, Array y) {
        rows.scaleColumns(x, factors, y);
    }

    @Override
    public void scaleExamples(Array x, float[] factors, Array y) {
        rows.scaleExamples(x, factors, y);
    }

    @Override
    public void addRowsToColumns(Array x, int[] columns, Array y) {
        gathers.addRowsToColumns(x, columns, y);
    }

    @Override
    public void addEntries(Array x, int[] columns, Array values, Array y) {
        gathers.addEntries(x, columns, values, y);
    }

    @Override
    public void entryDots(Array a, Array b, int[] columns, Array dots) {
        gathers.entryDots(a, b, columns, dots);
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
        layerNorm.layerNorm(x, gamma, beta, eps, normalized, inverse, y);
    }

    @Override
    public void scaleAndShift(Array normalized, Array gamma, Array beta, Array y) {
        layerNorm.scaleAndShift(normalized, gamma, beta, y);
    }

    @Override
    public void layerNormBackward(Array dy, Array gamma, Array normalized, Array inverse, Array dx) {
        layerNorm.layerNormBackward(dy, gamma, normalized, inverse, dx);
    }

    @Override
    public void gelu(@Nullable Array bias, Array x, Array y) {
        if (isNarrow(x)) {
            activate(Functions.Activation.gelu(), bias, x, y);
        } else {
            gelu.gelu(bias, x, y);
        }
    }

    @Override
    public void geluBackward(Array kept, Array dy) {
        if (isNarrow(kept)) {
            bf16().activateBackward(Functions.Activation.gelu(), kept, dy);
        } else {
            Kernels.super.geluBackward(kept, dy);
        }
    }

    private void activate(Functions.Activation function, @Nullable Array bias, Array x, Array y) {
        if (bias != null) {
            throw new IllegalArgumentException("a bias is added by the product before, of BFLOAT16 arrays");
        }
        bf16().activate(function, x, y);
    }

    @Override
    public void sigmoidGelu(@Nullable Array bias, double linear, double cubic, Array x, Array y) {
        if (isNarrow(x)) {
            activate(sigmoid(linear, cubic), bias, x, y);
        } else {
            gelu.sigmoidGelu(bias, linear, cubic, x, y);
        }
    }

    @Override
    public void sigmoidGeluBackward(double linear, double cubic, Array kept, Array dy) {
        if (isNarrow(kept)) {
            bf16().activateBackward(sigmoid(linear, cubic), kept, dy);
        } else {
            Kernels.super.sigmoidGeluBackward(linear, cubic, kept, dy);
        }
    }

    private static Functions.Activation sigmoid(double linear, double cubic) {
        return cubic == 0 ? Functions.Activation.swish(linear) : Functions.Activation.tanhGelu();
    }

    @Override
    public void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out) {
        if (bf16 == null) {
            attention.attention(qkv, heads, examples, weights, out);
        } else {
            bf16.attention().attention(qkv, heads, examples, weights, out);
        }
    }

    @Override
    public void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv) {
        if (bf16 == null) {
            attention.attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        } else {
            bf16.attention().attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        }
    }

    @Override
    public void attend(Array u, Array x, double scale, Array weights, Array out) {
        attention.attend(u, x, scale, weights, out);
    }

    @Override
    public void attendBackward(
            Array dout, Array u, Array x, double scale, Array weights, Array du, @Nullable Array dx) {
        attention.attendBackward(dout, u, x, scale, weights, du, dx);
    }

    @Override
    public void headsApart(Array x, int heads, Array y) {
        attention.headsApart(x, heads, y);
    }

    @Override
    public void addHeads(Array x, int heads, Array y) {
        attention.addHeads(x, heads, y);
    }

    @Override
    public void patches(Array images, int patchSize, Array y) {
        tokens.patches(images, patchSize, y);
    }

    @Override
    public void tokens(Array patches, @Nullable Array first, Array positions, int examples, Array y) {
        tokens.tokens(patches, first, positions, examples, y);
    }

    @Override
    public void copyRows(Array x, int from, Array y, int to, int count, int examples) {
        tokens.copyRows(x, from, y, to, count, examples);
    }

    @Override
    public void pool(Array x, int prefix, Array y) {
        tokens.pool(x, prefix, y);
    }

    @Override
    public void poolBackward(Array dy, int prefix, Array dx) {
        tokens.poolBackward(dy, prefix, dx);
    }

    @Override
    public void sumExamples(Array x, int examples, Array y) {
        rows.sumParts(x, examples, y);
    }

    @Override
    public void crossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        loss.crossEntropy(logits, targets, losses, dlogits);
    }

    @Override
    public void binaryCrossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        loss.binaryCrossEntropy(logits, targets, losses, dlogits);
    }

    @Override
    public void squaredError(Array outputs, Array targets, Array losses, Array doutputs) {
        loss.squaredError(outputs, targets, losses, doutputs);
    }

    @Override
    public void contrastive(Array features, Array same, double temperature, Array losses, Array dfeatures) {
        loss.contrastive(features, same, temperature, losses, dfeatures);
    }

    @Override
    public void addSquaredGradients(Array dy, Array x, int examples, Array rows, Array columns) {
        if (!isNarrow(dy) && !isNarrow(x)) {
            squares.addSquaredGradients(dy, x, examples, rows, columns);
            return;
        }
        double[] r = rows.doubles();
        double[] c = columns.doubles();
        bf16().addSquaredGradients(squares, dy, x, examples, r, c);
        rows.write(r);
        columns.write(c);
    }

    @Override
    public void addToSums(Array x, Array sums) {
        squares.addToSums(x, sums);
    }

    @Override
    public void addSquares(Array g, Array rows, Array columns) {
        squares.addSquares(g, rows, columns);
    }

    @Override
    public void addAbsolutes(Array g, Array rows, Array columns) {
        squares.addAbsolutes(g, rows, columns);
    }
}
