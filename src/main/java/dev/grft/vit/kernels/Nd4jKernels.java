package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.nd4j;

import dev.grft.vit.kernels.nd4j.Operations;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The portable path: public ND4J operations only, in
 * FLOAT or DOUBLE (gradient checks).
 */
public final class Nd4jKernels implements Kernels {
    @Override
    public Memory memory() {
        return Memory.ND4J;
    }

    private static @Nullable INDArray nd4jOrNull(@Nullable Array array) {
        return array == null ? null : nd4j(array);
    }

    @Override
    public void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c) {
        Operations.gemm(transposeA, nd4j(a), transposeB, nd4j(b), alpha, beta, nd4j(c));
    }

    @Override
    public void fillRows(Array row, Array y) {
        Operations.fillRows(nd4j(row), nd4j(y));
    }

    @Override
    public void add(Array x, Array y) {
        Operations.add(nd4j(x), nd4j(y));
    }

    @Override
    public void multiply(Array x, Array y) {
        Operations.multiply(nd4j(x), nd4j(y));
    }

    @Override
    public void sum(Array base, Array delta, Array y) {
        Operations.sum(nd4j(base), nd4j(delta), nd4j(y));
    }

    @Override
    public void columnSums(Array x, Array sums) {
        Operations.columnSums(nd4j(x), nd4j(sums));
    }

    @Override
    public void columnDots(Array a, Array b, Array sums) {
        Operations.columnDots(nd4j(a), nd4j(b), nd4j(sums));
    }

    @Override
    public void columnsToRows(Array x, int[] columns, Array y) {
        Operations.columnsToRows(nd4j(x), columns, nd4j(y));
    }

    @Override
    public void scaleColumns(Array x, Array factors, Array y) {
        Operations.scaleColumns(nd4j(x), nd4j(factors), nd4j(y));
    }

    @Override
    public void scaleExamples(Array x, float[] factors, Array y) {
        Operations.scaleExamples(nd4j(x), factors, nd4j(y));
    }

    @Override
    public void addRowsToColumns(Array x, int[] columns, Array y) {
        Operations.addRowsToColumns(nd4j(x), columns, nd4j(y));
    }

    @Override
    public void addEntries(Array x, int[] columns, Array values, Array y) {
        Operations.addEntries(nd4j(x), columns, nd4j(values), nd4j(y));
    }

    @Override
    public void entryDots(Array a, Array b, int[] columns, Array dots) {
        Operations.entryDots(nd4j(a), nd4j(b), columns, nd4j(dots));
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
        Operations.layerNorm(
                nd4j(x), nd4j(gamma), nd4j(beta), eps, nd4jOrNull(normalized), nd4jOrNull(inverse), nd4j(y));
    }

    @Override
    public void scaleAndShift(Array normalized, Array gamma, Array beta, Array y) {
        Operations.scaleAndShift(nd4j(normalized), nd4j(gamma), nd4j(beta), nd4j(y));
    }

    @Override
    public void layerNormBackward(Array dy, Array gamma, Array normalized, Array inverse, Array dx) {
        Operations.layerNormBackward(nd4j(dy), nd4j(gamma), nd4j(normalized), nd4j(inverse), nd4j(dx));
    }

    @Override
    public void gelu(@Nullable Array bias, Array x, Array y) {
        Operations.gelu(nd4jOrNull(bias), nd4j(x), nd4j(y));
    }

    @Override
    public void sigmoidGelu(@Nullable Array bias, double linear, double cubic, Array x, Array y) {
        Operations.sigmoidGelu(nd4jOrNull(bias), linear, cubic, nd4j(x), nd4j(y));
    }

    @Override
    public void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out) {
        Operations.attention(nd4j(qkv), heads, examples, nd4jOrNull(weights), nd4j(out));
    }

    @Override
    public void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv) {
        Operations.attentionBackward(nd4j(dout), nd4j(qkv), nd4jOrNull(weights), heads, examples, nd4j(dqkv));
    }

    @Override
    public void attend(Array u, Array x, double scale, Array weights, Array out) {
        Operations.attend(nd4j(u), nd4j(x), scale, nd4j(weights), nd4j(out));
    }

    @Override
    public void attendBackward(
            Array dout, Array u, Array x, double scale, Array weights, Array du, @Nullable Array dx) {
        Operations.attendBackward(nd4j(dout), nd4j(u), nd4j(x), scale, nd4j(weights), nd4j(du), nd4jOrNull(dx));
    }

    @Override
    public void headsApart(Array x, int heads, Array y) {
        Operations.headsApart(nd4j(x), heads, nd4j(y));
    }

    @Override
    public void addHeads(Array x, int heads, Array y) {
        Operations.addHeads(nd4j(x), heads, nd4j(y));
    }

    @Override
    public void patches(Array images, int patchSize, Array y) {
        Operations.patches(nd4j(images), patchSize, nd4j(y));
    }

    @Override
    public void tokens(Array patches, @Nullable Array first, Array positions, int examples, Array y) {
        Operations.tokens(nd4j(patches), nd4jOrNull(first), nd4j(positions), examples, nd4j(y));
    }

    @Override
    public void copyRows(Array x, int from, Array y, int to, int count, int examples) {
        Operations.copyRows(nd4j(x), from, nd4j(y), to, count, examples);
    }

    @Override
    public void pool(Array x, int prefix, Array y) {
        Operations.pool(nd4j(x), prefix, nd4j(y));
    }

    @Override
    public void poolBackward(Array dy, int prefix, Array dx) {
        Operations.poolBackward(nd4j(dy), prefix, nd4j(dx));
    }

    @Override
    public void sumExamples(Array x, int examples, Array y) {
        Operations.sumExamples(nd4j(x), examples, nd4j(y));
    }

    @Override
    public void crossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        Operations.crossEntropy(nd4j(logits), nd4j(targets), nd4j(losses), nd4j(dlogits));
    }

    @Override
    public void binaryCrossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        Operations.binaryCrossEntropy(nd4j(logits), nd4j(targets), nd4j(losses), nd4j(dlogits));
    }

    @Override
    public void squaredError(Array outputs, Array targets, Array losses, Array doutputs) {
        Operations.squaredError(nd4j(outputs), nd4j(targets), nd4j(losses), nd4j(doutputs));
    }

    @Override
    public void contrastive(Array features, Array same, double temperature, Array losses, Array dfeatures) {
        Operations.contrastive(nd4j(features), nd4j(same), temperature, nd4j(losses), nd4j(dfeatures));
    }

    @Override
    public void addToSums(Array x, Array sums) {
        Operations.addToSums(nd4j(x), nd4j(sums));
    }

    @Override
    public void addSquares(Array g, Array rows, Array columns) {
        Operations.addSquares(nd4j(g), nd4j(rows), nd4j(columns));
    }

    @Override
    public void addAbsolutes(Array g, Array rows, Array columns) {
        Operations.addAbsolutes(nd4j(g), nd4j(rows), nd4j(columns));
    }

    @Override
    public void addSquaredGradients(Array dy, Array x, int examples, Array rows, Array columns) {
        boolean ghost = CpuSquares.ghostIsCheaper(dy.size(0) / examples, dy.size(1), x.size(1));
        Operations.addSquaredGradients(ghost, nd4j(dy), nd4j(x), examples, nd4j(rows), nd4j(columns));
    }
}
