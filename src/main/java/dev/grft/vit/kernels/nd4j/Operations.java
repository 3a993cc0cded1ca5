package dev.grft.vit.kernels.nd4j;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.scatter.ScatterAdd;
import org.nd4j.linalg.api.ops.impl.transforms.strict.Erf;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.INDArrayIndex;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.indexing.SpecifiedIndex;
import org.nd4j.linalg.ops.transforms.Transforms;

/** What {@code dev.grft.vit.kernels.Kernels} says, method by method, by public operations of ND4J. */
public final class Operations {
    private Operations() {}

    public static void gemm(
            boolean transposeA, INDArray a, boolean transposeB, INDArray b, double alpha, double beta, INDArray c) {
        INDArray left = transposeA ? a.transpose() : a;
        INDArray right = transposeB ? b.transpose() : b;
        INDArray product = left.mmul(right);
        if (alpha != 1) {
            product.muli(alpha);
        }
        if (beta == 0) {
            c.assign(product);
        } else {
            if (beta != 1) {
                c.muli(beta);
            }
            c.addi(product);
        }
    }

    public static void fillRows(INDArray row, INDArray y) {
        y.assign(row.reshape(1, row.length()).broadcast(y.shape()));
    }

    public static void add(INDArray x, INDArray y) {
        y.addi(x.reshape('c', y.shape()));
    }

    public static void multiply(INDArray x, INDArray y) {
        y.muli(x.reshape('c', y.shape()));
    }

    public static void sum(INDArray base, INDArray delta, INDArray y) {
        y.assign(base.reshape('c', y.shape())).addi(delta.reshape('c', y.shape()));
    }

    public static void columnSums(INDArray x, INDArray sums) {
        sums.assign(x.sum(0).reshape('c', sums.shape()));
    }

    public static void columnDots(INDArray a, INDArray b, INDArray sums) {
        sums.assign(a.mul(b).sum(0).reshape('c', sums.shape()));
    }

    public static void columnsToRows(INDArray x, int[] columns, INDArray y) {
        y.assign(x.get(NDArrayIndex.all(), specified(columns)).transpose());
    }

    public static void scaleColumns(INDArray x, INDArray factors, INDArray y) {
        y.assign(x).muliRowVector(flat(factors));
    }

    public static void scaleExamples(INDArray x, float[] factors, INDArray y) {
        INDArray column = Nd4j.createFromArray(factors).castTo(y.dataType()).reshape('c', factors.length, 1);
        y.assign(x).reshape('c', factors.length, y.length() / factors.length).muliColumnVector(column);
    }

    public static void addRowsToColumns(INDArray x, int[] columns, INDArray y) {
        for (int j = 0; j < columns.length; j++) {
            y.get(NDArrayIndex.all(), NDArrayIndex.interval(columns[j], columns[j] + 1))
                    .addi(x.get(NDArrayIndex.interval(j, j + 1), NDArrayIndex.all())
                            .transpose());
        }
    }

    public static void addEntries(INDArray x, int[] columns, INDArray values, INDArray y) {
        int m = Math.toIntExact(x.size(0));
        int[] places = new int[columns.length];
        for (int i = 0; i < places.length; i++) {
            places[i] = Math.toIntExact(i % m * x.size(1) + columns[i]);
        }
        INDArray sum = Nd4j.exec(new ScatterAdd(
                x.reshape('c', new long[] {x.length()}),
                Nd4j.createFromArray(places),
                values.reshape('c', new long[] {values.length()})))[0];
        y.assign(sum.reshape('c', y.shape()));
    }

    public static void entryDots(INDArray a, INDArray b, int[] columns, INDArray dots) {
        int n = Math.toIntExact(a.size(1));
        for (int k = 0; k < columns.length / n; k++) {
            int[] some = Arrays.copyOfRange(columns, k * n, (k + 1) * n);
            columnDots(a, b.get(NDArrayIndex.all(), specified(some)), dots.getRow(k));
        }
    }

    public static void layerNorm(
            INDArray x,
            INDArray gamma,
            INDArray beta,
            double eps,
            @Nullable INDArray normalized,
            @Nullable INDArray inverse,
            INDArray y) {
        INDArray z = normalized == null ? x.ulike() : normalized;
        z.assign(x).subiColumnVector(x.mean(true, 1));
        INDArray variance = z.mul(z).mean(true, 1);
        INDArray s = Transforms.sqrt(variance.addi(eps), false).rdivi(1);
        if (inverse != null) {
            inverse.assign(s.reshape(inverse.shape()));
        }
        scaleAndShift(z.muliColumnVector(s), gamma, beta, y);
    }

    public static void scaleAndShift(INDArray normalized, INDArray gamma, INDArray beta, INDArray y) {
        y.assign(normalized).muliRowVector(flat(gamma)).addiRowVector(flat(beta));
    }

    public static void layerNormBackward(
            INDArray dy, INDArray gamma, INDArray normalized, INDArray inverse, INDArray dx) {
        INDArray d = dy.mulRowVector(flat(gamma));
        INDArray meanD = d.mean(true, 1);
        INDArray meanDz = d.mul(normalized).mean(true, 1);
        d.subiColumnVector(meanD).subi(normalized.mulColumnVector(meanDz));
        dx.addi(d.muliColumnVector(inverse.reshape(inverse.length(), 1)));
    }

    public static void gelu(@Nullable INDArray bias, INDArray in, INDArray y) {
        INDArray x = plus(bias, in);
        INDArray cdf =
                Nd4j.exec(new Erf(x.mul(Math.sqrt(0.5)), x.ulike())).addi(1).muli(0.5);
        y.assign(x.mul(cdf));
        if (in != y) {
            INDArray density = Transforms.exp(x.mul(x).muli(-0.5), false).muli(1 / Math.sqrt(2 * Math.PI));
            in.assign(cdf.addi(density.muli(x)));
        }
    }

    /** Returns y + bias, row by row, as an array of its own. */
    private static INDArray plus(@Nullable INDArray bias, INDArray y) {
        return bias == null ? y.dup() : y.addRowVector(flat(bias));
    }

    public static void sigmoidGelu(@Nullable INDArray bias, double linear, double cubic, INDArray in, INDArray y) {
        INDArray x = plus(bias, in);
        INDArray near = Transforms.min(Transforms.max(x, -60, true), 60, false); // the sigmoid is 0 or 1 beyond
        INDArray square = near.mul(near);
        INDArray sigmoid = Transforms.sigmoid(square.mul(cubic).addi(linear).muli(near), false);
        y.assign(x.mul(sigmoid));
        if (in != y) {
            INDArray slope = square.muli(3 * cubic)
                    .addi(linear)
                    .muli(near)
                    .muli(sigmoid.rsub(1))
                    .addi(1);
            in.assign(slope.muli(sigmoid));
        }
    }

    public static void attention(INDArray qkv, int heads, int examples, @Nullable INDArray weights, INDArray out) {
        Attention.attention(qkv, heads, examples, weights, out);
    }

    public static void attentionBackward(
            INDArray dout, INDArray qkv, @Nullable INDArray weights, int heads, int examples, INDArray dqkv) {
        Attention.attentionBackward(dout, qkv, weights, heads, examples, dqkv);
    }

    public static void attend(INDArray u, INDArray x, double scale, INDArray weights, INDArray out) {
        Attention.attend(u, x, scale, weights, out);
    }

    public static void attendBackward(
            INDArray dout, INDArray u, INDArray x, double scale, INDArray weights, INDArray du, @Nullable INDArray dx) {
        Attention.attendBackward(dout, u, x, scale, weights, du, dx);
    }

    public static void headsApart(INDArray x, int heads, INDArray y) {
        Attention.headsApart(x, heads, y);
    }

    public static void addHeads(INDArray x, int heads, INDArray y) {
        Attention.addHeads(x, heads, y);
    }

    public static void patches(INDArray images, int patchSize, INDArray y) {
        long examples = images.size(0);
        long channels = images.size(1);
        long grid = images.size(2) / patchSize;
        y.assign(images.reshape('c', examples, channels, grid, patchSize, grid, patchSize)
                .permute(0, 2, 4, 1, 3, 5)
                .dup('c')
                .reshape('c', y.shape()));
    }

    public static void tokens(
            INDArray patches, @Nullable INDArray first, INDArray positions, int examples, INDArray y) {
        long t = positions.size(0);
        long d = positions.size(1);
        long n = patches.size(0) / examples;
        rows(y, examples, t - n, t).assign(ofExamples(patches, examples));
        if (first != null) {
            rows(y, examples, 0, t - n).assign(first.reshape('c', 1, t - n, d).broadcast(examples, t - n, d));
        }
        ofExamples(y, examples).addi(positions.reshape('c', 1, t, d).broadcast(examples, t, d));
    }

    public static void copyRows(INDArray x, int from, INDArray y, int to, int count, int examples) {
        rows(y, examples, to, to + count).assign(rows(x, examples, from, from + count));
    }

    public static void pool(INDArray x, int prefix, INDArray y) {
        int examples = Math.toIntExact(y.size(0));
        long width = y.size(1);
        long d = x.size(1);
        long t = x.size(0) / examples;
        columns(y, width - d, width)
                .assign(rows(x, examples, prefix, t).dup('c').mean(1));
        if (width > d) {
            columns(y, 0, d).assign(rows(x, examples, 0, 1).reshape('c', examples, d));
        }
    }

    public static void poolBackward(INDArray dy, int prefix, INDArray dx) {
        int examples = Math.toIntExact(dy.size(0));
        long width = dy.size(1);
        long d = dx.size(1);
        long t = dx.size(0) / examples;
        INDArray dmean = columns(dy, width - d, width).dup('c').divi(t - prefix);
        dx.assign(0);
        rows(dx, examples, prefix, t).assign(dmean.reshape('c', examples, 1, d).broadcast(examples, t - prefix, d));
        if (width > d) {
            rows(dx, examples, 0, 1).assign(columns(dy, 0, d).dup('c').reshape('c', examples, 1, d));
        }
    }

    public static void sumExamples(INDArray x, int examples, INDArray y) {
        y.assign(x.reshape('c', examples, y.length()).sum(0).reshape('c', y.shape()));
    }

    public static void crossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        INDArray shifted = logits.subColumnVector(logits.max(true, 1));
        INDArray exponentials = Transforms.exp(shifted, true);
        INDArray totals = exponentials.sum(true, 1);
        // In double: of many small numbers, a sum of floats is off by more than their own rounding.
        INDArray weights = targets.castTo(DataType.DOUBLE).sum(true, 1).castTo(targets.dataType());
        losses.assign(Transforms.log(totals, true)
                .muli(weights)
                .subi(shifted.mul(targets).sum(true, 1))
                .reshape(losses.shape()));
        dlogits.assign(
                exponentials.diviColumnVector(totals).muliColumnVector(weights).subi(targets));
    }

    public static void binaryCrossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        INDArray on = outputs(targets);
        INDArray weights = weights(targets);
        INDArray rest =
                Nd4j.math.log1p(Transforms.exp(Transforms.abs(logits, true).negi(), false));
        losses.assign(Transforms.max(logits, 0, true)
                .addi(rest)
                .muliColumnVector(weights)
                .subi(logits.mul(on))
                .mean(true, 1)
                .reshape(losses.shape()));
        dlogits.assign(Transforms.sigmoid(logits, true)
                .muliColumnVector(weights)
                .subi(on)
                .divi(logits.size(1)));
    }

    public static void squaredError(INDArray outputs, INDArray targets, INDArray losses, INDArray doutputs) {
        INDArray values = outputs(targets);
        INDArray weights = weights(targets);
        INDArray divisors = Transforms.max(weights, Float.MIN_NORMAL, true); // of weight 0, the value is 0
        INDArray errors = outputs.sub(values.divColumnVector(divisors));
        losses.assign(errors.mul(errors).muliColumnVector(weights).mean(true, 1).reshape(losses.shape()));
        doutputs.assign(outputs.mulColumnVector(weights).subi(values).muli(2.0 / outputs.size(1)));
    }

    /** Returns of targets {@code [B, K + 1]} those of the outputs, {@code [B, K]}. */
    private static INDArray outputs(INDArray targets) {
        return targets.get(NDArrayIndex.all(), NDArrayIndex.interval(0, targets.size(1) - 1))
                .dup('c');
    }

    /** Returns of targets {@code [B, K + 1]} the weights of the examples, {@code [B, 1]}. */
    private static INDArray weights(INDArray targets) {
        long k = targets.size(1) - 1;
        return targets.get(NDArrayIndex.all(), NDArrayIndex.interval(k, k + 1)).dup('c');
    }

    public static void contrastive(
            INDArray features, INDArray same, double temperature, INDArray losses, INDArray dfeatures) {
        INDArray lengths = Transforms.max(Transforms.sqrt(features.mul(features).sum(true, 1), false), 1e-12, false);
        INDArray z = features.divColumnVector(lengths);
        // No row is its own contrast: far below every other similarity, it leaves the maximum and the sum alone.
        INDArray self = Nd4j.eye(z.size(0)).castTo(z.dataType()).muli(1e30);
        INDArray similarity = z.mmul(z.transpose()).muli(1 / temperature).subi(self);
        INDArray shifted = similarity.subColumnVector(similarity.max(true, 1));
        INDArray exponentials = Transforms.exp(shifted, true);
        INDArray totals = exponentials.sum(true, 1);
        INDArray positives = same.sum(true, 1);
        INDArray any = Transforms.min(positives, 1, true);
        INDArray shares = same.divColumnVector(Transforms.max(positives, 1, true));
        losses.assign(Transforms.log(totals, true)
                .muli(any)
                .subi(shifted.mul(shares).sum(true, 1))
                .reshape(losses.shape()));
        INDArray d = exponentials.diviColumnVector(totals).muliColumnVector(any).subi(shares);
        INDArray dz = d.add(d.transpose()).mmul(z).muli(1 / temperature);
        dz.subi(z.mulColumnVector(dz.mul(z).sum(true, 1))).diviColumnVector(lengths);
        dfeatures.assign(dz);
    }

    public static void addSquaredGradients(
            boolean ghost, INDArray dy, INDArray x, int examples, INDArray rows, INDArray columns) {
        long t = dy.size(0) / examples;
        for (int b = 0; b < examples; b++) {
            INDArrayIndex tokens = NDArrayIndex.interval(b * t, (b + 1) * t);
            INDArray d = dy.get(tokens, NDArrayIndex.all());
            INDArray f = x.get(tokens, NDArrayIndex.all());
            if (ghost) {
                addGhost(d, f, rows);
                addGhost(f, d, columns);
            } else {
                addSquares(d.transpose().mmul(f), rows, columns);
            }
        }
    }

    public static void addToSums(INDArray x, INDArray sums) {
        INDArray doubles = x.castTo(DataType.DOUBLE);
        sums.addi(doubles.reshape('c', sums.shape()));
        if (doubles != x) {
            Freed.array(doubles);
        }
    }

    public static void addSquares(INDArray g, INDArray rows, INDArray columns) {
        INDArray squares = g.castTo(DataType.DOUBLE);
        squares = squares.mul(squares);
        rows.addi(squares.sum(1));
        columns.addi(squares.sum(0));
    }

    public static void addAbsolutes(INDArray g, INDArray rows, INDArray columns) {
        INDArray absolutes = Transforms.abs(g.castTo(DataType.DOUBLE), true);
        rows.addi(absolutes.sum(1));
        columns.addi(absolutes.sum(0));
    }

    /** Adds diag(a' (b b') a) to {@code sums}, an entry at least 0. */
    private static void addGhost(INDArray a, INDArray b, INDArray sums) {
        INDArray product = b.mmul(b.transpose()).mmul(a);
        INDArray diagonal =
                product.castTo(DataType.DOUBLE).muli(a.castTo(DataType.DOUBLE)).sum(0);
        sums.addi(diagonal.add(Transforms.abs(diagonal, true)).muli(0.5)); // unlike max, keeps a NaN
    }

    /** Returns {@code [B*n, D]} as {@code [B, n, D]}. */
    static INDArray ofExamples(INDArray x, int examples) {
        return x.reshape('c', examples, x.size(0) / examples, x.size(1));
    }

    /** Returns rows {@code from} to {@code to} (exclusive) of each example of {@code x [B*n, D]} as a view {@code [B, to - from, D]}. */
    private static INDArray rows(INDArray x, int examples, long from, long to) {
        return ofExamples(x, examples).get(NDArrayIndex.all(), NDArrayIndex.interval(from, to), NDArrayIndex.all());
    }

    /** Returns columns {@code from} to {@code to} (exclusive) of a matrix as a view. */
    static INDArray columns(INDArray x, long from, long to) {
        return x.get(NDArrayIndex.all(), NDArrayIndex.interval(from, to));
    }

    private static INDArray flat(INDArray vector) {
        return vector.reshape(1, vector.length());
    }

    private static SpecifiedIndex specified(int[] columns) {
        long[] indices = new long[columns.length];
        for (int i = 0; i < columns.length; i++) {
            indices[i] = columns[i];
        }
        return new SpecifiedIndex(indices);
    }
}
