package dev.grft.measures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.grft.data.Target;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OddsHistogramTest {
    private static final int IMAGES = 400;

    private static float[] softmax(Random random, int classes, int label, double sharpness) {
        double[] odds = new double[classes];
        double sum = 0;
        for (int k = 0; k < classes; k++) {
            odds[k] = Math.exp(sharpness * (random.nextGaussian() + (k == label ? 1.5 : 0)));
            sum += odds[k];
        }
        float[] probabilities = new float[classes];
        for (int k = 0; k < classes; k++) {
            probabilities[k] = (float) (odds[k] / sum);
        }
        return probabilities;
    }

    /** Returns the area by comparing all pairs. */
    private static double naive(float[][] probabilities, int[] labels, int k) {
        double sum = 0;
        long pairs = 0;
        for (int i = 0; i < labels.length; i++) {
            for (int j = 0; j < labels.length; j++) {
                if (labels[i] == k && labels[j] != k) {
                    sum += probabilities[i][k] > probabilities[j][k]
                            ? 1
                            : probabilities[i][k] == probabilities[j][k] ? 0.5 : 0;
                    pairs++;
                }
            }
        }
        return sum / pairs;
    }

    private static OddsHistogram of(int classes, ClassJudgment.Piece piece) {
        OddsHistogram odds = new OddsHistogram(classes);
        Judgments<ClassJudgment> some = piece.end();
        odds.addOthers(some);
        some.all.forEach(judgment -> odds.add(judgment.label, judgment.ofLabel));
        return odds;
    }

    @ParameterizedTest
    @CsvSource({"2, 1, 1e-3", "10, 1, 1e-3", "10, 20, 5e-3", "100, 3, 2e-3", "1000, 1, 0.02"})
    void theAreaIsNotFartherFromThatOfAllPairsThanItsErrorSays(int classes, double sharpness, double most) {
        Random random = new Random(classes);
        float[][] probabilities = new float[IMAGES][];
        int[] labels = new int[IMAGES];
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        for (int i = 0; i < IMAGES; i++) {
            labels[i] = random.nextInt(Math.min(classes, 9));
            probabilities[i] = softmax(random, classes, labels[i], sharpness);
            judging.add(i, "", Target.ofClass(labels[i]), probabilities[i]);
        }
        OddsHistogram odds = of(classes, judging);

        double mean = 0;
        for (int k = 0; k < Math.min(classes, 9); k++) {
            double area = naive(probabilities, labels, k);
            assertThat(odds.auroc(k)).isEqualTo(area, within(odds.aurocError(k) + 1e-12));
            mean += area / Math.min(classes, 9);
        }
        assertThat(odds.mean(odds::aurocError)).isLessThan(most);
        assertThat(odds.mean(odds::auroc)).isEqualTo(mean, within(odds.mean(odds::aurocError) + 1e-12));
        if (classes > 9) {
            assertThat(odds.auroc(9)).as("without images").isNaN();
        }
    }

    @Test
    void equalProbabilitiesCountHalfAndCertainOnesAreTheLargest() {
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        judging.add(0, "", Target.ofClass(1), new float[] {0, 1});
        judging.add(1, "", Target.ofClass(1), new float[] {0.5f, 0.5f});
        judging.add(2, "", Target.ofClass(0), new float[] {0.5f, 0.5f});
        judging.add(3, "", Target.ofClass(0), new float[] {1, 0});
        OddsHistogram odds = of(2, judging);

        assertThat(odds.mean(odds::auroc)).isEqualTo(3.5 / 4);
        assertThat(odds.auroc(0)).isEqualTo(3.5 / 4);
        assertThat(odds.mean(odds::aurocError)).isEqualTo(0.5 / 4);
    }

    @Test
    void countsSurviveTheirPacking() {
        int[] counts = new int[1 << 21];
        Map<Integer, Integer> expected = new TreeMap<>(
                Map.of(0, 1, 1, 127, 2, 128, 200, 16_384, 1 << 20, Integer.MAX_VALUE, (1 << 21) - 1, 4_096));
        expected.forEach((cell, images) -> counts[cell] = images);
        Map<Integer, Integer> read = new TreeMap<>();

        new Judgments<>(List.of(), counts, new byte[0]).counts((cell, images) -> read.put(cell, images));

        assertThat(read).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 10, 100, 1_000})
    void countsTakeNoMoreThanEightMegabytesOfATask(int classes) {
        assertThat(OddsHistogram.cells(classes)).isBetween(1 << 19, 1 << 21);
        int bits = OddsHistogram.bits(classes);
        int last = OddsHistogram.cells(classes) - 1;
        assertThat(OddsHistogram.cell(0, 0, bits)).isZero();
        assertThat(OddsHistogram.cell(classes - 1, 1, bits)).isEqualTo(last);
        assertThat(OddsHistogram.cell(classes - 1, 1 - 0x1p-24f, bits)).isLessThan(last);
        assertThat(OddsHistogram.cell(classes - 1, 1 + 0x1p-23f, bits)).isEqualTo(last);
        assertThat(OddsHistogram.cell(classes - 1, Float.NaN, bits)).isEqualTo(last);
    }
}
