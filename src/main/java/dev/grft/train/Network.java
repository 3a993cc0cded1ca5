package dev.grft.train;

import dev.grft.Penalty;
import dev.grft.config.TrainingSettings;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import java.util.List;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.config.Sgd;
import org.nd4j.linalg.schedule.ISchedule;

/** The DL4J configuration of a training: a layer for each stage, the updater, the learning rate, penalty and weight decay. */
public final class Network {
    private Network() {}

    /**
     * Returns the configuration of a network that trains the arrays of a layout.
     *
     * @param layout of the stages of a {@link dev.grft.vit.Vit}
     * @param penalty the pull toward the pretrained model
     * @param steps number of steps of the whole training, on which the learning rate depends
     * @param stepsPerEpoch number of steps that show every image once, may be a fraction
     */
    public static MultiLayerConfiguration configuration(
            Layout layout, TrainingSettings training, Penalty penalty, long steps, double stepsPerEpoch) {
        return configuration(layout, training, penalty, steps, stepsPerEpoch, 0);
    }

    /**
     * Returns the configuration of a network that goes on with a training of which others have made a part.
     *
     * @param first number of steps that were made before: where the learning rate begins
     */
    public static MultiLayerConfiguration configuration(
            Layout layout, TrainingSettings training, Penalty penalty, long steps, double stepsPerEpoch, long first) {
        ISchedule learningRate = new WarmupCosine(
                        training.learningRate(),
                        Math.min(training.minLearningRate(), training.learningRate()),
                        Math.min(steps, Math.round(training.warmupEpochs() * stepsPerEpoch)),
                        steps,
                        training.schedule().equals("constant"))
                .from(first);
        NeuralNetConfiguration.ListBuilder list = new NeuralNetConfiguration.Builder()
                .updater(updater(training, learningRate))
                .miniBatch(true)
                .trainingWorkspaceMode(WorkspaceMode.NONE)
                .inferenceWorkspaceMode(WorkspaceMode.NONE)
                .list();
        int count = layout.stages().size();
        for (int s = 0; s < count; s++) {
            double backbone = penalty.strength(s - 1, count - 2); // the first stage embeds, the last classifies
            List<StageLayer.Trained> arrays = layout.stages().get(s).stream()
                    .map(array -> trained(array, training, penalty, backbone))
                    .toList();
            list.layer(s, new StageLayer(arrays, s == count - 1));
        }
        return list.build();
    }

    private static IUpdater updater(TrainingSettings training, ISchedule learningRate) {
        if (training.updater().equals("sgd")) {
            return new Sgd(learningRate);
        }
        return Adam.builder()
                .learningRateSchedule(learningRate)
                .beta1(training.beta1())
                .beta2(training.beta2())
                .epsilon(training.epsilon())
                .build();
    }

    /** Returns what DL4J reads of an array; {@code backbone} is the strength of the penalty on its stage, the head aside. */
    private static StageLayer.Trained trained(
            TrainedArray array, TrainingSettings training, Penalty penalty, double backbone) {
        double strength = switch (array.role()) {
            case DIFFERENCE -> backbone;
            case HEAD -> penalty.head();
            case ADDED -> 0;
        };
        // Weight decay is a decoupled penalty whose slope, twice its strength, is training.weightDecay.
        double decay = decays(array) ? training.weightDecay() / 2 : 0;
        return new StageLayer.Trained(
                array, penalty.decoupled() ? 0 : strength, (penalty.decoupled() ? strength : 0) + decay);
    }

    /**
     * Weight decay is for matrices and their slices, a single one included: not for biases, norms, the class token and
     * positions, as in timm.
     */
    private static boolean decays(TrainedArray array) {
        return array.name().contains(".weight") && !array.name().contains("norm");
    }
}
