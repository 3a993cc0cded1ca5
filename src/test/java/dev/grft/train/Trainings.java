package dev.grft.train;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.config.Config;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.CpuKernels;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;

/** Settings and networks of the tests of this package. */
final class Trainings {
    /** One selected row of two numbers, and a head of two classes: eight numbers, of which no weights are needed. */
    static final Layout SMALL = new Layout(List.of(
            List.of(),
            List.of(TrainedArray.difference("blocks.0.mlp.fc1.weight.rows", 1, 2)),
            List.of(
                    TrainedArray.head("head.weight", 2, 2),
                    TrainedArray.head("head.bias", 2, 1).exempt())));

    private Trainings() {}

    /** Returns settings with a constant learning rate and Adam's usual numbers. */
    static TrainingSettings constant(String updater, double learningRate, double weightDecay) {
        return training(updater, learningRate, "constant", 0, 0, weightDecay, 1e-8);
    }

    /** Returns settings that make a checkpoint after so many steps. */
    static TrainingSettings checkpoints(int every) {
        return training("adam", 0.1, "constant", 0, 0, 0, 1e-8, every);
    }

    static TrainingSettings training(
            String updater,
            double learningRate,
            String schedule,
            double warmupEpochs,
            double minLearningRate,
            double weightDecay,
            double epsilon) {
        return training(updater, learningRate, schedule, warmupEpochs, minLearningRate, weightDecay, epsilon, 0);
    }

    private static TrainingSettings training(
            String updater,
            double learningRate,
            String schedule,
            double warmupEpochs,
            double minLearningRate,
            double weightDecay,
            double epsilon,
            int checkpointEvery) {
        return new TrainingSettings(
                10,
                6,
                1,
                32,
                1,
                "fresh",
                learningRate,
                schedule,
                warmupEpochs,
                minLearningRate,
                30,
                0.1,
                1,
                null,
                1,
                "uniform",
                updater,
                0.9,
                0.999,
                epsilon,
                0,
                false,
                weightDecay,
                false,
                0,
                1.25,
                "stop",
                0,
                0,
                null,
                true,
                checkpointEvery,
                1,
                0,
                null,
                "accuracy");
    }

    /** Returns the defaults with some keys set, such as {@code training.updater=sgd}. */
    static TrainingSettings of(String... sets) {
        return Config.load(List.of(), List.of(sets), new Configuration()).training();
    }

    static MultiLayerConfiguration small(TrainingSettings training, Penalty penalty) {
        return Network.configuration(SMALL, training, penalty, 10, 1);
    }

    static MultiLayerConfiguration tiny(Tuning tuning, TrainingSettings training, Penalty penalty, int steps) {
        return Network.configuration(tuning.layout(Tiny.CONFIG), training, penalty, steps, 1);
    }

    static Replica replica(Weights weights, Tuning tuning, MultiLayerConfiguration configuration) {
        return new Replica(weights, tuning, configuration, new CpuKernels(), Keep.ALL);
    }

    /** Returns the trained vector of no difference to the tiny model, its head included. */
    static float[] start(Tuning tuning) {
        Layout layout = tuning.layout(Tiny.CONFIG);
        Map<String, float[]> tensors = Tiny.tensors();
        float[] start = new float[layout.size()];
        for (String name : List.of(Delta.HEAD_WEIGHT, Delta.HEAD_BIAS)) {
            layout.write(tensors.get(name), name, start);
        }
        return start;
    }
}
