package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Kernels of chosen columns and entries on every machine, against plain loops; outputs are filled with NaN before. */
class GatherKernelsTest extends OnEveryMachine {
    @ParameterizedTest
    @ValueSource(strings = {"0", "8", "3", "0 8", "8 2 5", "0 1 2 3 4 5 6 7 8"})
    void columnsBecomeRowsAndRowsAreAddedToColumns(String list) {
        int[] columns =
                Arrays.stream(list.split(" ")).mapToInt(Integer::parseInt).toArray();
        int k = columns.length;
        int m = 2051; // more rows than are worked on at once
        double[] x = normal(1, m * 9);
        Array rows = machine.garbage(k, m);
        kernels.columnsToRows(machine.array(x, m, 9), columns, rows);
        machine.assertClose(rows, each(m * k, i -> x[i % m * 9 + columns[i / m]]), 0);

        double[] part = normal(2, m * k);
        double[] expected = x.clone();
        for (int i = 0; i < m * k; i++) {
            expected[i % m * 9 + columns[i / m]] += part[i];
        }
        Array y = machine.array(x, m, 9);
        kernels.addRowsToColumns(machine.array(part, k, m), columns, y);
        machine.assertClose(y, expected, 1);
    }

    @Test
    void columnsOfASingleRowBecomeRows() {
        Array y = machine.array(new double[] {2, 2, 6}, 1, 3);
        Array rows = machine.garbage(2, 1);
        kernels.columnsToRows(y, new int[] {2, 0}, rows);
        machine.assertClose(rows, new double[] {6, 2}, 0);
        kernels.addRowsToColumns(rows, new int[] {2, 0}, y);
        machine.assertClose(y, new double[] {4, 2, 12}, 0);
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
        Array frozen = machine.array(w, out, in);
        Array sum = machine.garbage(out, in);
        kernels.addEntries(frozen, columns, machine.array(values, k, out), sum);
        machine.assertClose(sum, expected, 1);
        machine.assertClose(frozen, w, 0);

        double[] dy = normal(3, rows * out);
        double[] x = normal(4, rows * in);
        Array dots = machine.garbage(k, out);
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
}
