package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.vit.Activation;
import dev.grft.vit.Naive;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Kernels whose arrays are BFLOAT16 do what they do with the same numbers in FLOAT, and round what they write. */
@Tag("kernels")
class NarrowKernelsTest {
    /** More values than {@link CpuScratch} widens at once, in rows that do not divide them. */
    private static final int M = 150;

    private static final int N = 700;

    private final Kernels kernels = Machine.narrow();
    private final Kernels floats = Machine.floats();
    private final Random random = new Random(7);
    private final INDArray a = narrow(M, N);
    private final INDArray b = narrow(M, N);

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
        INDArray sums = floats(N);
        INDArray expected = floats(N);
        kernels.columnSums(a, sums);
        floats.columnSums(wide(a), expected);
        assertThat(sums).isEqualTo(expected);
        kernels.columnDots(a, b, sums);
        floats.columnDots(wide(a), wide(b), expected);
        assertThat(sums).isEqualTo(expected);
        kernels.columnDots(a, wide(b), sums);
        assertThat(sums).isEqualTo(expected);
    }

    @Test
    void rowsAreFilledCopiedAndAdded() {
        INDArray row = normal(1, N).reshape(N);
        INDArray y = Nd4j.create(DataType.BFLOAT16, M, N);
        kernels.fillRows(row, y);
        assertThat(wide(y.getRow(M - 1))).isEqualTo(wide(row.castTo(DataType.BFLOAT16)));
        INDArray copy = floats(M, N);
        kernels.copyRows(a, 0, copy, 0, M, 1);
        assertThat(copy).isEqualTo(wide(a));
        kernels.copyRows(wide(b), 2, copy = a.dup(), 1, 3, M / 5);
        for (int i : new int[] {0, 1, 3, 4, 5, 8}) {
            boolean copied = i % 5 >= 1 && i % 5 <= 3;
            assertThat(wide(copy.getRow(i))).isEqualTo(wide(copied ? b.getRow(i + 1) : a.getRow(i)));
        }
        INDArray sum = b.dup();
        kernels.add(a, sum);
        assertThat(wide(sum)).isEqualTo(wide(wide(a).add(wide(b)).castTo(DataType.BFLOAT16)));
        INDArray into = wide(b);
        kernels.add(a, into);
        assertThat(into).isEqualTo(wide(a).add(wide(b)));
    }

    @Test
    void columnsAreGatheredAndAddedTo() {
        int[] columns = {3, 0, N - 1};
        INDArray rows = floats(3, M);
        INDArray expected = floats(3, M);
        kernels.columnsToRows(a, columns, rows);
        floats.columnsToRows(wide(a), columns, expected);
        assertThat(rows).isEqualTo(expected);
        INDArray y = b.dup();
        INDArray wide = wide(b);
        INDArray added = normal(3, M);
        kernels.addRowsToColumns(added, columns, y);
        floats.addRowsToColumns(added, columns, wide);
        assertThat(wide(y)).isEqualTo(wide(wide.castTo(DataType.BFLOAT16)));
    }

    @Test
    void chosenEntriesOfAProductAreThoseOfTheSameNumbers() {
        int[] columns = new int[2 * N];
        for (int i = 0; i < columns.length; i++) {
            columns[i] = (i * 7 + i / N) % N;
        }
        INDArray dots = floats(2, N);
        INDArray expected = floats(2, N);
        kernels.entryDots(a, b, columns, dots);
        floats.entryDots(wide(a), wide(b), columns, expected);
        assertThat(dots).isEqualTo(expected);
    }

    @Test
    void layerNormRoundsItsResultAndReadsARoundedGradient() {
        INDArray x = normal(M, N);
        INDArray gamma = normal(1, N).reshape(N);
        INDArray beta = normal(1, N).reshape(N);
        INDArray[] normalized = {floats(M, N), floats(M, N)};
        INDArray[] inverse = {floats(M), floats(M)};
        INDArray y = Nd4j.create(DataType.BFLOAT16, M, N);
        INDArray expected = floats(M, N);
        kernels.layerNorm(x, gamma, beta, 1e-6, normalized[0], inverse[0], y);
        floats.layerNorm(x, gamma, beta, 1e-6, normalized[1], inverse[1], expected);
        assertThat(normalized[0]).isEqualTo(normalized[1]);
        assertThat(inverse[0]).isEqualTo(inverse[1]);
        assertThat(wide(y)).isEqualTo(wide(expected.castTo(DataType.BFLOAT16)));
        INDArray again = Nd4j.create(DataType.BFLOAT16, M, N);
        kernels.scaleAndShift(normalized[0], gamma, beta, again);
        assertThat(wide(again)).isEqualTo(wide(y));
        INDArray dx = x.dup();
        INDArray exact = x.dup();
        kernels.layerNormBackward(a, gamma, normalized[0], inverse[0], dx);
        floats.layerNormBackward(wide(a), gamma, normalized[0], inverse[0], exact);
        assertThat(dx).isEqualTo(exact);
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void activationsAndTheirGradientsAreRounded(Activation activation) {
        INDArray kept = a.mul(3);
        INDArray x = wide(kept);
        INDArray y = Nd4j.create(DataType.BFLOAT16, M, N);
        INDArray dy = b.dup();
        activation.apply(kernels, null, kept, y);
        activation.backward(kernels, kept, dy);
        INDArray result = wide(y);
        INDArray before = wide(b);
        INDArray gradient = wide(dy);
        for (int i = 0; i < M * N; i += 37) {
            double at = x.getDouble(i);
            double expected = Naive.gelu(activation, at);
            assertThat(result.getDouble(i)).isCloseTo(expected, within(Math.abs(expected) / 256 + 1e-5));
            double slope = before.getDouble(i) * Naive.geluDerivative(activation, at);
            assertThat(gradient.getDouble(i)).isCloseTo(slope, within(Math.abs(slope) / 256 + 1e-5));
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
        INDArray left = transposeA ? narrow(40, 30) : narrow(30, 40);
        INDArray right = transposeB ? narrow(20, 40) : narrow(40, 20);
        INDArray start = narrow(30, 20);
        INDArray exact = (transposeA ? wide(left).transpose() : wide(left))
                .mmul(transposeB ? wide(right).transpose() : wide(right))
                .mul(alpha)
                .add(wide(start).mul(beta));
        for (INDArray c : new INDArray[] {start.dup(), wide(start)}) {
            kernels.gemm(transposeA, left, transposeB, wide(right), alpha, beta, c);
            boolean exactly = c.dataType() == DataType.FLOAT && kernels instanceof CpuKernels;
            double tolerance = exactly ? 1e-5 : 1.0 / 256;
            assertThat(wide(c).sub(exact).norm2Number().doubleValue()
                            / exact.norm2Number().doubleValue())
                    .isLessThan(tolerance);
        }
        if (kernels instanceof CpuKernels) {
            assertThatThrownBy(() -> kernels.gemm(transposeA, left, transposeB, right, alpha, 0.5, start.dup()))
                    .hasMessageContaining("beta is 0.5");
        }
    }

    @ParameterizedTest
    @CsvSource({"2,96,64", "32,24,16"}) // whole gradients, and ghosts
    void squaredGradientsAreThoseOfTheSameNumbersButForRounding(int tokens, int out, int in) {
        int examples = 3;
        INDArray dy = narrow(examples * tokens, out);
        INDArray x = narrow(examples * tokens, in);
        INDArray[] ours = {Nd4j.create(DataType.DOUBLE, out), Nd4j.create(DataType.DOUBLE, in)};
        INDArray[] exact = {Nd4j.create(DataType.DOUBLE, out), Nd4j.create(DataType.DOUBLE, in)};
        kernels.addSquaredGradients(dy, x, examples, ours[0], ours[1]);
        floats.addSquaredGradients(wide(dy), wide(x), examples, exact[0], exact[1]);
        for (int i = 0; i < 2; i++) {
            double error = ours[i].sub(exact[i]).norm2Number().doubleValue();
            assertThat(error / exact[i].norm2Number().doubleValue()).isLessThan(3e-3);
        }
    }

    private INDArray narrow(int rows, int columns) {
        return normal(rows, columns).castTo(DataType.BFLOAT16);
    }

    private static INDArray wide(INDArray array) {
        return array.castTo(DataType.FLOAT).dup('c');
    }

    private static INDArray floats(long... shape) {
        return Nd4j.create(DataType.FLOAT, shape);
    }

    private INDArray normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Flat.array(values, DataType.FLOAT, rows, columns);
    }
}
