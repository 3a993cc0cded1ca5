package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.Activation;
import dev.grft.vit.Naive;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Kernels of the GELU and its approximations on every machine, against {@link Naive}; outputs are filled with NaN before. */
class GeluKernelsTest extends OnEveryMachine {
    @Test
    void geluIsAccurateOverItsRange() {
        int n = 24_001;
        double[] x = each(n, i -> (float) (-12 + i * 0.001));
        Array y = machine.garbage(n, 1);
        Array kept = machine.array(x, n, 1);
        kernels.gelu(null, kept, y);
        machine.assertClose(y, each(n, i -> Naive.gelu(x[i])), 1);
        machine.assertClose(slope(Activation.GELU, kept), each(n, i -> Naive.geluDerivative(x[i])), 1);

        Array alone = machine.array(x, n, 1);
        kernels.gelu(null, alone, alone);
        assertThat(values(alone)).isEqualTo(values(y));
    }

    @ParameterizedTest
    @CsvSource({"GELU,1,1", "GELU,7,3", "QUICK_GELU,5,64", "TANH_GELU,2,2048", "GELU,3,3072", "GELU,9,1000"})
    void aBiasIsAddedToEachRowBeforeTheGelu(Activation activation, int m, int n) {
        double[] before = normal(1, m * n);
        double[] bias = normal(2, n);
        double[] x = each(m * n, i -> before[i] + bias[i % n]);
        Array y = machine.garbage(m, n);
        Array kept = machine.array(before, m, n);
        activation.apply(kernels, machine.array(bias, n), kept, y);
        machine.assertClose(y, each(m * n, i -> Naive.gelu(activation, x[i])), 4);
        machine.assertClose(slope(activation, kept), each(m * n, i -> Naive.geluDerivative(activation, x[i])), 4);
    }

    @ParameterizedTest
    @EnumSource(
            value = Activation.class,
            names = {"QUICK_GELU", "TANH_GELU"})
    void theOtherGelusAreAccurateOverTheirRange(Activation activation) {
        int n = 24_001;
        double[] x = each(n, i -> (float) (-12 + i * 0.001));
        Array y = machine.garbage(n, 1);
        Array kept = machine.array(x, n, 1);
        activation.apply(kernels, null, kept, y);
        machine.assertClose(y, each(n, i -> Naive.gelu(activation, x[i])), 2);
        machine.assertClose(slope(activation, kept), each(n, i -> Naive.geluDerivative(activation, x[i])), 2);

        double[] far = {-1e30, -100, -60, 0, 60, 100, 1e30};
        Array there = machine.garbage(7);
        Array distant = machine.array(far, 7);
        activation.apply(kernels, null, distant, there);
        assertThat(values(there)[6]).isEqualTo(values(machine.array(far, 7))[6]);
        machine.assertClose(there.rows(0, 6), new double[] {0, 0, 0, 0, 60, 100}, 1);
        machine.assertClose(slope(activation, distant), new double[] {0, 0, 0, 0.5, 1, 1, 1}, 1);

        Array alone = machine.array(x, n, 1);
        activation.apply(kernels, null, alone, alone);
        assertThat(values(alone)).isEqualTo(values(y));

        Array nan = machine.garbage(2);
        activation.apply(kernels, null, machine.array(new double[] {1, Double.NaN}, 2), nan);
        assertThat(values(nan)[1]).isNaN();
    }

    @Test
    void geluFarFromZeroIsZeroOrTheIdentity() {
        double[] x = {-1e30, -100, -20, 0, 20, 100, 1e30};
        Array y = machine.garbage(7);
        Array kept = machine.array(x, 7);
        kernels.gelu(null, kept, y);
        assertThat(values(y)[6]).isEqualTo(values(machine.array(x, 7))[6]);
        machine.assertClose(y.rows(0, 6), new double[] {0, 0, 0, 0, 20, 100}, 1);
        machine.assertClose(slope(Activation.GELU, kept), new double[] {0, 0, 0, 0.5, 1, 1, 1}, 1);
    }

    @Test
    void aNanIsNotHidden() {
        Array y = machine.garbage(4);
        kernels.gelu(null, machine.array(new double[] {1, Double.NaN, 2, 3}, 4), y);
        assertThat(values(y)[1]).isNaN();
    }

    /** Returns the derivative, given what a kernel has kept for the backward. */
    private Array slope(Activation activation, Array kept) {
        Array slope = machine.array(each((int) kept.length(), i -> 1), kept.shape());
        activation.backward(kernels, kept, slope);
        return slope;
    }
}
