package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.Activation;
import dev.grft.vit.Naive;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;

/** Every operation of every machine against {@link Naive}, outputs filled with NaN before. */
@ParameterizedClass
@EnumSource(Machine.class)
class KernelsTest {
    private final Machine machine;
    private final Kernels kernels;

    KernelsTest(Machine machine) {
        this.machine = machine;
        this.kernels = machine.kernels();
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,7,5", "7,1,3", "5,3,1", "13,17,19", "65,32,65", "197,3,64"})
    void gemmMultipliesWithEitherSideTransposed(int m, int n, int k) {
        double[] a = normal(1, m * k);
        double[] b = normal(2, k * n);
        double[] c = normal(3, m * n);
        for (boolean ta : new boolean[] {false, true}) {
            for (boolean tb : new boolean[] {false, true}) {
                INDArray left = ta ? machine.array(a, k, m) : machine.array(a, m, k);
                INDArray right = tb ? machine.array(b, n, k) : machine.array(b, k, n);
                INDArray y = machine.garbage(m, n);
                kernels.gemm(ta, left, tb, right, 1, 0, y);
                machine.assertClose(y, Naive.gemm(ta, a, tb, b, 1, 0, c, m, n, k), 20);
                INDArray z = machine.array(c, m, n);
                kernels.gemm(ta, left, tb, right, 0.5, 1, z);
                machine.assertClose(z, Naive.gemm(ta, a, tb, b, 0.5, 1, c, m, n, k), 20);
                kernels.gemm(ta, left, tb, right, -2, 0.25, z);
                double[] before = Naive.gemm(ta, a, tb, b, 0.5, 1, c, m, n, k);
                machine.assertClose(z, Naive.gemm(ta, a, tb, b, -2, 0.25, before, m, n, k), 50);
            }
        }
    }

    @Test
    void gemmRefusesMatricesThatDoNotFit() {
        assertThatThrownBy(() -> kernels.gemm(
                        false, machine.garbage(2, 3), false, machine.garbage(4, 5), 1, 0, machine.garbage(2, 5)))
                .isInstanceOf(RuntimeException.class);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,5", "6,1", "7,13", "3,5000"})
    void rowsAreFilledAddedAndMultiplied(int m, int n) {
        double[] x = normal(1, m * n);
        double[] y = normal(2, m * n);
        double[] row = normal(3, n);

        INDArray filled = machine.garbage(m, n);
        kernels.fillRows(machine.array(row, n), filled);
        machine.assertClose(filled, each(m * n, i -> row[i % n]), 0);

        INDArray added = machine.array(y, m, n);
        kernels.add(machine.array(x, m, n), added);
        machine.assertClose(added, each(m * n, i -> x[i] + y[i]), 1);

        INDArray multiplied = machine.array(y, m, n);
        kernels.multiply(machine.array(x, m, n), multiplied);
        machine.assertClose(multiplied, each(m * n, i -> x[i] * y[i]), 2);

        INDArray sum = machine.garbage(m, n);
        kernels.sum(machine.array(x, m, n), machine.array(y, m, n), sum);
        machine.assertClose(sum, each(m * n, i -> x[i] + y[i]), 1);
    }

    @Test
    void aSumTakesADeltaOfAnotherShape() {
        double[] base = normal(1, 12);
        double[] delta = normal(2, 12);
        INDArray sum = machine.garbage(12);
        kernels.sum(machine.array(base, 12), machine.array(delta, 12, 1), sum);
        machine.assertClose(sum, each(12, i -> base[i] + delta[i]), 1);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,5", "6,1", "197,13", "1000,3"})
    void columnsAreSummed(int m, int n) {
        double[] a = normal(1, m * n);
        double[] b = normal(2, m * n);
        INDArray sums = machine.garbage(n);
        kernels.columnSums(machine.array(a, m, n), sums);
        machine.assertClose(sums, columns(m, n, i -> a[i]), Math.sqrt(m) * 5);
        INDArray dots = machine.garbage(n);
        kernels.columnDots(machine.array(a, m, n), machine.array(b, m, n), dots);
        machine.assertClose(dots, columns(m, n, i -> a[i] * b[i]), Math.sqrt(m) * 5);
    }

    @Test
    void columnSumsFillAnArrayOfOneColumn() {
        double[] a = normal(1, 15);
        INDArray sums = machine.garbage(5, 1);
        kernels.columnSums(machine.array(a, 3, 5), sums);
        machine.assertClose(sums, columns(3, 5, i -> a[i]), 5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "8", "3", "0 8", "8 2 5", "0 1 2 3 4 5 6 7 8"})
    void columnsBecomeRowsAndRowsAreAddedToColumns(String list) {
        int[] columns =
                Arrays.stream(list.split(" ")).mapToInt(Integer::parseInt).toArray();
        int k = columns.length;
        int m = 2051; // more rows than are worked on at once
        double[] x = normal(1, m * 9);
        INDArray rows = machine.garbage(k, m);
        kernels.columnsToRows(machine.array(x, m, 9), columns, rows);
        machine.assertClose(rows, each(m * k, i -> x[i % m * 9 + columns[i / m]]), 0);

        double[] part = normal(2, m * k);
        double[] expected = x.clone();
        for (int i = 0; i < m * k; i++) {
            expected[i % m * 9 + columns[i / m]] += part[i];
        }
        INDArray y = machine.array(x, m, 9);
        kernels.addRowsToColumns(machine.array(part, k, m), columns, y);
        machine.assertClose(y, expected, 1);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,1", "5,7,9,1", "197,64,48,3", "3,4,2,2"})
    void entriesAreAddedAndHaveGradients(int rows, int out, int in, int k) {
        SplittableRandom random = new SplittableRandom(k);
        int[] columns = new int[k * out];
        for (int o = 0; o < out; o++) {
            int first = random.nextInt(in);
            for (int j = 0; j < k; j++) {
                columns[j * out + o] = (first + j) % in;
            }
        }
        double[] w = normal(1, out * in);
        double[] values = normal(2, k * out);
        double[] expected = w.clone();
        for (int i = 0; i < k * out; i++) {
            expected[i % out * in + columns[i]] += values[i];
        }
        INDArray frozen = machine.array(w, out, in);
        INDArray sum = machine.garbage(out, in);
        kernels.addEntries(frozen, columns, machine.array(values, k, out), sum);
        machine.assertClose(sum, expected, 1);
        machine.assertClose(frozen, w, 0);

        double[] dy = normal(3, rows * out);
        double[] x = normal(4, rows * in);
        INDArray dots = machine.garbage(k, out);
        kernels.entryDots(machine.array(dy, rows, out), machine.array(x, rows, in), columns, dots);
        machine.assertClose(
                dots,
                each(
                        k * out,
                        i -> IntStream.range(0, rows)
                                .mapToDouble(r -> dy[r * out + i % out] * x[r * in + columns[i]])
                                .sum()),
                Math.sqrt(rows) * 5);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "3,7", "197,64"})
    void scalingColumnsMultipliesEachByItsFactor(int m, int n) {
        double[] x = normal(1, m * n);
        double[] factors = normal(2, n);
        INDArray y = machine.garbage(m, n);
        kernels.scaleColumns(machine.array(x, m, n), machine.array(factors, n), y);
        machine.assertClose(y, each(m * n, i -> x[i] * factors[i % n]), 1);
        kernels.scaleColumns(y, machine.array(factors, n), y);
        machine.assertClose(y, each(m * n, i -> x[i] * factors[i % n] * factors[i % n]), 5);
    }

    @Test
    void columnsOfASingleRowBecomeRows() {
        INDArray y = machine.array(new double[] {2, 2, 6}, 1, 3);
        INDArray rows = machine.garbage(2, 1);
        kernels.columnsToRows(y, new int[] {2, 0}, rows);
        machine.assertClose(rows, new double[] {6, 2}, 0);
        kernels.addRowsToColumns(rows, new int[] {2, 0}, y);
        machine.assertClose(y, new double[] {4, 2, 12}, 0);
    }

    @ParameterizedTest
    @CsvSource({"1,2,0", "1,24,0", "7,13,3", "197,192,-2", "3,768,0"})
    void layerNormNormalizesEachRow(int m, int n, double offset) {
        double[] x = scaled(normal(1, m * n), 1, offset);
        double[] gamma = normal(2, n);
        double[] beta = normal(3, n);
        double[] z = Naive.normalized(x, 1e-6, m, n);
        INDArray normalized = machine.garbage(m, n);
        INDArray inverse = machine.garbage(m);
        INDArray y = machine.garbage(m, n);
        kernels.layerNorm(
                machine.array(x, m, n), machine.array(gamma, n), machine.array(beta, n), 1e-6, normalized, inverse, y);
        double spread = Arrays.stream(Naive.inverse(x, 1e-6, m, n)).max().orElseThrow(); // rows of two may be close
        machine.assertClose(normalized, z, 5 * spread);
        machine.assertClose(inverse, Naive.inverse(x, 1e-6, m, n), 5 * spread * spread);
        machine.assertClose(y, each(m * n, i -> z[i] * gamma[i % n] + beta[i % n]), 10 * spread);
        INDArray again = machine.garbage(m, n);
        kernels.scaleAndShift(normalized, machine.array(gamma, n), machine.array(beta, n), again);
        assertThat(values(again)).containsExactly(values(y));

        double[] dy = normal(4, m * n);
        double[] old = normal(5, m * n);
        double[] added = Naive.layerNormBackward(dy, gamma, values(normalized), values(inverse), m, n);
        INDArray dx = machine.array(old, m, n);
        kernels.layerNormBackward(machine.array(dy, m, n), machine.array(gamma, n), normalized, inverse, dx);
        machine.assertClose(dx, each(m * n, i -> old[i] + added[i]), 10 * spread);
    }

    @Test
    void layerNormOfAConstantRowIsTheOffset() {
        INDArray y = machine.garbage(1, 3);
        INDArray gamma = machine.array(new double[] {1, 2, 3}, 3);
        INDArray beta = machine.array(new double[] {4, 5, 6}, 3);
        INDArray x = machine.array(new double[] {7, 7, 7}, 1, 3);
        kernels.layerNorm(x, gamma, beta, 1e-6, machine.garbage(1, 3), machine.garbage(1), y);
        machine.assertClose(y, new double[] {4, 5, 6}, 0);
    }

    @Test
    void geluIsAccurateOverItsRange() {
        int n = 24_001;
        double[] x = each(n, i -> (float) (-12 + i * 0.001));
        INDArray y = machine.array(x, n, 1);
        INDArray derivative = machine.garbage(n, 1);
        kernels.gelu(null, y, derivative);
        machine.assertClose(y, each(n, i -> Naive.gelu(x[i])), 1);
        machine.assertClose(derivative, each(n, i -> Naive.geluDerivative(x[i])), 1);

        INDArray alone = machine.array(x, n, 1);
        kernels.gelu(null, alone, null);
        assertThat(values(alone)).isEqualTo(values(y));
    }

    @ParameterizedTest
    @CsvSource({"GELU,1,1", "GELU,7,3", "QUICK_GELU,5,64", "TANH_GELU,2,2048", "GELU,3,3072", "GELU,9,1000"})
    void aBiasIsAddedToEachRowBeforeTheGelu(Activation activation, int m, int n) {
        double[] before = normal(1, m * n);
        double[] bias = normal(2, n);
        double[] x = each(m * n, i -> before[i] + bias[i % n]);
        INDArray y = machine.array(before, m, n);
        INDArray derivative = machine.garbage(m, n);
        activation.apply(kernels, machine.array(bias, n), y, derivative);
        machine.assertClose(y, each(m * n, i -> Naive.gelu(activation, x[i])), 4);
        machine.assertClose(derivative, each(m * n, i -> Naive.geluDerivative(activation, x[i])), 4);
    }

    @ParameterizedTest
    @EnumSource(
            value = Activation.class,
            names = {"QUICK_GELU", "TANH_GELU"})
    void theOtherGelusAreAccurateOverTheirRange(Activation activation) {
        int n = 24_001;
        double[] x = each(n, i -> (float) (-12 + i * 0.001));
        INDArray y = machine.array(x, n, 1);
        INDArray derivative = machine.garbage(n, 1);
        activation.apply(kernels, null, y, derivative);
        machine.assertClose(y, each(n, i -> Naive.gelu(activation, x[i])), 2);
        machine.assertClose(derivative, each(n, i -> Naive.geluDerivative(activation, x[i])), 2);

        double[] far = {-1e30, -100, -60, 0, 60, 100, 1e30};
        INDArray there = machine.array(far, 7);
        INDArray slope = machine.garbage(7);
        activation.apply(kernels, null, there, slope);
        assertThat(values(there)[6]).isEqualTo(values(machine.array(far, 7))[6]);
        machine.assertClose(there.get(NDArrayIndex.interval(0, 6)), new double[] {0, 0, 0, 0, 60, 100}, 1);
        machine.assertClose(slope, new double[] {0, 0, 0, 0.5, 1, 1, 1}, 1);

        INDArray alone = machine.array(x, n, 1);
        activation.apply(kernels, null, alone, null);
        assertThat(values(alone)).isEqualTo(values(y));

        INDArray nan = machine.array(new double[] {1, Double.NaN}, 2);
        activation.apply(kernels, null, nan, machine.garbage(2));
        assertThat(values(nan)[1]).isNaN();
    }

    @Test
    void geluFarFromZeroIsZeroOrTheIdentity() {
        double[] x = {-1e30, -100, -20, 0, 20, 100, 1e30};
        INDArray y = machine.array(x, 7);
        INDArray derivative = machine.garbage(7);
        kernels.gelu(null, y, derivative);
        assertThat(values(y)[6]).isEqualTo(values(machine.array(x, 7))[6]);
        machine.assertClose(y.get(NDArrayIndex.interval(0, 6)), new double[] {0, 0, 0, 0, 20, 100}, 1);
        machine.assertClose(derivative, new double[] {0, 0, 0, 0.5, 1, 1, 1}, 1);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32", "1,2,197,64", "2,1,7,3"})
    void attentionIsTheSoftmaxOfEachHead(int examples, int heads, int t, int d) {
        double[] qkv = scaled(normal(1, examples * t * 3 * d), 1.5, 0);
        double[] w = Naive.attentionWeights(qkv, examples, heads, t, d);
        INDArray in = machine.array(qkv, examples * t, 3 * d);
        INDArray weights = machine.garbage(examples * heads * t, t);
        INDArray out = machine.garbage(examples * t, d);
        kernels.attention(in, examples, heads, weights, out);
        machine.assertClose(weights, w, 10);
        machine.assertClose(out, Naive.attention(qkv, w, examples, heads, t, d), 20);

        double[] dout = normal(2, examples * t * d);
        INDArray dqkv = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(machine.array(dout, examples * t, d), in, weights, examples, heads, dqkv);
        machine.assertClose(dqkv, Naive.attentionBackward(dout, qkv, w, examples, heads, t, d), 50);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32"})
    void attentionOfTheClassTokenAloneIsThatOfAllTokens(int examples, int heads, int t, int d) {
        double[] qkv = scaled(normal(1, examples * t * 3 * d), 1.5, 0);
        double[] w = Naive.attentionWeights(qkv, examples, heads, t, d);
        INDArray in = machine.array(qkv, examples * t, 3 * d);
        INDArray weights = machine.garbage(examples * heads, t);
        INDArray out = machine.garbage(examples, d);
        kernels.attention(in, examples, heads, weights, out);
        machine.assertClose(weights, firstOf(w, examples * heads, t, t), 10);
        machine.assertClose(out, firstOf(Naive.attention(qkv, w, examples, heads, t, d), examples, t, d), 20);

        double[] dout = normal(2, examples * d);
        double[] spread = new double[examples * t * d];
        for (int b = 0; b < examples; b++) {
            System.arraycopy(dout, b * d, spread, b * t * d, d);
        }
        INDArray dqkv = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(machine.array(dout, examples, d), in, weights, examples, heads, dqkv);
        machine.assertClose(dqkv, Naive.attentionBackward(spread, qkv, w, examples, heads, t, d), 50);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32", "2,12,9,3000"})
    void attentionToTokensThatAreKeysAndValuesInOne(int examples, int q, int t, int d) {
        double scale = 1 / Math.sqrt(d);
        double[] u = normal(1, examples * q * d);
        double[] x = normal(2, examples * t * d);
        double[] w = Naive.attendWeights(u, x, scale, examples, q, t, d);
        INDArray asked = machine.array(u, examples * q, d);
        INDArray tokens = machine.array(x, examples * t, d);
        INDArray weights = machine.garbage(examples * q, t);
        INDArray out = machine.garbage(examples * q, d);
        kernels.attend(asked, tokens, examples, scale, weights, out);
        machine.assertClose(weights, w, 10);
        machine.assertClose(out, Naive.attend(w, x, examples, q, t, d), 20);

        double[] dout = normal(3, examples * q * d);
        double[] du = new double[u.length];
        double[] dx = new double[x.length];
        Naive.attendBackward(dout, u, x, w, scale, examples, q, t, d, du, dx);
        INDArray given = machine.array(dout, examples * q, d);
        INDArray dasked = machine.garbage(examples * q, d);
        INDArray dtokens = machine.garbage(examples * t, d);
        kernels.attendBackward(given, asked, tokens, examples, scale, weights, dasked, dtokens);
        machine.assertClose(dasked, du, 200);
        machine.assertClose(dtokens, dx, 200);

        INDArray alone = machine.garbage(examples * q, d);
        kernels.attendBackward(given, asked, tokens, examples, scale, weights, alone, null);
        assertThat(alone).isEqualTo(dasked);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,3,2", "3,2,5"})
    void headsAreTakenApartAndAdded(int m, int heads, int h) {
        int d = heads * h;
        double[] x = normal(1, m * d);
        INDArray apart = machine.garbage(m * heads, d);
        kernels.headsApart(machine.array(x, m, d), heads, apart);
        machine.assertClose(
                apart, each(m * heads * d, i -> i % d / h == i / d % heads ? x[i / (heads * d) * d + i % d] : 0), 0);

        double[] y = normal(2, m * d);
        double[] parts = normal(3, m * heads * d);
        INDArray sum = machine.array(y, m, d);
        kernels.addHeads(machine.array(parts, m * heads, d), heads, sum);
        machine.assertClose(sum, each(m * d, i -> y[i] + parts[(i / d * heads + i % d / h) * d + i % d]), 1);
    }

    /** Returns the first row of each group of {@code rows} rows. */
    private static double[] firstOf(double[] x, int groups, int rows, int columns) {
        return each(groups * columns, i -> x[i / columns * rows * columns + i % columns]);
    }

    @Test
    void attentionSurvivesLargeScores() {
        double[] qkv = {100, 100, 1, -100, -100, 2, 50, 300, 3}; // T = 3, D = 1
        INDArray weights = machine.garbage(3, 3);
        INDArray out = machine.garbage(3, 1);
        kernels.attention(machine.array(qkv, 3, 3), 1, 1, weights, out);
        machine.assertClose(weights, new double[] {0, 0, 1, 0, 1, 0, 0, 0, 1}, 1);
        machine.assertClose(out, new double[] {3, 2, 3}, 3);
    }

    @Test
    void aNanIsNotHidden() {
        double[] x = {1, Double.NaN, 2, 3};
        INDArray y = machine.array(x, 4);
        kernels.gelu(null, y, machine.garbage(4));
        assertThat(values(y)[1]).isNaN();

        INDArray out = machine.garbage(3, 1);
        kernels.attention(
                machine.array(new double[] {1, 1, 1, 1, 1, 1, 1, Double.NaN, 1}, 3, 3),
                1,
                1,
                machine.garbage(3, 3),
                out);
        assertThat(values(out)).containsOnly(Double.NaN);

        INDArray losses = machine.garbage(2);
        INDArray targets = machine.array(new double[] {1, 0, 0, 1}, 2, 2);
        kernels.crossEntropy(machine.array(x, 2, 2), targets, losses, machine.garbage(2, 2));
        assertThat(values(losses)[0]).isNaN();
        assertThat(values(losses)[1]).isFinite();

        INDArray rows = Nd4j.zeros(DataType.DOUBLE, 2);
        kernels.addSquaredGradients(
                machine.array(x, 1, 4).reshape(2, 2), machine.array(x, 2, 2), 2, rows, Nd4j.zeros(DataType.DOUBLE, 2));
        assertThat(values(rows)).contains(Double.NaN);
        INDArray ghost = Nd4j.zeros(DataType.DOUBLE, 40);
        INDArray wide = machine.array(normal(1, 80), 2, 40);
        wide.putScalar(0, Double.NaN);
        kernels.addSquaredGradients(wide, wide, 2, ghost, Nd4j.zeros(DataType.DOUBLE, 40));
        assertThat(values(ghost)).contains(Double.NaN);
    }

    @ParameterizedTest
    @CsvSource({"1,3,8,4", "2,3,6,2", "3,1,4,4", "1,3,5,5"})
    void patchesAreFlattenedChannelFirst(int examples, int channels, int side, int patch) {
        double[] images = normal(1, examples * channels * side * side);
        int grid = side / patch;
        int n = examples * grid * grid;
        int length = channels * patch * patch;
        double[] expected = new double[n * length];
        for (int i = 0; i < expected.length; i++) {
            int b = i / length / grid / grid;
            int py = i / length / grid % grid;
            int px = i / length % grid;
            int c = i % length / (patch * patch);
            int y = py * patch + i % (patch * patch) / patch;
            int x = px * patch + i % patch;
            expected[i] = images[((b * channels + c) * side + y) * side + x];
        }
        INDArray y = machine.garbage(n, length);
        kernels.patches(machine.array(images, examples, channels, side, side), patch, y);
        machine.assertClose(y, expected, 0);
    }

    @ParameterizedTest
    @CsvSource({"1,2,1,1", "1,5,3,1", "3,5,4,1", "2,65,7,1", "2,6,3,3", "3,4,2,0"})
    void tokensAreSplitAndJoined(int examples, int t, int d, int prefix) {
        int n = t - prefix;
        double[] patches = normal(1, examples * n * d);
        double[] first = normal(2, prefix * d);
        double[] positions = normal(3, t * d);
        INDArray tokens = machine.garbage(examples * t, d);
        kernels.tokens(
                machine.array(patches, examples * n, d),
                prefix == 0 ? null : prefix == 1 ? machine.array(first, d) : machine.array(first, prefix, d),
                machine.array(positions, t, d),
                examples,
                tokens);
        double[] expected = each(examples * t * d, i -> {
            int token = i / d % t;
            int example = i / d / t;
            double value =
                    token < prefix ? first[token * d + i % d] : patches[(example * n + token - prefix) * d + i % d];
            return value + positions[i % (t * d)];
        });
        machine.assertClose(tokens, expected, 1);

        double[] x = normal(4, examples * t * d);
        INDArray in = machine.array(x, examples * t, d);
        INDArray patchRows = machine.garbage(examples * n, d);
        kernels.patchRows(in, examples, patchRows);
        machine.assertClose(patchRows, each(examples * n * d, i -> x[i + (i / (n * d) + 1) * prefix * d]), 0);

        INDArray sums = machine.garbage(t, d);
        kernels.sumExamples(in, examples, sums);
        machine.assertClose(sums, columns(examples, t * d, i -> x[i]), examples);

        INDArray classes = machine.garbage(examples, d);
        kernels.classRows(in, classes);
        double[] rows = each(examples * d, i -> x[i / d * t * d + i % d]);
        machine.assertClose(classes, rows, 0);

        INDArray spread = machine.garbage(examples * t, d);
        kernels.spreadClassRows(classes, spread);
        machine.assertClose(spread, each(examples * t * d, i -> i / d % t == 0 ? x[i] : 0), 0);
    }

    @Test
    void rowsAreCopied() {
        double[] x = normal(1, 5 * 3);
        double[] old = normal(2, 4 * 3);
        INDArray y = machine.array(old, 4, 3);
        kernels.copyRows(machine.array(x, 5, 3), 2, y, 1, 2);
        machine.assertClose(y, each(12, i -> i / 3 == 1 || i / 3 == 2 ? x[i + 3] : old[i]), 0);
    }

    @ParameterizedTest
    @CsvSource({"1,2,1,1", "3,5,4,1", "2,6,3,3", "3,4,2,0", "2,65,7,5"})
    void tokensArePooled(int examples, int t, int d, int prefix) {
        double[] x = normal(1, examples * t * d);
        double[] mean = new double[examples * d];
        for (int i = 0; i < x.length; i++) {
            mean[i / d / t * d + i % d] += i / d % t < prefix ? 0 : x[i] / (t - prefix);
        }
        INDArray in = machine.array(x, examples * t, d);
        INDArray y = machine.garbage(examples, d);
        kernels.pool(in, prefix, y);
        machine.assertClose(y, mean, 5);
        INDArray both = machine.garbage(examples, 2 * d);
        kernels.pool(in, prefix, both);
        machine.assertClose(
                both,
                each(
                        2 * d * examples,
                        i -> i % (2 * d) < d ? x[i / 2 / d * t * d + i % d] : mean[i / 2 / d * d + i % d]),
                5);

        double[] dy = normal(2, 2 * d * examples);
        INDArray dx = machine.garbage(examples * t, d);
        kernels.poolBackward(machine.array(dy, examples, 2 * d), prefix, dx);
        double[] expected = each(examples * t * d, i -> {
            int example = i / d / t;
            int token = i / d % t;
            double ofMean = token < prefix ? 0 : dy[(2 * example + 1) * d + i % d] / (t - prefix);
            return prefix > 0 && token == 0 ? dy[2 * example * d + i % d] : ofMean;
        });
        if (prefix > 0) { // without a class token it alone is not read
            machine.assertClose(dx, expected, 1);
        }
        kernels.poolBackward(machine.array(Arrays.copyOf(dy, examples * d), examples, d), prefix, dx);
        machine.assertClose(
                dx, each(examples * t * d, i -> i / d % t < prefix ? 0 : dy[i / d / t * d + i % d] / (t - prefix)), 1);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,2", "5,3", "7,1000"})
    void crossEntropyIsMinusTheExpectedLogProbability(int examples, int classes) {
        double[] logits = scaled(normal(1, examples * classes), 4, 0);
        double[] oneHot = each(examples * classes, i -> i % classes == i / classes % classes ? 1 : 0);
        double[] smooth = each(examples * classes, i -> 0.9 * oneHot[i] + 0.1 / classes);
        for (double[] targets : new double[][] {oneHot, smooth}) {
            double[] probabilities = new double[examples * classes];
            double[] expected = new double[examples];
            for (int b = 0; b < examples; b++) {
                double total = 0;
                for (int k = b * classes; k < (b + 1) * classes; k++) {
                    total += Math.exp(logits[k]);
                }
                for (int k = b * classes; k < (b + 1) * classes; k++) {
                    probabilities[k] = Math.exp(logits[k]) / total;
                    expected[b] -= targets[k] * Math.log(probabilities[k]);
                }
            }
            INDArray losses = machine.garbage(examples);
            INDArray dlogits = machine.garbage(examples, classes);
            kernels.crossEntropy(
                    machine.array(logits, examples, classes),
                    machine.array(targets, examples, classes),
                    losses,
                    dlogits);
            machine.assertClose(losses, expected, 10);
            machine.assertClose(dlogits, each(examples * classes, i -> probabilities[i] - targets[i]), 1);
        }
    }

    @Test
    void crossEntropySurvivesLargeLogits() {
        INDArray losses = machine.garbage(2);
        INDArray dlogits = machine.garbage(2, 2);
        INDArray logits = machine.array(new double[] {1000, -1000, 1000, -1000}, 2, 2);
        kernels.crossEntropy(logits, machine.array(new double[] {1, 0, 0, 1}, 2, 2), losses, dlogits);
        machine.assertClose(losses, new double[] {0, 2000}, 1);
        machine.assertClose(dlogits, new double[] {0, 0, 1, -1}, 1);
    }

    @ParameterizedTest
    @CsvSource({"2,3,0.07", "7,5,0.5", "12,24,0.07", "9,4,0.01"})
    void contrastiveLossPullsOneClassTogether(int n, int d, double temperature) {
        double[] f = normal(1, n * d);
        // Classes of 3, 2 and 1 rows in turn: the lone row has no positives.
        int[] classes = new int[n];
        Arrays.setAll(classes, i -> i % 6 < 3 ? i / 6 * 3 : i % 6 < 5 ? i / 6 * 3 + 1 : i / 6 * 3 + 2);
        double[] same = each(n * n, i -> i / n != i % n && classes[i / n] == classes[i % n] ? 1 : 0);
        INDArray losses = machine.garbage(n);
        INDArray df = machine.garbage(n, d);
        kernels.contrastive(machine.array(f, n, d), machine.array(same, n, n), temperature, losses, df);
        double scale = 5 / temperature;
        machine.assertClose(losses, Naive.contrastive(f, same, temperature, n, d), scale);

        ToDoubleFunction<double[]> sum = x ->
                Arrays.stream(Naive.contrastive(x, same, temperature, n, d)).sum();
        double[] expected = Differences.gradient(sum, f, 1e-6);
        Machine.assertClose(values(df), expected, 1e-5 * scale);
    }

    @Test
    void anAnchorWithoutPositivesCostsNothing() {
        INDArray losses = machine.garbage(2);
        INDArray df = machine.garbage(2, 2);
        INDArray same = machine.array(new double[4], 2, 2);
        kernels.contrastive(machine.array(new double[] {3, 4, 5, 6}, 2, 2), same, 0.1, losses, df);
        machine.assertClose(losses, new double[2], 0);
        machine.assertClose(df, new double[4], 0);
    }

    @ParameterizedTest
    @CsvSource({
        "1,1,3,2,true",
        "3,5,24,72,true",
        "4,1,40,30,true",
        "2,2,33,65,true",
        "2,17,7,5,false",
        "2,65,5,3,false",
        "1,197,9,11,false",
        "2,5,7,24,false"
    })
    void squaredGradientsAreSummedPerExampleByEitherRoute(int examples, int t, int out, int in, boolean ghost) {
        assertThat(Kernels.ghostIsCheaper(t, out, in)).isEqualTo(ghost);
        double[] dy = normal(1, examples * t * out);
        double[] x = normal(2, examples * t * in);
        double[] rows = new double[out];
        double[] columns = new double[in];
        for (int b = 0; b < examples; b++) {
            Naive.addSquares(Naive.gradient(dy, x, b, t, out, in), rows, columns);
        }
        INDArray r = Nd4j.ones(DataType.DOUBLE, out);
        INDArray c = Nd4j.ones(DataType.DOUBLE, in);
        kernels.addSquaredGradients(
                machine.array(dy, examples * t, out), machine.array(x, examples * t, in), examples, r, c);
        double scale = Math.max(
                Arrays.stream(rows).max().orElseThrow(),
                Arrays.stream(columns).max().orElseThrow());
        machine.assertClose(r, each(out, i -> 1 + rows[i]), 2 * scale);
        machine.assertClose(c, each(in, i -> 1 + columns[i]), 2 * scale);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,9", "9,1", "24,7"})
    void squaresAreAddedToRowsAndColumns(int out, int in) {
        double[] g = normal(1, out * in);
        double[] rows = normal(2, out);
        double[] columns = normal(3, in);
        INDArray r = Machine.array(DataType.DOUBLE, rows, out);
        INDArray c = Machine.array(DataType.DOUBLE, columns, in);
        kernels.addSquares(machine.array(g, out, in), r, c);
        Naive.addSquares(g, rows, columns);
        // The squares are taken in double on every machine.
        Machine.assertClose(values(r), rows, 1e-12);
        Machine.assertClose(values(c), columns, 1e-12);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,9", "9,1", "24,7"})
    void absoluteValuesAreAddedToRowsAndColumns(int out, int in) {
        double[] g = normal(1, out * in);
        double[] rows = normal(2, out);
        double[] columns = normal(3, in);
        INDArray r = Machine.array(DataType.DOUBLE, rows, out);
        INDArray c = Machine.array(DataType.DOUBLE, columns, in);
        kernels.addAbsolutes(machine.array(g, out, in), r, c);
        for (int i = 0; i < g.length; i++) {
            rows[i / in] += Math.abs(g[i]);
            columns[i % in] += Math.abs(g[i]);
        }
        Machine.assertClose(values(r), rows, 1e-12);
        Machine.assertClose(values(c), columns, 1e-12);
    }

    @Test
    void theSameStepTwiceGivesTheSameBits() {
        INDArray qkv = machine.array(normal(1, 2 * 17 * 72), 2 * 17, 72);
        double[][] outs = new double[2][];
        for (int i = 0; i < 2; i++) {
            INDArray weights = machine.garbage(2 * 3 * 17, 17);
            INDArray out = machine.garbage(2 * 17, 24);
            kernels.attention(qkv, 2, 3, weights, out);
            INDArray dqkv = machine.garbage(2 * 17, 72);
            kernels.attentionBackward(out, qkv, weights, 2, 3, dqkv);
            outs[i] = values(dqkv);
        }
        assertThat(outs[1]).isEqualTo(outs[0]);
    }

    private interface Entry {
        double at(int i);
    }

    private static double[] each(int length, Entry entry) {
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = entry.at(i);
        }
        return values;
    }

    /** Returns the floats nearest to {@code factor * x + offset}. */
    private static double[] scaled(double[] x, double factor, double offset) {
        return each(x.length, i -> (float) (factor * x[i] + offset));
    }

    private static double[] columns(int m, int n, Entry entry) {
        double[] sums = new double[n];
        for (int i = 0; i < m * n; i++) {
            sums[i % n] += entry.at(i);
        }
        return sums;
    }
}
