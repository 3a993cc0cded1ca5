package dev.grft.config;

import java.io.Serializable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything that a run can be told: a record for each section of {@code conf/base.yaml}, a component for each key, of
 * the same name. Defaults, units and ranges stand there, and only there.
 */
public record Settings(
        Run run,
        Model model,
        Data data,
        Augmentation augmentation,
        Selection selection,
        Penalty penalty,
        Probe probe,
        Training training,
        Evaluation evaluation,
        Engine engine)
        implements Serializable {

    /** Where the run lives. */
    public record Run(String directory, long seed, String method, List<String> compare) implements Serializable {}

    /** The network. */
    public record Model(
            @Nullable String pretrained,
            int imageSize,
            @Nullable String preset,
            String saveType) implements Serializable {}

    /** The images. */
    public record Data(
            @Nullable String train,
            @Nullable String test,
            String format,
            String imageColumn,
            String labelColumn,
            int resize,
            String crop,
            @Nullable List<Double> mean,
            @Nullable List<Double> std,
            double maxBroken)
            implements Serializable {}

    /** Random changes to training images. */
    public record Augmentation(
            boolean crop, double minScale, double maxScale, double minRatio, double maxRatio, boolean flip)
            implements Serializable {}

    /** Which slices train. */
    public record Selection(
            @Nullable String preset,
            String axis,
            Budget budget,
            List<String> matrices,
            String score,
            String loss,
            double temperature,
            int batchSize)
            implements Serializable {}

    /** How many; one of the two. */
    public record Budget(@Nullable Integer count, @Nullable Double fraction) implements Serializable {}

    /** What holds the trained numbers back. */
    public record Penalty(double lambda, @Nullable Integer lastLayers, double head, boolean decoupled)
            implements Serializable {}

    /** The linear probe: the fresh head, trained alone. */
    public record Probe(int epochs, int batchSize, double learningRate, double weightDecay) implements Serializable {}

    /** The training of the slices and the head. */
    public record Training(
            int epochs,
            int batchSize,
            int shards,
            int syncEvery,
            String headInit,
            double learningRate,
            String schedule,
            double warmupEpochs,
            double minLearningRate,
            String updater,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double clipNorm,
            int checkpointEvery,
            int keep,
            int maxSteps)
            implements Serializable {}

    /** Evaluation and prediction. */
    public record Evaluation(int batchSize) implements Serializable {}

    /** The machinery; nothing here changes what is computed, except {@code kernels} and {@code blasThreads} the last bits. */
    public record Engine(String kernels, int blasThreads, double timeoutSeconds) implements Serializable {}
}
