package dev.grft.train;

import dev.grft.Penalty;
import dev.grft.UserError;
import dev.grft.config.TrainingSettings;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import java.util.List;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.nd4j.linalg.schedule.ISchedule;

/** The DL4J configuration of a training: a layer for each stage, the updater, the learning rate, penalty and weight decay. */
public final class Network {
    /** Of a vector, with room for the last piece of one that is sent in pieces. */
    private static final int LONGEST = Integer.MAX_VALUE - (1 << 20) - 8;

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
        ISchedule learningRate = Schedule.of(training, steps, stepsPerEpoch).from(first);
        return configuration(layout, training, penalty, learningRate);
    }

    /**
     * Returns the configuration of a network with a learning rate of its own.
     *
     * @throws UserError if the state of the training is longer than an array of Java
     */
    public static MultiLayerConfiguration configuration(
            Layout layout, TrainingSettings training, Penalty penalty, ISchedule learningRate) {
        requireArrays(layout.size(), training);
        NeuralNetConfiguration.ListBuilder list = new NeuralNetConfiguration.Builder()
                .updater(UpdateRule.of(training, learningRate))
                .miniBatch(true)
                .trainingWorkspaceMode(WorkspaceMode.NONE)
                .inferenceWorkspaceMode(WorkspaceMode.NONE)
                .list();
        int depth = layout.stages().size() - 2; // the first stage embeds, the last classifies
        for (int stage = 0; stage < depth + 2; stage++) {
            int of = stage;
            List<StageLayer.Trained> arrays = layout.stages().get(stage).stream()
                    .map(array -> trained(array, of, depth, training, penalty))
                    .toList();
            list.layer(stage, new StageLayer(arrays));
        }
        return list.build();
    }

    /** Refuses a training whose vectors are longer than an array of Java: that of the updater, and with local steps that one behind the trained vector. */
    static void requireArrays(long trained, TrainingSettings training) {
        boolean adam = !training.updater().equals("sgd");
        long updater = adam ? 2 * trained : training.momentum() > 0 ? trained : 0;
        boolean local = training.syncEvery() > 1;
        long longest = local ? trained + updater : Math.max(trained, updater);
        if (longest > LONGEST) {
            throw UserError.of(
                    "tuning: %,d parameters would train, and the state of training.updater %s%s then has %,d values, of"
                            + " which %,d are the most; choose %s%sanother tuning.method or a smaller selection.budget",
                    trained,
                    training.updater(),
                    local ? " with training.syncEvery " + training.syncEvery() : "",
                    longest,
                    LONGEST,
                    adam ? "training.updater sgd, " : "",
                    local ? "training.syncEvery 1, " : "");
        }
    }

    /** Returns what DL4J reads of an array. */
    private static StageLayer.Trained trained(
            TrainedArray array, int stage, int depth, TrainingSettings training, Penalty penalty) {
        double strength = switch (array.role()) {
            case DIFFERENCE -> penalty.strength(stage - 1, depth);
            case HEAD -> penalty.head();
            case ADDED -> 0;
        };
        return new StageLayer.Trained(
                array,
                rate(array, stage, depth, training),
                strength,
                penalty.decoupled(),
                decay(array, training),
                training.updater().equals("adamw"));
    }

    private static double decay(TrainedArray array, TrainingSettings training) {
        return array.decays() || training.decayAll() ? training.weightDecay() : 0;
    }

    /** Returns whether weight decay needs the pretrained value of an array. */
    public static boolean needsPretrained(TrainedArray array, TrainingSettings training) {
        return array.role() == TrainedArray.Role.DIFFERENCE && decay(array, training) > 0;
    }

    /**
     * Returns the factor of an array's learning rate: {@code training.headRate} of the head, else {@code training.layerDecay} to the power of
     * the parts of the network that follow, of which the head is the last. A norm after the blocks belongs to the last of them, one
     * after the pooling to the head, as in timm's {@code param_groups_layer_decay}.
     */
    private static double rate(TrainedArray array, int stage, int depth, TrainingSettings training) {
        if (array.role() == TrainedArray.Role.HEAD) {
            return training.headFactor();
        }
        boolean pooled = array.name().startsWith("fc_norm");
        return StrictMath.pow(training.layerDecay(), pooled ? 0 : depth + 1 - Math.min(stage, depth));
    }
}
