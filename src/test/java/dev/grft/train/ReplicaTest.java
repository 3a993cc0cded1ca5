package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Penalty;
import dev.grft.config.TrainingSettings;
import dev.grft.data.Batch;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.nd4j.Flat;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.gradient.DefaultGradient;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nd4j.linalg.factory.Nd4j;

/** The whole network as executors have it, and as DL4J has it. */
class ReplicaTest {
    private static final double CLIP = 1e-3; // below the norm of every gradient here, so that each is clipped

    private static final TrainingSettings ADAM = Trainings.training("adam", 1e-2, "cosine", 2, 1e-3, 0.1, 1e-8);
    private static final Penalty PENALTY = new Penalty(1e-2, 2, 1e-3, false);

    @AutoClose
    private final Weights weights = Tiny.headless(DataType.FLOAT);

    static Stream<Named<Tuning>> tunings() {
        return Stream.of(
                Named.of("slices", new SliceTuning(Tiny.selection("min-axis"))),
                Named.of("slices and biases", new SliceTuning(Tiny.selection("row"), true)),
                Named.of("head only", SliceTuning.headOnly()),
                Named.of("everything", new WholeTuning()));
    }

    /** A DL4J network that gets the same gradients, and makes its steps as {@code fit} does. */
    @ParameterizedTest
    @MethodSource("tunings")
    void theLearnerGivesTheBitsOfDl4jsUpdater(Tuning tuning) {
        MultiLayerConfiguration configuration = Trainings.tiny(tuning, ADAM, PENALTY, 5);
        MultiLayerNetwork network = new MultiLayerNetwork(configuration.clone());
        network.init();
        network.initGradientsView();
        Flat.write(Trainings.start(tuning), network.params());
        Replica replica = Trainings.replica(weights, tuning, configuration);
        Learner learner = new Learner(configuration, LearnerState.start(Trainings.start(tuning)));
        for (int step = 0; step < 5; step++) {
            replica.load(learner.trained());
            StepGradient gradient = replica.gradient(batch(step));
            learner.apply(gradient, 0);

            Flat.write(gradient.gradient(), network.getFlattenedGradients());
            Gradient byName = new DefaultGradient(network.getFlattenedGradients());
            for (int l = 0; l < network.getnLayers(); l++) {
                int layer = l;
                ((StageModule) network.getLayer(l))
                        .gradientViews()
                        .gradientForVariable()
                        .forEach((name, view) -> byName.setGradientFor(layer + "_" + name, view));
            }
            network.getUpdater()
                    .update(network, byName, step, 0, gradient.examples(), LayerWorkspaceMgr.noWorkspaces());
            network.params()
                    .subi(network.getFlattenedGradients()
                            .reshape(network.params().shape()));

            assertThat(learner.trained()).as("step %s", step).isEqualTo(Flat.read(network.params()));
            assertThat(learner.state().updater())
                    .as("step %s", step)
                    .isEqualTo(Flat.read(network.getUpdater().getStateViewArray()));
        }
        assertThat(learner.trained()).isNotEqualTo(Trainings.start(tuning));
    }

    @ParameterizedTest
    @MethodSource("tunings")
    void severalStepsOnAReplicaAloneAreTheLearnersSteps(Tuning tuning) {
        MultiLayerConfiguration configuration = Trainings.tiny(tuning, ADAM, PENALTY, 5);
        Replica replica = Trainings.replica(weights, tuning, configuration);
        Map<String, float[]> tensors = Tiny.tensors();
        Learner learner = new Learner(
                configuration,
                LearnerState.start(Trainings.start(tuning)),
                null,
                array -> tuning.pretrained(array, tensors::get));
        double loss = 0;
        LearnerState middle = learner.state();
        for (int step = 0; step < 5; step++) {
            middle = step == 2 ? learner.state() : middle;
            replica.load(learner.trained());
            StepGradient gradient = replica.gradient(batch(step));
            loss += step < 2 ? 0 : gradient.loss();
            assertThat(learner.apply(gradient, CLIP)).isGreaterThan(CLIP);
        }
        LocalSteps alone = Trainings.replica(weights, tuning, configuration)
                .steps(middle, 3, CLIP, i -> List.of(batch(2 + i)).iterator());
        assertThat(alone.state()).isEqualTo(learner.state());
        assertThat(alone.loss()).isEqualTo(loss);
        assertThat(alone.examples()).isEqualTo(batch(2).size() + batch(3).size() + batch(4).size());
    }

    @Test
    void featuresAndProbabilitiesAreTimms() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        MultiLayerConfiguration configuration = Trainings.tiny(tuning, ADAM, PENALTY, 5);
        for (boolean backward : new boolean[] {true, false}) {
            Replica replica =
                    new Replica(weights, tuning, configuration, new CpuKernels(), backward ? Keep.ALL : Keep.NOTHING);
            replica.load(Trainings.start(tuning));
            Tiny.assertClose(
                    "features",
                    flat(replica.features(Tiny.batch(0, 6))),
                    Tiny.GOLDEN.tensor("features").doubles(),
                    1e-5);
            Tiny.assertClose(
                    "probabilities",
                    flat(replica.probabilities(Tiny.batch(0, 6))),
                    softmax(Tiny.GOLDEN.tensor("logits").doubles(), 5),
                    1e-5);
        }
    }

    @Test
    void everythingIsSaidInOnePass() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        AtomicInteger calls = new AtomicInteger();
        CpuKernels kernels = new CpuKernels();
        Kernels counted = (Kernels) Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    calls.incrementAndGet();
                    return method.invoke(kernels, arguments);
                });
        Replica replica = new Replica(weights, tuning, Trainings.tiny(tuning, ADAM, PENALTY, 5), counted, Keep.NOTHING);
        replica.load(Trainings.start(tuning));
        Batch batch = Tiny.batch(0, 6);
        int before = calls.get();
        float[][] probabilities = replica.probabilities(batch);
        int ofOnePass = calls.get() - before;
        float[][] features = replica.features(batch);
        before = calls.get();

        float[][] everything = replica.everything(batch);

        assertThat(calls.get() - before).isEqualTo(ofOnePass).isGreaterThan(10);
        for (int b = 0; b < 6; b++) {
            int width = features[b].length;
            assertThat(everything[b]).hasSize(5 + 5 + width);
            assertThat(Arrays.copyOf(everything[b], 5)).isEqualTo(probabilities[b]);
            assertThat(Arrays.copyOfRange(everything[b], 10, 10 + width)).isEqualTo(features[b]);
            double[] logits = new double[5];
            for (int k = 0; k < 5; k++) {
                logits[k] = everything[b][5 + k];
            }
            Tiny.assertClose("softmax of the logits", flat(new float[][] {probabilities[b]}), softmax(logits, 5), 1e-6);
        }
    }

    @Test
    void aGradientDoesNotDependOnWhatWasAskedBefore() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        Replica replica = Trainings.replica(weights, tuning, Trainings.tiny(tuning, ADAM, PENALTY, 5));
        replica.load(Trainings.start(tuning));
        StepGradient first = replica.gradient(Tiny.batch(0, 2));
        replica.probabilities(Tiny.batch(2, 4));
        StepGradient afterPrediction = replica.gradient(Tiny.batch(0, 2));
        replica.gradient(Tiny.batch(3, 6));
        replica.features(Tiny.batch(0, 5));
        StepGradient afterFeatures = replica.gradient(Tiny.batch(0, 2));

        assertThat(afterPrediction.gradient()).isEqualTo(first.gradient());
        assertThat(afterPrediction.loss()).isEqualTo(first.loss());
        assertThat(afterFeatures.gradient()).isEqualTo(first.gradient());
        double[] losses = Tiny.GOLDEN.tensor("loss").doubles();
        assertThat(first.loss()).isCloseTo(losses[0] + losses[1], Offset.offset(1e-5));
    }

    @ParameterizedTest
    @MethodSource("tunings")
    void gradientsOfBatchesAddUpInTheirOrder(Tuning tuning) {
        Replica replica = Trainings.replica(weights, tuning, Trainings.tiny(tuning, ADAM, PENALTY, 5));
        replica.load(Trainings.start(tuning));
        StepGradient whole = replica.gradient(Tiny.batch(0, 6));
        List<Batch> parts = List.of(Tiny.batch(0, 3), Tiny.batch(3, 5), Tiny.batch(5, 6));
        StepGradient sum = replica.gradient(parts.iterator());

        float[] expected = new float[whole.gradient().length];
        double loss = 0;
        for (Batch part : parts) {
            StepGradient one = replica.gradient(part);
            loss += one.loss();
            for (int i = 0; i < expected.length; i++) {
                expected[i] += one.gradient()[i];
            }
        }
        assertThat(sum.gradient()).isEqualTo(expected);
        assertThat(sum.loss()).isEqualTo(loss);
        assertThat(sum.examples()).isEqualTo(6);
        Tiny.assertClose("gradient", Tiny.doubles(sum.gradient()), Tiny.doubles(whole.gradient()), 1e-5);
        assertThat(replica.gradient(Tiny.batch(0, 6)).gradient()).isEqualTo(whole.gradient());
    }

    @Test
    void theLearnersPenaltyIsThatOfTheSlicesAndTheHead() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        float[] start = Trainings.start(tuning);
        double penalty = 0; // of the head; slices start at 0, and weight decay is no part of the loss
        for (float number : start) {
            penalty += PENALTY.head() * number * number;
        }
        try (Learner learner = new Learner(Trainings.tiny(tuning, ADAM, PENALTY, 5), LearnerState.start(start))) {
            assertThat(learner.penalty())
                    .isCloseTo(penalty, Offset.offset(1e-7))
                    .isPositive();
        }
    }

    @Test
    void theDriversNetworkOnlyUpdates() {
        SliceTuning tuning = SliceTuning.headOnly();
        MultiLayerNetwork driver = new MultiLayerNetwork(Trainings.tiny(tuning, ADAM, PENALTY, 5));
        driver.init();
        assertThatThrownBy(() -> driver.output(Nd4j.zeros(2, 3, 16, 16)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("this network only updates its parameters, it cannot run");
    }

    private static Batch batch(int step) {
        return Tiny.batch(step % 3, 4 + step % 3 - step / 4); // of four examples, at last of three
    }

    private static double[] flat(float[][] rows) {
        return Arrays.stream(rows)
                .flatMapToDouble(row -> Arrays.stream(Tiny.doubles(row)))
                .toArray();
    }

    private static double[] softmax(double[] logits, int classes) {
        double[] probabilities = new double[logits.length];
        for (int b = 0; b < logits.length; b += classes) {
            double sum = 0;
            for (int k = b; k < b + classes; k++) {
                sum += Math.exp(logits[k]);
            }
            for (int k = b; k < b + classes; k++) {
                probabilities[k] = Math.exp(logits[k]) / sum;
            }
        }
        return probabilities;
    }
}
