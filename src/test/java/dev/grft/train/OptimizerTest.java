package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.Method;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ten steps of the tiny model, in float, against those of torch.optim in double, with timm's groups of parameters. */
class OptimizerTest {
    private static final Safetensors GOLDEN = Tiny.read("optimizers.safetensors");
    private static final double LOSS = 1e-4;
    private static final double NUMBERS = 1e-3;
    private static final String SGD = "training.updater=sgd training.learningRate=0.05";

    @ParameterizedTest
    @CsvSource({
        "adam, training.updater=adam",
        "adamw, training.updater=adamw",
        "adam-all, training.updater=adam training.decayAll=true",
        "adamw-all, training.updater=adamw training.decayAll=true",
        "adamw-layers, training.updater=adamw training.layerDecay=0.6 training.headRate=4",
        "sgd, " + SGD,
        "sgd-nesterov, " + SGD + " training.nesterov=true",
        "sgd-plain, " + SGD + " training.momentum=0"
    })
    void stepsOfTheWholeModelAreTorchs(String golden, String settings) {
        WholeTuning tuning = new WholeTuning();
        double[] losses = new double[10];
        Map<String, float[]> tensors = Tiny.tensors();
        float[] trained = train(tuning, training(settings), losses);
        tuning.delta(tuning.layout(Tiny.CONFIG), trained, Tiny.LABELS, Tiny.SHA256)
                .mergeInto(tensors);

        Tiny.assertClose("loss", losses, doubles(golden + ".loss"), LOSS);
        List<String> compared = new ArrayList<>(tensors.keySet());
        compared.removeIf(name -> !GOLDEN.has(golden + "." + name));
        assertThat(compared).hasSize(9);
        for (String name : compared) {
            Tiny.assertClose(name, Tiny.doubles(tensors.get(name)), doubles(golden + "." + name), NUMBERS);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"adam", "adamw"})
    void stepsOfRowsAreThoseOfRowsThatAreParametersThemselves(String updater) {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        Layout layout = tuning.layout(Tiny.CONFIG);
        double[] losses = new double[10];
        float[] trained = train(tuning, training("training.updater=" + updater), losses);
        Delta delta = tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256);

        String prefix = updater + "-rows.";
        Tiny.assertClose("loss", losses, doubles(prefix + "loss"), LOSS);
        delta.values()
                .forEach((matrix, numbers) ->
                        Tiny.assertClose(matrix, Tiny.doubles(numbers), doubles(prefix + "delta." + matrix), NUMBERS));
        Tiny.assertClose(
                Delta.HEAD_WEIGHT, Tiny.doubles(delta.headWeight()), doubles(prefix + Delta.HEAD_WEIGHT), NUMBERS);
        Tiny.assertClose(Delta.HEAD_BIAS, Tiny.doubles(delta.headBias()), doubles(prefix + Delta.HEAD_BIAS), NUMBERS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"adam", "adamw", "sgd"})
    void aReplicaMakesTheDriversStepsToTheBit(String updater) {
        TrainingSettings training =
                training("training.updater=" + updater + " training.decayAll=true training.headRate=3");
        for (Tuning tuning : List.of(new WholeTuning(), new SliceTuning(Tiny.selection("min-axis"), true))) {
            float[] driver = train(tuning, training, new double[10]);
            try (Weights weights = Tiny.headless(DataType.FLOAT)) {
                MultiLayerConfiguration configuration = Trainings.tiny(tuning, training, Penalty.NONE, 10);
                Replica replica = Trainings.replica(weights, tuning, configuration);
                LearnerState start = LearnerState.start(Trainings.start(tuning));
                LearnerState six = replica.steps(
                                start, 6, 0, step -> List.of(Tiny.batch(0, 6)).iterator())
                        .state();
                replica.close();
                Replica other = Trainings.replica(weights, tuning, configuration);
                assertThat(other.steps(
                                        six,
                                        4,
                                        0,
                                        step -> List.of(Tiny.batch(0, 6)).iterator())
                                .state()
                                .trained())
                        .isEqualTo(driver);
                other.close();
                assertThat(weights.array("blocks.0.mlp.fc1.weight").floats())
                        .isEqualTo(Tiny.tensors().get("blocks.0.mlp.fc1.weight"));
            }
        }
    }

    @Test
    void thePenaltyMovesSlicesAndWhatItIsSetFor() {
        Map<Method, Tuning> tunings = Map.of(
                Method.GRFT,
                new SliceTuning(Tiny.selection("row")),
                Method.RANDOM,
                new SliceTuning(Tiny.selection("column")),
                Method.FULL,
                new WholeTuning(),
                Method.BITFIT,
                WholeTuning.biases());
        tunings.forEach((method, tuning) -> {
            float[] free = penalized(tuning, method, "penalty.lambda=0");
            boolean slices = method.isOfSlices();
            assertThat(Arrays.equals(penalized(tuning, method, "penalty.lambda=0.1"), free))
                    .as("%s, penalty.lambda", method)
                    .isNotEqualTo(slices);
            assertThat(Arrays.equals(penalized(tuning, method, "penalty.head=0.1"), free))
                    .as("%s, penalty.head", method)
                    .isNotEqualTo(slices);
            assertThat(penalized(tuning, method, "methods." + method + ".penalty.lambda=0.1"))
                    .as("%s, methods.%s.penalty.lambda", method, method)
                    .isNotEqualTo(free);
        });
    }

    private static float[] penalized(Tuning tuning, Method method, String set) {
        Settings all = Config.load(List.of(), List.of("penalty.lambda=0", set), new Configuration());
        Settings settings = Config.forMethod(all, method.word());
        return train(tuning, settings.training(), settings.penalty().toPenalty(), new double[3]);
    }

    /** Returns settings whose numbers are those of optimizers.py. */
    private static TrainingSettings training(String settings) {
        List<String> sets = new ArrayList<>(List.of(
                "training.schedule=constant",
                "training.warmupEpochs=0",
                "training.learningRate=0.01",
                "training.weightDecay=0.1",
                "training.epsilon=1e-3"));
        sets.addAll(List.of(settings.split(" ")));
        return Trainings.of(sets.toArray(String[]::new));
    }

    /** Trains on all six examples at once; puts the losses before each step into {@code losses}. */
    private static float[] train(Tuning tuning, TrainingSettings training, double[] losses) {
        return train(tuning, training, Penalty.NONE, losses);
    }

    private static float[] train(Tuning tuning, TrainingSettings training, Penalty penalty, double[] losses) {
        Map<String, float[]> tensors = Tiny.tensors();
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            MultiLayerConfiguration configuration = Trainings.tiny(tuning, training, penalty, losses.length);
            Replica replica = Trainings.replica(weights, tuning, configuration);
            Learner learner = new Learner(
                    configuration,
                    LearnerState.start(Trainings.start(tuning)),
                    null,
                    array -> tuning.pretrained(array, tensors::get));
            for (int step = 0; step < losses.length; step++) {
                replica.load(learner.trained());
                StepGradient gradient = replica.gradient(Tiny.batch(0, 6));
                losses[step] = gradient.loss() / gradient.examples();
                learner.apply(gradient, 0);
            }
            float[] trained = learner.trained();
            learner.close();
            replica.close();
            return trained;
        }
    }

    private static double[] doubles(String name) {
        return GOLDEN.tensor(name).doubles();
    }
}
