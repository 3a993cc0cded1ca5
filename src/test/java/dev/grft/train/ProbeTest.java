package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.ProcessStatus;
import dev.grft.config.Settings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.weights.WeightInit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.lossfunctions.LossFunctions;

class ProbeTest {
    private static final Settings.Probe SETTINGS = new Settings.Probe(60, 8, 0.1, 0.0);
    private static final int CLASSES = 3;
    private static final int WIDTH = 4;
    private static final int[] LABELS = labels();
    private static final float[][] FEATURES = features();

    @Test
    void classesThatALineSeparatesAreLearned() {
        Probe probe = train(FEATURES, LABELS, CLASSES, SETTINGS, 1);
        assertThat(probe.weight()).hasSize(CLASSES * WIDTH);
        assertThat(probe.bias()).hasSize(CLASSES);
        for (int n = 0; n < LABELS.length; n++) {
            assertThat(best(probe, FEATURES[n])).as("example %s", n).isEqualTo(LABELS[n]);
        }
    }

    @Test
    void theWeightIsOneRowForEachClass() {
        // Feature k is large where the class is k: the row of class k has its largest weight there.
        Probe probe = train(FEATURES, LABELS, CLASSES, SETTINGS, 1);
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
        Probe probe = train(FEATURES, LABELS, CLASSES, brief, 1);
        Probe again = train(FEATURES, LABELS, CLASSES, brief, 1);
        assertThat(again.weight()).isEqualTo(probe.weight());
        assertThat(again.bias()).isEqualTo(probe.bias());
        assertThat(train(FEATURES, LABELS, CLASSES, brief, 2).weight()).isNotEqualTo(probe.weight());
    }

    @Test
    void oneStepOnOneExampleMovesAHeadOfZerosByTheLearningRate() {
        Settings.Probe once = new Settings.Probe(1, 8, 0.1, 0.0);
        Probe probe = train(new float[][] {{2, -3}}, new int[] {1}, 2, once, 1);
        // The gradient is (p - target) x' with p = 1/2: {1, -1.5} for class 0, its opposite for class 1; Adam takes its
        // sign.
        assertThat(probe.weight()).usingComparatorWithPrecision(1e-5f).containsExactly(-0.1f, 0.1f, 0.1f, -0.1f);
        assertThat(probe.bias()).usingComparatorWithPrecision(1e-5f).containsExactly(-0.1f, 0.1f);
    }

    @ParameterizedTest
    @CsvSource({
        "30, 4, 3, 8, 0",
        "1, 5, 2, 8, 0.1",
        "300, 16, 3, 256, 1e-4",
        "100, 64, 37, 32, 1e-4",
        "257, 192, 100, 64, 1e-4",
        "300, 768, 128, 256, 1e-4"
    })
    void ofUpToABlockOfClassesItHasTheBitsOfDl4jsOwnLayer(int n, int width, int classes, int batch, double decay) {
        float[][] features = noise(n, width);
        int[] labels = someLabels(n, classes);
        Settings.Probe settings = new Settings.Probe(4, batch, 0.01, decay);

        Probe probe = train(features, labels, classes, settings, 5);

        Probe expected = dl4j(features, labels, classes, settings, 5);
        assertThat(probe.weight()).containsExactly(expected.weight());
        assertThat(probe.bias()).containsExactly(expected.bias());
        assertThat(probe.weight()).isNotEqualTo(new float[classes * width]);
    }

    @Test
    void ofMoreClassesItIsDl4jsHeadUpToRoundingWhateverTheThreads() {
        float[][] features = noise(400, 24);
        int[] labels = someLabels(400, 300);
        Settings.Probe settings = new Settings.Probe(4, 96, 0.01, 1e-4);

        Probe one = Probe.train(new Probe.Examples(features, labels, 300, null), settings, 5, 1, images -> {});
        Probe three = Probe.train(new Probe.Examples(features, labels, 300, null), settings, 5, 3, images -> {});

        assertThat(three.weight()).containsExactly(one.weight());
        assertThat(three.bias()).containsExactly(one.bias());
        Probe expected = dl4j(features, labels, 300, settings, 5);
        assertThat(one.weight()).usingComparatorWithPrecision(1e-4f).containsExactly(expected.weight());
        assertThat(one.bias()).usingComparatorWithPrecision(1e-4f).containsExactly(expected.bias());
    }

    @Test
    void theWeightDecayIsChosenSuchThatHeldOutExamplesAreFitted() {
        float[][] features = noise(150, 200); // more numbers than examples: a free head learns them by heart
        int[] labels = new int[150];
        for (int n = 0; n < labels.length; n++) {
            labels[n] = n % 3;
            features[n][labels[n]] += 1;
        }
        Settings.Probe settings = new Settings.Probe(30, 32, 0.01, null);

        Probe.DecayChoice decay =
                Probe.DecayChoice.of(new Probe.Examples(features, labels, 3, null), settings, 5, 1, images -> {});

        assertThat(decay.heldOut()).isEqualTo(30);
        assertThat(decay.chosen()).isBetween(1e-2, 1.0);
        List<Probe.DecayChoice.Trial> trials = decay.trials();
        assertThat(trials.get(trials.size() - 1).loss())
                .as("weaker ones fit less well")
                .isGreaterThan(trials.get(trials.size() - 2).loss());
        assertThat(Probe.DecayChoice.of(new Probe.Examples(features, labels, 3, null), settings, 5, 3, images -> {}))
                .isEqualTo(decay);
        assertThat(decay.toString())
                .startsWith("weight decay " + decay.chosen() + ", chosen by the loss of 30 held-out images (1.0: ");
    }

    /** If every fifth were held out, these would be two classes of ten that the rest does not have. */
    @Test
    void heldOutExamplesAreOfAllClassesWhereThoseAlternate() {
        int[] labels = IntStream.range(0, 500).map(n -> n % 10).toArray();
        float[][] features = new float[labels.length][10];
        for (int n = 0; n < labels.length; n++) {
            features[n][labels[n]] = 1;
        }

        Probe.DecayChoice decay = Probe.DecayChoice.of(
                new Probe.Examples(features, labels, 10, null),
                new Settings.Probe(30, 32, 0.01, null),
                5,
                1,
                images -> {});

        assertThat(decay.heldOut()).isEqualTo(100);
        assertThat(decay.trials().get(0).loss()).as("ln 10 is that of guessing").isLessThan(Math.log(10));
        assertThat(decay.chosen()).as("nothing is to be unlearned").isLessThan(1e-2);
    }

    @Test
    void fewExamplesAreAllTrainedOnAndOfVeryManySomeAreLookedAt() {
        Probe.DecayChoice few = Probe.DecayChoice.of(
                new Probe.Examples(noise(4, 3), someLabels(4, 2), 2, null), SETTINGS, 5, 1, images -> {});
        assertThat(few).isEqualTo(new Probe.DecayChoice(1, List.of(), 0));

        int many = 2 * Probe.DecayChoice.MOST + 1; // a third of them
        Probe.DecayChoice some = Probe.DecayChoice.of(
                new Probe.Examples(noise(many, 2), someLabels(many, 2), 2, null),
                new Settings.Probe(1, 1024, 0.01, null),
                5,
                1,
                images -> {});
        assertThat(some.heldOut()).isEqualTo(many / 3 / 5);
    }

    @Test
    void everyStepIsTold() {
        List<Long> told = new ArrayList<>();
        Probe.train(
                new Probe.Examples(FEATURES, LABELS, CLASSES, null),
                new Settings.Probe(2, 16, 0.1, 0.0),
                1,
                2,
                told::add);
        assertThat(told).containsExactly(16L, 14L, 16L, 14L);
    }

    @Test
    void nativeMemoryDoesNotGrowWithTheSteps() throws Exception {
        float[][] features = noise(2_000, 64);
        int[] labels = someLabels(2_000, 500);
        train(features, labels, 500, new Settings.Probe(2, 250, 0.01, 0.0), 1);
        long before = ProcessStatus.bytes("VmRSS");

        train(features, labels, 500, new Settings.Probe(40, 250, 0.01, 0.0), 1);

        assertThat(ProcessStatus.bytes("VmRSS")
                        - before) // 5 MB of arrays in a step, made anew, are 1.6 GB; the heap grows, too
                .as("bytes more than after a short training")
                .isLessThan(300L << 20);
    }

    @Test
    void weightDecayKeepsTheHeadSmaller() {
        double free = squares(train(FEATURES, LABELS, CLASSES, SETTINGS, 1));
        double held = squares(train(FEATURES, LABELS, CLASSES, new Settings.Probe(60, 8, 0.1, 0.1), 1));
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

    private static Probe train(float[][] features, int[] labels, int classes, Settings.Probe settings, long seed) {
        return Probe.train(new Probe.Examples(features, labels, classes, null), settings, seed, 2, images -> {});
    }

    /** Returns features [n][D] and the labels [n] that some head would give them, so that there is something to learn. */
    private static float[][] noise(int n, int width) {
        Random random = new Random(n);
        float[][] features = new float[n][width];
        for (float[] one : features) {
            for (int d = 0; d < width; d++) {
                one[d] = (float) random.nextGaussian();
            }
        }
        return features;
    }

    private static int[] someLabels(int n, int classes) {
        return new Random(classes).ints(n, 0, classes).toArray();
    }

    /** Returns the head that DL4J's own layer and loop train. */
    private static Probe dl4j(float[][] features, int[] labels, int classes, Settings.Probe settings, long seed) {
        int n = features.length;
        MultiLayerNetwork network = new MultiLayerNetwork(new NeuralNetConfiguration.Builder()
                .updater(new Adam(settings.learningRate()))
                .weightInit(WeightInit.ZERO)
                .l2(settings.weightDecay())
                .trainingWorkspaceMode(WorkspaceMode.NONE)
                .list()
                .layer(new OutputLayer.Builder(LossFunctions.LossFunction.MCXENT)
                        .nIn(features[0].length)
                        .nOut(classes)
                        .activation(Activation.SOFTMAX)
                        .build())
                .build());
        network.init();
        INDArray all = Nd4j.create(features);
        SplittableRandom random = new SplittableRandom(seed);
        int batchSize = Math.min(settings.batchSize(), n);
        for (int epoch = 0; epoch < settings.epochs(); epoch++) {
            int[] order = new int[n];
            for (int i = 0; i < n; i++) {
                int j = random.nextInt(i + 1);
                order[i] = order[j];
                order[j] = i;
            }
            for (int from = 0; from < n; from += batchSize) {
                int[] chosen = Arrays.copyOfRange(order, from, Math.min(n, from + batchSize));
                float[] targets = new float[chosen.length * classes];
                for (int b = 0; b < chosen.length; b++) {
                    targets[b * classes + labels[chosen[b]]] = 1;
                }
                network.fit(new DataSet(
                        all.getRows(chosen), Nd4j.create(targets, new long[] {chosen.length, classes}, 'c')));
            }
        }
        INDArray weight = network.getParam("0_W").transpose().dup('c'); // DL4J's is [D, K]
        return new Probe(
                weight.data().asFloat(), network.getParam("0_b").dup('c').data().asFloat());
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

    @Test
    void anExampleOfWeightTwoCountsAsTwo() {
        Settings.Probe settings = new Settings.Probe(3, 1000, 0.1, 0.0); // one batch: the order does not matter
        float[][] twice = Arrays.copyOf(FEATURES, FEATURES.length + 1);
        int[] labels = Arrays.copyOf(LABELS, LABELS.length + 1);
        twice[FEATURES.length] = FEATURES[0];
        labels[LABELS.length] = LABELS[0];
        float[] weights = new float[LABELS.length];
        Arrays.fill(weights, LABELS.length / (LABELS.length + 1f)); // of the same sum
        weights[0] *= 2;

        Probe weighted =
                Probe.train(new Probe.Examples(FEATURES, LABELS, CLASSES, weights), settings, 1, 1, images -> {});
        Probe repeated = Probe.train(new Probe.Examples(twice, labels, CLASSES, null), settings, 1, 1, images -> {});
        for (int i = 0; i < weighted.weight().length; i++) {
            assertThat(weighted.weight()[i]).isCloseTo(repeated.weight()[i], Offset.offset(1e-4f));
        }
    }
}
