package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ten steps of the tiny model, in float, against PyTorch's in double. */
class GoldenTrainingTest {
    private static final Safetensors GOLDEN = Tiny.read("training.safetensors");
    private static final double LOSS = 1e-4;
    // A step of Adam moves each number by about 0.01, whatever the size of its gradient: for numbers whose gradient is
    // all but 0, the rounding of a float is seen in the third digit of the step.
    private static final double NUMBERS = 1e-3;

    @ParameterizedTest
    @ValueSource(strings = {"row", "column", "min-axis"})
    void tenStepsOnSlicesAreTorchs(String orientation) {
        SliceTuning tuning = new SliceTuning(Tiny.selection(orientation));
        Penalty penalty = new Penalty(1e-2, 2, 1e-3, false);
        Layout layout = tuning.layout(Tiny.CONFIG);
        double[][] losses = new double[2][10];
        Delta delta = tuning.delta(layout, train(tuning, penalty, losses), Tiny.LABELS, Tiny.SHA256);

        String prefix = orientation + ".";
        Tiny.assertClose("loss.data", losses[0], doubles(prefix + "loss.data"), LOSS);
        Tiny.assertClose("loss", losses[1], doubles(prefix + "loss"), LOSS);
        assertThat(losses[1][9]).isLessThan(losses[1][0]);
        delta.values()
                .forEach((matrix, numbers) ->
                        Tiny.assertClose(matrix, Tiny.doubles(numbers), doubles(prefix + "delta." + matrix), NUMBERS));
        Tiny.assertClose(
                Delta.HEAD_WEIGHT, Tiny.doubles(delta.headWeight()), doubles(prefix + Delta.HEAD_WEIGHT), NUMBERS);
        Tiny.assertClose(Delta.HEAD_BIAS, Tiny.doubles(delta.headBias()), doubles(prefix + Delta.HEAD_BIAS), NUMBERS);
        assertThat(delta.values()).hasSize(13);
    }

    /** Trains on all six examples at once; puts the losses without and with the penalty before each step into {@code losses}. */
    private static float[] train(Tuning tuning, Penalty penalty, double[][] losses) {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            MultiLayerConfiguration configuration =
                    Trainings.tiny(tuning, Trainings.constant("adam", 1e-2, 0), penalty, losses[0].length);
            Replica replica = Trainings.replica(weights, tuning, configuration);
            Learner learner = new Learner(configuration, LearnerState.start(Trainings.start(tuning)));
            for (int step = 0; step < losses[0].length; step++) {
                replica.load(learner.trained());
                StepGradient gradient = replica.gradient(Tiny.batch(0, 6));
                losses[0][step] = gradient.loss() / gradient.examples();
                losses[1][step] = losses[0][step] + learner.penalty();
                learner.apply(gradient, 0);
            }
            return learner.trained();
        }
    }

    private static double[] doubles(String name) {
        return GOLDEN.tensor(name).doubles();
    }
}
