package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.nd4j;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.vit.Activation;
import dev.grft.vit.Naive;
import dev.grft.vit.kernels.Array.DataType;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Kernels whose arrays are BFLOAT16 do what they do with the same numbers in FLOAT, and round what they write. */
@Tag("kernels")
class NarrowKernelsTest {
    /** More values than {@link CpuScratch} widens at once, in rows that do not divide them. */
    private static final int M = 150;

    private static final int N = 700;

    private final Kernels kernels = Machine.narrow();
    private final Kernels floats = Machine.floats();
    private final Random random = new Random(7);
    private final Array a = narrow(M, N);
    private final Array b = narrow(M, N);

    @BeforeAll
    static void needAvx512() {
        Machine.needBf16();
    }

    @AfterEach
    void free() {
        kernels.free();
        floats.free();
    }

    @Test
    void sumsOfColumnsAreThoseOfTheSameNumbers() {
        Array sums = floats(N);
        Array expected = floats(N);
        kernels.columnSums(a, sums);
        floats.columnSums(wide(a), expected);
        same(sums, expected);
        kernels.columnDots(a, b, sums);
        floats.columnDots(wide(a), wide(b), expected);
        same(sums, expected);
        kernels.columnDots(a, wide(b), sums);
        same(sums, expected);
    }

    @Test
    void rowsAreFilledCopiedAndAdded() {
        Array row = normal(1, N).reshape(N);
        Array y = Machine.zeros(DataType.BFLOAT16, M, N);
        kernels.fillRows(row, y);
        same(y.rows(M - 1, M), Machine.copy(row, DataType.BFLOAT16));
        Array copy = floats(M, N);
        kernels.copyRows(a, 0, copy, 0, M, 1);
        same(copy, wide(a));
        kernels.copyRows(wide(b), 2, copy = copy(a), 1, 3, M / 5);
        for (int i : new int[] {0, 1, 3, 4, 5, 8}) {
            boolean copied = i % 5 >= 1 && i % 5 <= 3;
            same(copy.rows(i, i + 1), copied ? b.rows(i + 1, i + 2) : a.rows(i, i + 1));
        }
        Array sum = copy(b);
        kernels.add(a, sum);
        Array exactly = sum(a, b);
        same(sum, Machine.copy(exactly, DataType.BFLOAT16));
        Array into = wide(b);
        kernels.add(a, into);
        same(into, exactly);
    }

    @Test
    void columnsAreGatheredAndAddedTo() {
        int[] columns = {3, 0, N - 1};
        Array rows = floats(3, M);
        Array expected = floats(3, M);
        kernels.columnsToRows(a, columns, rows);
        floats.columnsToRows(wide(a), columns, expected);
        same(rows, expected);
        Array y = copy(b);
        Array wide = wide(b);
        Array added = normal(3, M);
        kernels.addRowsToColumns(added, columns, y);
        floats.addRowsToColumns(added, columns, wide);
        same(y, Machine.copy(wide, DataType.BFLOAT16));
    }

    @Test
    void chosenEntriesOfAProductAreThoseOfTheSameNumbers() {
        int[] columns = new int[2 * N];
        for (int i = 0; i < columns.length; i++) {
            columns[i] = (i * 7 + i / N) % N;
        }
        Array dots = floats(2, N);
        Array expected = floats(2, N);
        kernels.entryDots(a, b, columns, dots);
        floats.entryDots(wide(a), wide(b), columns, expected);
        same(dots, expected);
    }

    @Test
    void layerNormRoundsItsResultAndReadsARoundedGradient() {
        Array x = normal(M, N);
        Array gamma = normal(1, N).reshape(N);
        Array beta = normal(1, N).reshape(N);
        Array[] normalized = {floats(M, N), floats(M, N)};
        Array[] inverse = {floats(M), floats(M)};
        Array y = Machine.zeros(DataType.BFLOAT16, M, N);
        Array expected = floats(M, N);
        kernels.layerNorm(x, gamma, beta, 1e-6, normalized[0], inverse[0], y);
        floats.layerNorm(x, gamma, beta, 1e-6, normalized[1], inverse[1], expected);
        same(normalized[0], normalized[1]);
        same(inverse[0], inverse[1]);
        same(y, Machine.copy(expected, DataType.BFLOAT16));
        Array again = Machine.zeros(DataType.BFLOAT16, M, N);
        kernels.scaleAndShift(normalized[0], gamma, beta, again);
        same(again, y);
        Array dx = copy(x);
        Array exact = copy(x);
        kernels.layerNormBackward(a, gamma, normalized[0], inverse[0], dx);
        floats.layerNormBackward(wide(a), gamma, normalized[0], inverse[0], exact);
        same(dx, exact);
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void activationsAndTheirGradientsAreRounded(Activation activation) {
        Array kept = Machine.copy(sum(a, sum(a, a)), DataType.BFLOAT16);
        double[] x = kept.doubles();
        Array y = Machine.zeros(DataType.BFLOAT16, M, N);
        Array dy = copy(b);
        activation.apply(kernels, null, kept, y);
        activation.backward(kernels, kept, dy);
        double[] result = y.doubles();
        double[] before = b.doubles();
        double[] gradient = dy.doubles();
        for (int i = 0; i < M * N; i += 37) {
            double at = x[i];
            double expected = Naive.gelu(activation, at);
            assertThat(result[i]).isCloseTo(expected, within(Math.abs(expected) / 256 + 1e-5));
            double slope = before[i] * Naive.geluDerivative(activation, at);
            assertThat(gradient[i]).isCloseTo(slope, within(Math.abs(slope) / 256 + 1e-5));
        }
        if (kernels instanceof CpuKernels) {
            assertThatThrownBy(() -> activation.apply(kernels, floats(N), kept, y))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("bias");
        }
    }

    @ParameterizedTest
    @CsvSource({"false,false,1,0", "true,false,1,1", "false,true,0.5,1", "true,true,2,0"})
    void matricesAreMultipliedWhateverTheirTypes(boolean transposeA, boolean transposeB, double alpha, double beta) {
        Array left = transposeA ? narrow(40, 30) : narrow(30, 40);
        Array right = transposeB ? narrow(20, 40) : narrow(40, 20);
        Array start = narrow(30, 20);
        INDArray exact = (transposeA ? nd4j(left).transpose() : nd4j(left))
                .mmul(transposeB ? nd4j(right).transpose() : nd4j(right))
                .mul(alpha)
                .add(nd4j(start).mul(beta));
        for (Array c : new Array[] {copy(start), wide(start)}) {
            kernels.gemm(transposeA, left, transposeB, wide(right), alpha, beta, c);
            boolean exactly = c.type() == DataType.FLOAT && kernels instanceof CpuKernels;
            double tolerance = exactly ? 1e-5 : 1.0 / 256;
            assertThat(nd4j(c).sub(exact).norm2Number().doubleValue()
                            / exact.norm2Number().doubleValue())
                    .isLessThan(tolerance);
        }
        if (kernels instanceof CpuKernels) {
            assertThatThrownBy(() -> kernels.gemm(transposeA, left, transposeB, right, alpha, 0.5, copy(start)))
                    .hasMessageContaining("beta is 0.5");
        }
    }

    @ParameterizedTest
    @CsvSource({"2,96,64", "32,24,16"}) // whole gradients, and ghosts
    void squaredGradientsAreThoseOfTheSameNumbersButForRounding(int tokens, int out, int in) {
        int examples = 3;
        Array dy = narrow(examples * tokens, out);
        Array x = narrow(examples * tokens, in);
        Array[] ours = {Machine.zeros(DataType.DOUBLE, out), Machine.zeros(DataType.DOUBLE, in)};
        Array[] exact = {Machine.zeros(DataType.DOUBLE, out), Machine.zeros(DataType.DOUBLE, in)};
        kernels.addSquaredGradients(dy, x, examples, ours[0], ours[1]);
        floats.addSquaredGradients(wide(dy), wide(x), examples, exact[0], exact[1]);
        for (int i = 0; i < 2; i++) {
            double error = nd4j(ours[i]).sub(nd4j(exact[i])).norm2Number().doubleValue();
            assertThat(error / nd4j(exact[i]).norm2Number().doubleValue()).isLessThan(3e-3);
        }
    }

    private Array narrow(int rows, int columns) {
        return Machine.copy(normal(rows, columns), DataType.BFLOAT16);
    }

    private static Array wide(Array array) {
        return Machine.copy(array, DataType.FLOAT);
    }

    private static Array copy(Array array) {
        return Machine.copy(array, array.type());
    }

    /** Returns the sum in FLOAT. */
    private static Array sum(Array x, Array y) {
        float[] sums = x.floats();
        float[] others = y.floats();
        for (int i = 0; i < sums.length; i++) {
            sums[i] += others[i];
        }
        return Machine.array(DataType.FLOAT, sums, x.shape());
    }

    private static void same(Array actual, Array expected) {
        assertThat(actual.doubles()).isEqualTo(expected.doubles());
    }

    private static Array floats(long... shape) {
        return Machine.zeros(DataType.FLOAT, shape);
    }

    private Array normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Machine.array(DataType.FLOAT, values, rows, columns);
    }
}
