package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.config.Settings;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ProbeTest {
    private static final Settings.Probe SETTINGS = new Settings.Probe(60, 8, 0.1, 0);
    private static final int CLASSES = 3;
    private static final int WIDTH = 4;
    private static final int[] LABELS = labels();
    private static final float[][] FEATURES = features();

    @Test
    void classesThatALineSeparatesAreLearned() {
        Probe probe = Probe.train(FEATURES, LABELS, CLASSES, SETTINGS, 1);
        assertThat(probe.weight()).hasSize(CLASSES * WIDTH);
        assertThat(probe.bias()).hasSize(CLASSES);
        for (int n = 0; n < LABELS.length; n++) {
            assertThat(best(probe, FEATURES[n])).as("example %s", n).isEqualTo(LABELS[n]);
        }
    }

    @Test
    void theWeightIsOneRowForEachClass() {
        // Feature k is large where the class is k: the row of class k has its largest weight there.
        Probe probe = Probe.train(FEATURES, LABELS, CLASSES, SETTINGS, 1);
        for (int k = 0; k < CLASSES; k++) {
            for (int d = 0; d < WIDTH; d++) {
                if (d != k) {
                    assertThat(probe.weight()[k * WIDTH + k]).isGreaterThan(probe.weight()[k * WIDTH + d]);
                }
            }
        }
    }

    @Test
    void theSameSeedGivesTheSameBitsAndAnotherSeedAnotherOrder() {
        Settings.Probe brief = new Settings.Probe(2, 8, 0.1, 0.01);
        Probe probe = Probe.train(FEATURES, LABELS, CLASSES, brief, 1);
        Probe again = Probe.train(FEATURES, LABELS, CLASSES, brief, 1);
        assertThat(again.weight()).isEqualTo(probe.weight());
        assertThat(again.bias()).isEqualTo(probe.bias());
        assertThat(Probe.train(FEATURES, LABELS, CLASSES, brief, 2).weight()).isNotEqualTo(probe.weight());
    }

    @Test
    void oneStepOnOneExampleMovesAHeadOfZerosByTheLearningRate() {
        Settings.Probe once = new Settings.Probe(1, 8, 0.1, 0);
        Probe probe = Probe.train(new float[][] {{2, -3}}, new int[] {1}, 2, once, 1);
        // The gradient is (p - target) x' with p = 1/2: {1, -1.5} for class 0, its opposite for class 1; Adam takes its
        // sign.
        assertThat(probe.weight()).usingComparatorWithPrecision(1e-5f).containsExactly(-0.1f, 0.1f, 0.1f, -0.1f);
        assertThat(probe.bias()).usingComparatorWithPrecision(1e-5f).containsExactly(-0.1f, 0.1f);
    }

    @Test
    void weightDecayKeepsTheHeadSmaller() {
        double free = squares(Probe.train(FEATURES, LABELS, CLASSES, SETTINGS, 1));
        double held = squares(Probe.train(FEATURES, LABELS, CLASSES, new Settings.Probe(60, 8, 0.1, 0.1), 1));
        assertThat(held).isLessThan(0.5 * free);
    }

    @Test
    void aFreshHeadIsRandomWithinTwoStandardDeviationsAndTheSameForASeed() {
        Probe fresh = Probe.fresh(10, 100, 7);
        assertThat(fresh.bias()).containsOnly(0).hasSize(10);
        assertThat(fresh.weight())
                .hasSize(1000)
                .isEqualTo(Probe.fresh(10, 100, 7).weight());
        assertThat(fresh.weight()).isNotEqualTo(Probe.fresh(10, 100, 8).weight());
        for (float w : fresh.weight()) {
            assertThat(Math.abs(w)).isLessThanOrEqualTo(0.04f);
        }
        // A normal distribution cut off at two standard deviations keeps 0.88 of its own.
        assertThat(Math.sqrt(squares(fresh) / 1000)).isBetween(0.0165, 0.0187);
    }

    private static int best(Probe probe, float[] x) {
        int best = 0;
        double[] logits = new double[CLASSES];
        for (int k = 0; k < CLASSES; k++) {
            logits[k] = probe.bias()[k];
            for (int d = 0; d < WIDTH; d++) {
                logits[k] += probe.weight()[k * WIDTH + d] * x[d];
            }
            best = logits[k] > logits[best] ? k : best;
        }
        return best;
    }

    private static double squares(Probe probe) {
        double sum = 0;
        for (float w : probe.weight()) {
            sum += w * w;
        }
        return sum;
    }

    private static int[] labels() {
        int[] labels = new int[30];
        for (int n = 0; n < labels.length; n++) {
            labels[n] = n % CLASSES;
        }
        return labels;
    }

    private static float[][] features() {
        Random random = new Random(1);
        float[][] features = new float[LABELS.length][WIDTH];
        for (int n = 0; n < features.length; n++) {
            for (int d = 0; d < WIDTH; d++) {
                features[n][d] = (float) (0.3 * random.nextGaussian() + (d == LABELS[n] ? 3 : 0));
            }
        }
        return features;
    }
}
