package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.scaled;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Task;
import dev.grft.vit.Naive;
import java.util.Arrays;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of losses and their gradients on every machine, against {@link Naive}; outputs are filled with NaN before. */
class LossKernelsTest extends OnEveryMachine {
    @ParameterizedTest
    @CsvSource({"1,1", "1,2", "5,3", "7,1000"})
    void crossEntropyIsMinusTheExpectedLogProbability(int examples, int classes) {
        double[] logits = scaled(normal(1, examples * classes), 4, 0);
        double[] oneHot = each(examples * classes, i -> i % classes == i / classes % classes ? 1 : 0);
        double[] smooth = each(examples * classes, i -> 0.9 * oneHot[i] + 0.1 / classes);
        double[] weighted = each(examples * classes, i -> smooth[i] * (0.5 + i % 3));
        for (double[] targets : new double[][] {oneHot, smooth, weighted}) {
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
            Array losses = machine.garbage(examples);
            Array dlogits = machine.garbage(examples, classes);
            kernels.crossEntropy(
                    machine.array(logits, examples, classes),
                    machine.array(targets, examples, classes),
                    losses,
                    dlogits);
            double[] sums = new double[examples];
            for (int i = 0; i < targets.length; i++) {
                sums[i / classes] += targets[i];
            }
            double scale = Math.max(1, Arrays.stream(sums).max().orElseThrow());
            machine.assertClose(losses, expected, 10 * scale);
            machine.assertClose(
                    dlogits, each(examples * classes, i -> sums[i / classes] * probabilities[i] - targets[i]), scale);
        }
    }

    @Test
    void crossEntropySurvivesLargeLogits() {
        Array losses = machine.garbage(2);
        Array dlogits = machine.garbage(2, 2);
        Array logits = machine.array(new double[] {1000, -1000, 1000, -1000}, 2, 2);
        kernels.crossEntropy(logits, machine.array(new double[] {1, 0, 0, 1}, 2, 2), losses, dlogits);
        machine.assertClose(losses, new double[] {0, 2000}, 1);
        machine.assertClose(dlogits, new double[] {0, 0, 1, -1}, 1);
    }

    /** Returns targets of values, times the weights 1, 0.5, 0, 2, ..., which stand in a last column. */
    private static double[] weighted(double[] values, int examples, int outputs) {
        double[] targets = new double[examples * (outputs + 1)];
        for (int b = 0; b < examples; b++) {
            double weight = new double[] {1, 0.5, 0, 2}[b % 4];
            for (int k = 0; k < outputs; k++) {
                targets[b * (outputs + 1) + k] = weight * values[b * outputs + k];
            }
            targets[b * (outputs + 1) + outputs] = weight;
        }
        return targets;
    }

    private interface Loss {
        double of(double z, double target);
    }

    private void lossOfEachOutput(Task task, double[] z, double[] values, int examples, int outputs, Loss loss) {
        double[] targets = weighted(values, examples, outputs);
        Array losses = machine.garbage(examples);
        Array dz = machine.garbage(examples, outputs);
        kernels.loss(
                task, machine.array(z, examples, outputs), machine.array(targets, examples, outputs + 1), losses, dz);
        ToDoubleFunction<double[]> sum = x -> {
            double all = 0;
            for (int i = 0; i < x.length; i++) {
                all += targets[i / outputs * (outputs + 1) + outputs] * loss.of(x[i], values[i]) / outputs;
            }
            return all;
        };
        double[] expected = new double[examples];
        for (int b = 0; b < examples; b++) {
            for (int k = 0; k < outputs; k++) {
                expected[b] += targets[b * (outputs + 1) + outputs]
                        * loss.of(z[b * outputs + k], values[b * outputs + k])
                        / outputs;
            }
        }
        machine.assertClose(losses, expected, 30);
        Machine.assertClose(values(dz), Differences.gradient(sum, z, 1e-5), 1e-4);
    }

    @ParameterizedTest
    @CsvSource({"1,1", "5,3", "7,300"})
    void binaryCrossEntropyIsTheMeanOverTheOutputs(int examples, int outputs) {
        double[] z = scaled(normal(2, examples * outputs), 4, 0);
        double[] on = each(examples * outputs, i -> i % 3 == 0 ? 1 : i % 3 == 1 ? 0 : 0.3);
        lossOfEachOutput(
                Task.MULTI_LABEL,
                z,
                on,
                examples,
                outputs,
                (x, t) -> -t * Math.log(1 / (1 + Math.exp(-x))) - (1 - t) * Math.log(1 / (1 + Math.exp(x))));
    }

    @ParameterizedTest
    @CsvSource({"1,1", "5,3", "7,300"})
    void squaredErrorIsTheMeanOverTheOutputs(int examples, int outputs) {
        double[] z = normal(3, examples * outputs);
        double[] values = normal(4, examples * outputs);
        lossOfEachOutput(Task.REGRESSION, z, values, examples, outputs, (x, t) -> (x - t) * (x - t));
    }

    @Test
    void binaryCrossEntropySurvivesLargeLogits() {
        Array losses = machine.garbage(2);
        Array dz = machine.garbage(2, 2);
        Array z = machine.array(new double[] {1000, -1000, 1000, -1000}, 2, 2);
        kernels.loss(Task.MULTI_LABEL, z, machine.array(new double[] {1, 0, 1, 0, 1, 1}, 2, 3), losses, dz);
        machine.assertClose(losses, new double[] {0, 1000}, 1);
        machine.assertClose(dz, new double[] {0, 0, 0.5, -0.5}, 1);
    }

    @ParameterizedTest
    @CsvSource({"2,3,0.07", "7,5,0.5", "12,24,0.07", "9,4,0.01"})
    void contrastiveLossPullsOneClassTogether(int n, int d, double temperature) {
        double[] f = normal(1, n * d);
        // Classes of 3, 2 and 1 rows in turn: the lone row has no positives.
        int[] classes = new int[n];
        Arrays.setAll(classes, i -> i % 6 < 3 ? i / 6 * 3 : i % 6 < 5 ? i / 6 * 3 + 1 : i / 6 * 3 + 2);
        double[] same = each(n * n, i -> i / n != i % n && classes[i / n] == classes[i % n] ? 1 : 0);
        Array losses = machine.garbage(n);
        Array df = machine.garbage(n, d);
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
        Array losses = machine.garbage(2);
        Array df = machine.garbage(2, 2);
        Array same = machine.array(new double[4], 2, 2);
        kernels.contrastive(machine.array(new double[] {3, 4, 5, 6}, 2, 2), same, 0.1, losses, df);
        machine.assertClose(losses, new double[2], 0);
        machine.assertClose(df, new double[4], 0);
    }

    @Test
    void aNanIsNotHidden() {
        double[] x = {1, Double.NaN, 2, 3};
        Array losses = machine.garbage(2);
        Array targets = machine.array(new double[] {1, 0, 0, 1}, 2, 2);
        kernels.crossEntropy(machine.array(x, 2, 2), targets, losses, machine.garbage(2, 2));
        assertThat(values(losses)[0]).isNaN();
        assertThat(values(losses)[1]).isFinite();
    }
}
