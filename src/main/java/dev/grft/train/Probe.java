package dev.grft.train;

import dev.grft.config.Settings;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.weights.WeightInit;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.lossfunctions.LossFunctions;

/**
 * The linear probe: a head trained alone, on features computed once. DL4J's own softmax layer, on the driver.
 *
 * @param weight the head's weight, {@code [K, D]} row-major
 * @param bias the head's bias, {@code [K]}
 */
@SuppressWarnings("ArrayRecordComponent") // two arrays handed over together, compared by nobody
public record Probe(float[] weight, float[] bias) {
    private static final double FRESH_STD = 0.02; // timm's default for linear layers

    /**
     * Returns a head that has seen nothing: weights from a normal distribution of standard deviation 0.02, cut off at 0.04; biases 0.
     *
     * @param seed gives the weights
     */
    public static Probe fresh(int classes, int width, long seed) {
        float[] weight = new float[classes * width];
        Initial.normal(weight, FRESH_STD, new SplittableRandom(seed));
        return new Probe(weight, new float[classes]);
    }

    /**
     * Returns the head after its training on features: Adam on the mean cross-entropy, examples shuffled each epoch, from a
     * head of zeros.
     *
     * @param features {@code [n][D]}
     * @param labels {@code [n]}, each in [0, classes)
     * @param seed gives the order of the examples
     */
    public static Probe train(float[][] features, int[] labels, int classes, Settings.Probe settings, long seed) {
        int n = features.length;
        int width = features[0].length;
        MultiLayerNetwork network = new MultiLayerNetwork(new NeuralNetConfiguration.Builder()
                .updater(new Adam(settings.learningRate()))
                .weightInit(WeightInit.ZERO)
                .l2(settings.weightDecay())
                .trainingWorkspaceMode(WorkspaceMode.NONE)
                .list()
                .layer(new OutputLayer.Builder(LossFunctions.LossFunction.MCXENT)
                        .nIn(width)
                        .nOut(classes)
                        .activation(Activation.SOFTMAX)
                        .build())
                .build());
        network.init();
        INDArray all = Nd4j.create(features);
        SplittableRandom random = new SplittableRandom(seed);
        int batchSize = Math.min(settings.batchSize(), n);
        for (int epoch = 0; epoch < settings.epochs(); epoch++) {
            int[] order = shuffled(n, random);
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

    private static int[] shuffled(int n, SplittableRandom random) {
        int[] order = new int[n];
        for (int i = 0; i < n; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }
}
