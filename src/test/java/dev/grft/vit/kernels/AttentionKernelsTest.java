package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.Machine.each;
import static dev.grft.vit.kernels.Machine.normal;
import static dev.grft.vit.kernels.Machine.scaled;
import static dev.grft.vit.kernels.Machine.values;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.Naive;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of attention on every machine, against {@link Naive}; outputs are filled with NaN before. */
class AttentionKernelsTest extends OnEveryMachine {
    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32", "1,2,197,64", "2,1,7,3"})
    void attentionIsTheSoftmaxOfEachHead(int examples, int heads, int t, int d) {
        double[] qkv = scaled(normal(1, examples * t * 3 * d), 1.5, 0);
        double[] w = Naive.attentionWeights(qkv, examples, heads, t, d);
        Array in = machine.array(qkv, examples * t, 3 * d);
        Array weights = machine.garbage(examples * heads * t, t);
        Array out = machine.garbage(examples * t, d);
        kernels.attention(in, heads, examples, weights, out);
        machine.assertClose(weights, w, 10);
        machine.assertClose(out, Naive.attention(qkv, w, examples, heads, t, d), 20);

        double[] dout = normal(2, examples * t * d);
        Array dqkv = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(machine.array(dout, examples * t, d), in, weights, heads, examples, dqkv);
        machine.assertClose(dqkv, Naive.attentionBackward(dout, qkv, w, examples, heads, t, d), 50);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32"})
    void attentionOfTheClassTokenAloneIsThatOfAllTokens(int examples, int heads, int t, int d) {
        double[] qkv = scaled(normal(1, examples * t * 3 * d), 1.5, 0);
        double[] w = Naive.attentionWeights(qkv, examples, heads, t, d);
        Array in = machine.array(qkv, examples * t, 3 * d);
        Array weights = machine.garbage(examples * heads, t);
        Array out = machine.garbage(examples, d);
        kernels.attention(in, heads, examples, weights, out);
        machine.assertClose(weights, firstOf(w, examples * heads, t, t), 10);
        machine.assertClose(out, firstOf(Naive.attention(qkv, w, examples, heads, t, d), examples, t, d), 20);

        double[] dout = normal(2, examples * d);
        double[] spread = new double[examples * t * d];
        for (int b = 0; b < examples; b++) {
            System.arraycopy(dout, b * d, spread, b * t * d, d);
        }
        Array dqkv = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(machine.array(dout, examples, d), in, weights, heads, examples, dqkv);
        machine.assertClose(dqkv, Naive.attentionBackward(spread, qkv, w, examples, heads, t, d), 50);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2,1", "2,3,17,24,17", "3,4,65,32,1", "1,2,800,4,800", "2,1,1500,2,1500"
    }) // the last two in several tiles
    void attentionIsTheSameWithoutItsWeights(int examples, int heads, int t, int d, int queries) {
        Array in = machine.array(scaled(normal(1, examples * t * 3 * d), 1.5, 0), examples * t, 3 * d);
        Array weights = machine.garbage(examples * heads * queries, t);
        Array out = machine.garbage(examples * queries, d);
        kernels.attention(in, heads, examples, weights, out);
        Array alone = machine.garbage(examples * queries, d);
        kernels.attention(in, heads, examples, null, alone);
        machine.assertClose(alone, values(out), 2);

        Array dout = machine.array(normal(2, examples * queries * d), examples * queries, d);
        Array dqkv = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(dout, in, weights, heads, examples, dqkv);
        Array again = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(dout, in, null, heads, examples, again);
        machine.assertClose(again, values(dqkv), 50);

        Array twice = machine.garbage(examples * t, 3 * d);
        kernels.attentionBackward(dout, in, null, heads, examples, twice);
        assertThat(values(twice)).isEqualTo(values(again));
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,2", "1,3,5,24", "2,3,17,24", "3,4,65,32", "2,12,9,3000"})
    void attentionToTokensThatAreKeysAndValuesInOne(int examples, int q, int t, int d) {
        double scale = 1 / Math.sqrt(d);
        double[] u = normal(1, examples * q * d);
        double[] x = normal(2, examples * t * d);
        double[] w = Naive.attendWeights(u, x, scale, examples, q, t, d);
        Array asked = machine.array(u, examples * q, d);
        Array tokens = machine.array(x, examples * t, d);
        Array weights = machine.garbage(examples * q, t);
        Array out = machine.garbage(examples * q, d);
        kernels.attend(asked, tokens, scale, weights, out);
        machine.assertClose(weights, w, 10);
        machine.assertClose(out, Naive.attend(w, x, examples, q, t, d), 20);

        double[] dout = normal(3, examples * q * d);
        double[] du = new double[u.length];
        double[] dx = new double[x.length];
        Naive.attendBackward(dout, u, x, w, scale, examples, q, t, d, du, dx);
        Array given = machine.array(dout, examples * q, d);
        Array dasked = machine.garbage(examples * q, d);
        Array dtokens = machine.garbage(examples * t, d);
        kernels.attendBackward(given, asked, tokens, scale, weights, dasked, dtokens);
        machine.assertClose(dasked, du, 200);
        machine.assertClose(dtokens, dx, 200);

        Array alone = machine.garbage(examples * q, d);
        kernels.attendBackward(given, asked, tokens, scale, weights, alone, null);
        assertThat(values(alone)).isEqualTo(values(dasked));
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,3,2", "3,2,5"})
    void headsAreTakenApartAndAdded(int m, int heads, int h) {
        int d = heads * h;
        double[] x = normal(1, m * d);
        Array apart = machine.garbage(m * heads, d);
        kernels.headsApart(machine.array(x, m, d), heads, apart);
        machine.assertClose(
                apart, each(m * heads * d, i -> i % d / h == i / d % heads ? x[i / (heads * d) * d + i % d] : 0), 0);

        double[] y = normal(2, m * d);
        double[] parts = normal(3, m * heads * d);
        Array sum = machine.array(y, m, d);
        kernels.addHeads(machine.array(parts, m * heads, d), heads, sum);
        machine.assertClose(sum, each(m * d, i -> y[i] + parts[(i / d * heads + i % d / h) * d + i % d]), 1);
    }

    @Test
    void attentionSurvivesLargeScores() {
        double[] qkv = {100, 100, 1, -100, -100, 2, 50, 300, 3}; // T = 3, D = 1
        Array weights = machine.garbage(3, 3);
        Array out = machine.garbage(3, 1);
        kernels.attention(machine.array(qkv, 3, 3), 1, 1, weights, out);
        machine.assertClose(weights, new double[] {0, 0, 1, 0, 1, 0, 0, 0, 1}, 1);
        machine.assertClose(out, new double[] {3, 2, 3}, 3);
    }

    @Test
    void theSameStepTwiceGivesTheSameBits() {
        Array qkv = machine.array(normal(1, 2 * 17 * 72), 2 * 17, 72);
        double[][] outs = new double[2][];
        for (int i = 0; i < 2; i++) {
            Array weights = machine.garbage(2 * 3 * 17, 17);
            Array out = machine.garbage(2 * 17, 24);
            kernels.attention(qkv, 3, 2, weights, out);
            Array dqkv = machine.garbage(2 * 17, 72);
            kernels.attentionBackward(out, qkv, weights, 3, 2, dqkv);
            outs[i] = values(dqkv);
        }
        assertThat(outs[1]).isEqualTo(outs[0]);
    }

    @Test
    void aNanIsNotHidden() {
        Array out = machine.garbage(3, 1);
        kernels.attention(
                machine.array(new double[] {1, 1, 1, 1, 1, 1, 1, Double.NaN, 1}, 3, 3),
                1,
                1,
                machine.garbage(3, 3),
                out);
        assertThat(values(out)).containsOnly(Double.NaN);
    }

    /** Returns the first row of each group of {@code rows} rows. */
    private static double[] firstOf(double[] x, int groups, int rows, int columns) {
        return each(groups * columns, i -> x[i / columns * rows * columns + i % columns]);
    }
}
