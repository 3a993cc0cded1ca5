package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.isNarrow;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

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
    public DataType between(DataType model) {
        return bf16 == null ? model : DataType.BFLOAT16;
    }

    @Override
    public void linear(INDArray x, INDArray w, @Nullable Packed packed, @Nullable INDArray bias, INDArray y) {
        if (bf16 == null || CpuBf16.stays(x, packed, y)) {
            Kernels.super.linear(x, w, packed, bias, y);
        } else {
            bf16.linear(x, w, packed, bias, y);
        }
    }

    @Override
    public void linearBackward(INDArray dy, INDArray w, @Nullable Packed packed, INDArray dx) {
        if (bf16 == null || CpuBf16.stays(dy, packed, dx)) {
            Kernels.super.linearBackward(dy, w, packed, dx);
        } else {
            bf16.linearBackward(dy, w, packed, dx);
        }
    }

    @Override
    public void gemm(
            boolean transposeA, INDArray a, boolean transposeB, INDArray b, double alpha, double beta, INDArray c) {
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
    public void fillRows(INDArray row, INDArray y) {
        rows.fillRows(row, y);
    }

    @Override
    public void add(INDArray x, INDArray y) {
        rows.add(x, y);
    }

    @Override
    public void multiply(INDArray x, INDArray y) {
        rows.multiply(x, y);
    }

    @Override
    public void sum(INDArray base, INDArray delta, INDArray y) {
        rows.sum(base, delta, y);
    }

    @Override
    public void columnSums(INDArray x, INDArray sums) {
        rows.columnSums(x, sums);
    }

    @Override
    public void columnDots(INDArray a, INDArray b, INDArray sums) {
        rows.columnDots(a, b, sums);
    }

    @Override
    public void columnsToRows(INDArray x, int[] columns, INDArray y) {
        gathers.columnsToRows(x, columns, y);
    }

    @Override
    public void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        rows.scaleColumns(x, factors, y);
    }

    @Override
    public void scaleExamples(INDArray x, float[] factors, INDArray y) {
        rows.scaleExamples(x, factors, y);
    }

    @Override
    public void addRowsToColumns(INDArray x, int[] columns, INDArray y) {
        gathers.addRowsToColumns(x, columns, y);
    }

    @Override
    public void addEntries(INDArray x, int[] columns, INDArray values, INDArray y) {
        gathers.addEntries(x, columns, values, y);
    }

    @Override
    public void entryDots(INDArray a, INDArray b, int[] columns, INDArray dots) {
        gathers.entryDots(a, b, columns, dots);
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
        layerNorm.layerNorm(x, gamma, beta, eps, normalized, inverse, y);
    }

    @Override
    public void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        layerNorm.scaleAndShift(normalized, gamma, beta, y);
    }

    @Override
    public void layerNormBackward(INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        layerNorm.layerNormBackward(dy, gamma, normalized, inverse, dx);
    }

    @Override
    public void gelu(@Nullable INDArray bias, INDArray x, INDArray y) {
        if (isNarrow(x)) {
            activate(Functions.Activation.gelu(), bias, x, y);
        } else {
            gelu.gelu(bias, x, y);
        }
    }

    @Override
    public void geluBackward(INDArray kept, INDArray dy) {
        if (isNarrow(kept)) {
            bf16().activateBackward(Functions.Activation.gelu(), kept, dy);
        } else {
            Kernels.super.geluBackward(kept, dy);
        }
    }

    private void activate(Functions.Activation function, @Nullable INDArray bias, INDArray x, INDArray y) {
        if (bias != null) {
            throw new IllegalArgumentException("a bias is added by the product before, of BFLOAT16 arrays");
        }
        bf16().activate(function, x, y);
    }

    @Override
    public void sigmoidGelu(@Nullable INDArray bias, double linear, double cubic, INDArray x, INDArray y) {
        if (isNarrow(x)) {
            activate(sigmoid(linear, cubic), bias, x, y);
        } else {
            gelu.sigmoidGelu(bias, linear, cubic, x, y);
        }
    }

    @Override
    public void sigmoidGeluBackward(double linear, double cubic, INDArray kept, INDArray dy) {
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
    public void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        if (bf16 == null) {
            attention.attention(qkv, heads, examples, weights, out);
        } else {
            bf16.attention().attention(qkv, heads, examples, weights, out);
        }
    }

    @Override
    public void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        if (bf16 == null) {
            attention.attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        } else {
            bf16.attention().attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        }
    }

    @Override
    public void attend(INDArray u, INDArray x, double scale, INDArray weights, INDArray out) {
        attention.attend(u, x, scale, weights, out);
    }

    @Override
    public void attendBackward(
            INDArray dout, INDArray u, INDArray x, double scale, INDArray weights, INDArray du, @Nullable INDArray dx) {
        attention.attendBackward(dout, u, x, scale, weights, du, dx);
    }

    @Override
    public void headsApart(INDArray x, int heads, INDArray y) {
        attention.headsApart(x, heads, y);
    }

    @Override
    public void addHeads(INDArray x, int heads, INDArray y) {
        attention.addHeads(x, heads, y);
    }

    @Override
    public void patches(INDArray images, int patchSize, INDArray y) {
        tokens.patches(images, patchSize, y);
    }

    @Override
    public void tokens(INDArray patches, @Nullable INDArray first, INDArray positions, int examples, INDArray y) {
        tokens.tokens(patches, first, positions, examples, y);
    }

    @Override
    public void copyRows(INDArray x, int from, INDArray y, int to, int count, int examples) {
        tokens.copyRows(x, from, y, to, count, examples);
    }

    @Override
    public void pool(INDArray x, int prefix, INDArray y) {
        tokens.pool(x, prefix, y);
    }

    @Override
    public void poolBackward(INDArray dy, int prefix, INDArray dx) {
        tokens.poolBackward(dy, prefix, dx);
    }

    @Override
    public void sumExamples(INDArray x, int examples, INDArray y) {
        rows.sumParts(x, examples, y);
    }

    @Override
    public void crossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        loss.crossEntropy(logits, targets, losses, dlogits);
    }

    @Override
    public void binaryCrossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        loss.binaryCrossEntropy(logits, targets, losses, dlogits);
    }

    @Override
    public void squaredError(INDArray outputs, INDArray targets, INDArray losses, INDArray doutputs) {
        loss.squaredError(outputs, targets, losses, doutputs);
    }

    @Override
    public void contrastive(INDArray features, INDArray same, double temperature, INDArray losses, INDArray dfeatures) {
        loss.contrastive(features, same, temperature, losses, dfeatures);
    }

    @Override
    public void addSquaredGradients(INDArray dy, INDArray x, int examples, INDArray rows, INDArray columns) {
        if (!isNarrow(dy) && !isNarrow(x)) {
            squares.addSquaredGradients(dy, x, examples, rows, columns);
            return;
        }
        double[] r = CpuArrays.doubles(rows);
        double[] c = CpuArrays.doubles(columns);
        bf16().addSquaredGradients(squares, dy, x, examples, r, c);
        rows.data().setData(r);
        columns.data().setData(c);
    }

    @Override
    public void addSquares(INDArray g, INDArray rows, INDArray columns) {
        squares.addSquares(g, rows, columns);
    }

    @Override
    public void addAbsolutes(INDArray g, INDArray rows, INDArray columns) {
        squares.addAbsolutes(g, rows, columns);
    }
}
