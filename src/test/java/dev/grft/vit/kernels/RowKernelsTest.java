package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.columns;
import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.Naive;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of matrix products, and sums and products by entry, row and column on every machine, against {@link Naive}; outputs are filled with NaN before. */
class RowKernelsTest extends OnEveryMachine {
    @ParameterizedTest
    @CsvSource({"1,1,1", "1,7,5", "7,1,3", "5,3,1", "13,17,19", "65,32,65", "197,3,64"})
    void gemmMultipliesWithEitherSideTransposed(int m, int n, int k) {
        double[] a = normal(1, m * k);
        double[] b = normal(2, k * n);
        double[] c = normal(3, m * n);
        for (boolean ta : new boolean[] {false, true}) {
            for (boolean tb : new boolean[] {false, true}) {
                Array left = ta ? machine.array(a, k, m) : machine.array(a, m, k);
                Array right = tb ? machine.array(b, n, k) : machine.array(b, k, n);
                Array y = machine.garbage(m, n);
                kernels.gemm(ta, left, tb, right, 1, 0, y);
                machine.assertClose(y, Naive.gemm(ta, a, tb, b, 1, 0, c, m, n, k), 20);
                Array z = machine.array(c, m, n);
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

        Array filled = machine.garbage(m, n);
        kernels.fillRows(machine.array(row, n), filled);
        machine.assertClose(filled, each(m * n, i -> row[i % n]), 0);

        Array added = machine.array(y, m, n);
        kernels.add(machine.array(x, m, n), added);
        machine.assertClose(added, each(m * n, i -> x[i] + y[i]), 1);

        Array multiplied = machine.array(y, m, n);
        kernels.multiply(machine.array(x, m, n), multiplied);
        machine.assertClose(multiplied, each(m * n, i -> x[i] * y[i]), 2);

        Array sum = machine.garbage(m, n);
        kernels.sum(machine.array(x, m, n), machine.array(y, m, n), sum);
        machine.assertClose(sum, each(m * n, i -> x[i] + y[i]), 1);
    }

    @Test
    void aSumTakesADeltaOfAnotherShape() {
        double[] base = normal(1, 12);
        double[] delta = normal(2, 12);
        Array sum = machine.garbage(12);
        kernels.sum(machine.array(base, 12), machine.array(delta, 12, 1), sum);
        machine.assertClose(sum, each(12, i -> base[i] + delta[i]), 1);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "1,5", "6,1", "197,13", "1000,3"})
    void columnsAreSummed(int m, int n) {
        double[] a = normal(1, m * n);
        double[] b = normal(2, m * n);
        Array sums = machine.garbage(n);
        kernels.columnSums(machine.array(a, m, n), sums);
        machine.assertClose(sums, columns(m, n, i -> a[i]), Math.sqrt(m) * 5);
        Array dots = machine.garbage(n);
        kernels.columnDots(machine.array(a, m, n), machine.array(b, m, n), dots);
        machine.assertClose(dots, columns(m, n, i -> a[i] * b[i]), Math.sqrt(m) * 5);
    }

    @Test
    void columnSumsFillAnArrayOfOneColumn() {
        double[] a = normal(1, 15);
        Array sums = machine.garbage(5, 1);
        kernels.columnSums(machine.array(a, 3, 5), sums);
        machine.assertClose(sums, columns(3, 5, i -> a[i]), 5);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "3,7", "197,64"})
    void scalingColumnsMultipliesEachByItsFactor(int m, int n) {
        double[] x = normal(1, m * n);
        double[] factors = normal(2, n);
        Array y = machine.garbage(m, n);
        kernels.scaleColumns(machine.array(x, m, n), machine.array(factors, n), y);
        machine.assertClose(y, each(m * n, i -> x[i] * factors[i % n]), 1);
        kernels.scaleColumns(y, machine.array(factors, n), y);
        machine.assertClose(y, each(m * n, i -> x[i] * factors[i % n] * factors[i % n]), 5);
    }

    @ParameterizedTest
    @CsvSource({"1,1,3", "3,7,5", "4,50,64"})
    void scalingExamplesMultipliesTheRowsOfEachByItsFactor(int examples, int tokens, int n) {
        double[] x = normal(1, examples * tokens * n);
        float[] factors = new float[examples];
        for (int b = 0; b < examples; b++) {
            factors[b] = b * 0.5f;
        }
        double[] expected = each(x.length, i -> x[i] * factors[i / (tokens * n)]);
        Array y = machine.garbage(examples * tokens, n);
        kernels.scaleExamples(machine.array(x, examples * tokens, n), factors, y);
        machine.assertClose(y, expected, 1);
        kernels.scaleExamples(y, factors, y);
        machine.assertClose(y, each(x.length, i -> expected[i] * factors[i / (tokens * n)]), 5);
    }
}
