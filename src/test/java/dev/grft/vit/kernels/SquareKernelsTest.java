package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.Naive;
import dev.grft.vit.kernels.Array.DataType;
import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of sums of squared gradients on every machine, against {@link Naive}; outputs are filled with NaN before. */
class SquareKernelsTest extends OnEveryMachine {
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
        assertThat(CpuSquares.ghostIsCheaper(t, out, in)).isEqualTo(ghost);
        double[] dy = normal(1, examples * t * out);
        double[] x = normal(2, examples * t * in);
        double[] rows = new double[out];
        double[] columns = new double[in];
        for (int b = 0; b < examples; b++) {
            Naive.addSquares(Naive.gradient(dy, x, b, t, out, in), rows, columns);
        }
        Array r = Machine.zeros(DataType.DOUBLE, out).fill(1);
        Array c = Machine.zeros(DataType.DOUBLE, in).fill(1);
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
    void squaresAndAbsoluteValuesAreAddedToRowsAndColumns(int out, int in) {
        double[] g = normal(1, out * in);
        assertAdded(g, out, in, kernels::addSquares, value -> value * value);
        assertAdded(g, out, in, kernels::addAbsolutes, Math::abs);
    }

    /** Asserts that a kernel adds this function of each entry, which is taken in double on every machine. */
    private void assertAdded(double[] g, int out, int in, Adding kernel, DoubleUnaryOperator function) {
        double[] rows = normal(2, out);
        double[] columns = normal(3, in);
        Array r = Machine.array(DataType.DOUBLE, rows, out);
        Array c = Machine.array(DataType.DOUBLE, columns, in);
        kernel.add(machine.array(g, out, in), r, c);
        for (int i = 0; i < g.length; i++) {
            rows[i / in] += function.applyAsDouble(g[i]);
            columns[i % in] += function.applyAsDouble(g[i]);
        }
        Machine.assertClose(values(r), rows, 1e-12);
        Machine.assertClose(values(c), columns, 1e-12);
    }

    private interface Adding {
        void add(Array g, Array rows, Array columns);
    }

    @Test
    void valuesAreAddedToSums() {
        double[] x = normal(1, 12);
        double[] before = normal(2, 12);
        Array sums = Machine.array(DataType.DOUBLE, before, 12);
        kernels.addToSums(machine.array(x, 3, 4), sums);
        assertThat(values(sums)).isEqualTo(each(12, i -> before[i] + x[i]));
    }

    @Test
    void aNanIsNotHidden() {
        double[] x = {1, Double.NaN, 2, 3};
        Array rows = Machine.zeros(DataType.DOUBLE, 2);
        kernels.addSquaredGradients(
                machine.array(x, 1, 4).reshape(2, 2),
                machine.array(x, 2, 2),
                2,
                rows,
                Machine.zeros(DataType.DOUBLE, 2));
        assertThat(values(rows)).contains(Double.NaN);
        Array ghost = Machine.zeros(DataType.DOUBLE, 40);
        double[] one = normal(1, 80);
        one[0] = Double.NaN;
        Array wide = machine.array(one, 2, 40);
        kernels.addSquaredGradients(wide, wide, 2, ghost, Machine.zeros(DataType.DOUBLE, 40));
        assertThat(values(ghost)).contains(Double.NaN);
    }
}
