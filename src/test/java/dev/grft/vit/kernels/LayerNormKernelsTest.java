package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.scaled;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.Naive;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of layer normalization on every machine, against {@link Naive}; outputs are filled with NaN before. */
class LayerNormKernelsTest extends OnEveryMachine {
    @ParameterizedTest
    @CsvSource({"1,2,0", "1,24,0", "7,13,3", "197,192,-2", "3,768,0"})
    void layerNormNormalizesEachRow(int m, int n, double offset) {
        double[] x = scaled(normal(1, m * n), 1, offset);
        double[] gamma = normal(2, n);
        double[] beta = normal(3, n);
        double[] z = Naive.normalized(x, 1e-6, m, n);
        Array normalized = machine.garbage(m, n);
        Array inverse = machine.garbage(m);
        Array y = machine.garbage(m, n);
        kernels.layerNorm(
                machine.array(x, m, n), machine.array(gamma, n), machine.array(beta, n), 1e-6, normalized, inverse, y);
        double spread = Arrays.stream(Naive.inverse(x, 1e-6, m, n)).max().orElseThrow(); // rows of two may be close
        machine.assertClose(normalized, z, 5 * spread);
        machine.assertClose(inverse, Naive.inverse(x, 1e-6, m, n), 5 * spread * spread);
        machine.assertClose(y, each(m * n, i -> z[i] * gamma[i % n] + beta[i % n]), 10 * spread);
        Array again = machine.garbage(m, n);
        kernels.scaleAndShift(normalized, machine.array(gamma, n), machine.array(beta, n), again);
        assertThat(values(again)).containsExactly(values(y));

        double[] dy = normal(4, m * n);
        double[] old = normal(5, m * n);
        double[] added = Naive.layerNormBackward(dy, gamma, values(normalized), values(inverse), m, n);
        Array dx = machine.array(old, m, n);
        kernels.layerNormBackward(machine.array(dy, m, n), machine.array(gamma, n), normalized, inverse, dx);
        machine.assertClose(dx, each(m * n, i -> old[i] + added[i]), 10 * spread);
    }

    @Test
    void layerNormOfAConstantRowIsTheOffset() {
        Array y = machine.garbage(1, 3);
        Array gamma = machine.array(new double[] {1, 2, 3}, 3);
        Array beta = machine.array(new double[] {4, 5, 6}, 3);
        Array x = machine.array(new double[] {7, 7, 7}, 1, 3);
        kernels.layerNorm(x, gamma, beta, 1e-6, machine.garbage(1, 3), machine.garbage(1), y);
        machine.assertClose(y, new double[] {4, 5, 6}, 0);
    }
}
