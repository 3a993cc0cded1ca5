package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.columns;
import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of patches, tokens and pooling on every machine, against plain loops; outputs are filled with NaN before. */
class TokenKernelsTest extends OnEveryMachine {
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
        Array y = machine.garbage(n, length);
        kernels.patches(machine.array(images, examples, channels, side, side), patch, y);
        machine.assertClose(y, expected, 0);
    }

    @ParameterizedTest
    @CsvSource({"1,2,1,1", "1,5,3,1", "3,5,4,1", "2,65,7,1", "2,6,3,3", "3,4,2,0"})
    void tokensAreTheirPartsPlusPositions(int examples, int t, int d, int prefix) {
        int n = t - prefix;
        double[] patches = normal(1, examples * n * d);
        double[] first = normal(2, prefix * d);
        double[] positions = normal(3, t * d);
        Array tokens = machine.garbage(examples * t, d);
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
    }

    @ParameterizedTest
    @CsvSource({"1,2,1,1", "1,5,3,1", "3,5,4,1", "2,65,7,1", "2,6,3,3", "3,4,2,0"})
    void rowsOfEachExampleAreCopiedAndSummed(int examples, int t, int d, int prefix) {
        int n = t - prefix;
        double[] x = normal(4, examples * t * d);
        Array in = machine.array(x, examples * t, d);
        Array patches = machine.garbage(examples * n, d);
        kernels.copyRows(in, prefix, patches, 0, n, examples);
        machine.assertClose(patches, each(examples * n * d, i -> x[i + (i / (n * d) + 1) * prefix * d]), 0);

        Array sums = machine.garbage(t, d);
        kernels.sumExamples(in, examples, sums);
        machine.assertClose(sums, columns(examples, t * d, i -> x[i]), examples);

        Array classes = machine.garbage(examples, d);
        kernels.copyRows(in, 0, classes, 0, 1, examples);
        double[] rows = each(examples * d, i -> x[i / d * t * d + i % d]);
        machine.assertClose(classes, rows, 0);

        Array spread = machine.garbage(examples * t, d).fill(0);
        kernels.copyRows(classes, 0, spread, 0, 1, examples);
        machine.assertClose(spread, each(examples * t * d, i -> i / d % t == 0 ? x[i] : 0), 0);
    }

    @Test
    void rowsAreCopied() {
        double[] x = normal(1, 5 * 3);
        double[] old = normal(2, 4 * 3);
        Array y = machine.array(old, 4, 3);
        kernels.copyRows(machine.array(x, 5, 3), 2, y, 1, 2, 1);
        machine.assertClose(y, each(12, i -> i / 3 == 1 || i / 3 == 2 ? x[i + 3] : old[i]), 0);
    }

    @Test
    void rowsAreCopiedAmongThoseOfEachExampleAndTheOthersStay() {
        double[] x = normal(1, 3 * 5 * 2); // 5 rows of an example
        double[] old = normal(2, 3 * 4 * 2); // 4 rows
        Array y = machine.array(old, 12, 2);
        kernels.copyRows(machine.array(x, 15, 2), 3, y, 1, 2, 3);
        machine.assertClose(
                y,
                each(24, i -> {
                    int row = i / 2 % 4;
                    return row == 1 || row == 2 ? x[(i / 8 * 5 + row + 2) * 2 + i % 2] : old[i];
                }),
                0);
    }

    @ParameterizedTest
    @CsvSource({"1,2,1,1", "3,5,4,1", "2,6,3,3", "3,4,2,0", "2,65,7,5"})
    void tokensArePooled(int examples, int t, int d, int prefix) {
        double[] x = normal(1, examples * t * d);
        double[] mean = new double[examples * d];
        for (int i = 0; i < x.length; i++) {
            mean[i / d / t * d + i % d] += i / d % t < prefix ? 0 : x[i] / (t - prefix);
        }
        Array in = machine.array(x, examples * t, d);
        Array y = machine.garbage(examples, d);
        kernels.pool(in, prefix, y);
        machine.assertClose(y, mean, 5);
        Array both = machine.garbage(examples, 2 * d);
        kernels.pool(in, prefix, both);
        machine.assertClose(
                both,
                each(
                        2 * d * examples,
                        i -> i % (2 * d) < d ? x[i / 2 / d * t * d + i % d] : mean[i / 2 / d * d + i % d]),
                5);

        double[] dy = normal(2, 2 * d * examples);
        Array dx = machine.garbage(examples * t, d);
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
}
