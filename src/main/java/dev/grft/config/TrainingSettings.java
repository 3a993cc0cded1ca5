package dev.grft.config;

import dev.grft.Checks;
import dev.grft.UserError;
import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/** The training of the slices and the head. */
public record TrainingSettings(
        int epochs,
        int batchSize,
        int shards,
        int microBatch,
        int syncEvery,
        String headInit,
        @Nullable Double learningRate,
        String schedule,
        double warmupEpochs,
        double minLearningRate,
        double decayEpochs,
        double decayRate,
        double power,
        @Nullable Double headRate,
        double layerDecay,
        @Nullable String sliceRates,
        String updater,
        double beta1,
        double beta2,
        double epsilon,
        double momentum,
        boolean nesterov,
        double weightDecay,
        boolean decayAll,
        double clipNorm,
        double divergence,
        String onDivergence,
        double labelSmoothing,
        double dropPath,
        @Nullable Double ema,
        boolean emaWarmup,
        int checkpointEvery,
        int keep,
        int maxSteps,
        @Nullable Integer patience,
        @Nullable String watch)
        implements Serializable {
    private static final double RATE = 1e-3;

    /** Every slice takes the steps of the learning rate. */
    public static final String UNIFORM = "uniform";

    /** See {@link dev.grft.tuning.SliceRates}. */
    static final String BY_SCORE = "score";

    private static final String HALVE = "halve";
    private static final String IGNORE = "ignore";

    /** Returns whether a diverged training goes back and halves its learning rate. */
    public boolean halves() {
        return onDivergence.equals(HALVE);
    }

    /** Returns whether it does not matter that a training diverges. */
    public boolean diverges() {
        return onDivergence.equals(IGNORE);
    }

    /** Returns the same with half the learning rate, a number of times. */
    public TrainingSettings halved(int times) {
        double factor = StrictMath.pow(2, -times);
        return times == 0
                ? this
                : new TrainingSettings(
                        epochs,
                        batchSize,
                        shards,
                        microBatch,
                        syncEvery,
                        headInit,
                        rate() * factor,
                        schedule,
                        warmupEpochs,
                        minLearningRate * factor,
                        decayEpochs,
                        decayRate,
                        power,
                        headRate,
                        layerDecay,
                        sliceRates,
                        updater,
                        beta1,
                        beta2,
                        epsilon,
                        momentum,
                        nesterov,
                        weightDecay,
                        decayAll,
                        clipNorm,
                        divergence,
                        onDivergence,
                        labelSmoothing,
                        dropPath,
                        ema,
                        emaWarmup,
                        checkpointEvery,
                        keep,
                        maxSteps,
                        patience,
                        watch);
    }

    /**
     * Returns the largest learning rate; of a training by no method, which is {@code pretrain}, 1e-3 unless it is given.
     *
     * @throws UserError if none is given for {@code sgd}
     */
    public double rate() {
        if (learningRate == null && isSgd()) {
            throw new UserError(
                    "training.learningRate is null, but training.updater sgd has no default: the defaults are for"
                            + " adam and adamw; set it, the verb rates finds one");
        }
        return learningRate == null ? RATE : learningRate;
    }

    /** Returns the factor of the head's learning rate; 1 unless one is given, or settled for a method. */
    public double headFactor() {
        return headRate == null ? 1 : headRate;
    }

    /** Returns whether the head begins with random weights. */
    boolean hasFreshHead() {
        return headInit.equals("fresh");
    }

    /** Returns whether slices of larger scores take smaller steps, once {@code sliceRates} is settled for a method. */
    public boolean ratesByScore() {
        return BY_SCORE.equals(sliceRates);
    }

    /** Returns whether the updater is {@code sgd}, whose learning rates are others than Adam's. */
    boolean isSgd() {
        return updater.equals("sgd");
    }

    /** Returns how many examples of a step's batch a shard has at most. */
    public int examplesOfShard() {
        return (batchSize + shards - 1) / shards;
    }

    /** Returns how many examples of a step's batch a task computes at once, at most. */
    public int examplesAtOnce() {
        return Math.min(microBatch, examplesOfShard());
    }

    public TrainingSettings {
        Checks.count("training.epochs", epochs);
        Checks.count("training.batchSize", batchSize);
        Checks.count("training.shards", shards);
        Checks.require(
                batchSize >= shards,
                "training.batchSize",
                "at least training.shards (" + shards + "), so that each shard gets an example",
                batchSize);
        Checks.count("training.microBatch", microBatch);
        Checks.count("training.syncEvery", syncEvery);
        Checks.word("training.headInit", headInit, "probe", "fresh");
        if (learningRate != null) {
            Checks.positive("training.learningRate", learningRate);
        }
        Checks.word("training.schedule", schedule, "constant", "cosine", "linear", "polynomial", "step");
        Checks.require(
                warmupEpochs >= 0 && warmupEpochs <= epochs,
                "training.warmupEpochs",
                "in [0, training.epochs], here [0, " + epochs + "]",
                warmupEpochs);
        Checks.require(
                minLearningRate >= 0 && (learningRate == null || minLearningRate <= learningRate),
                "training.minLearningRate",
                learningRate == null
                        ? ">= 0"
                        : "in [0, training.learningRate], here [0, " + Checks.text(learningRate) + "]",
                minLearningRate);
        Checks.positive("training.decayEpochs", decayEpochs);
        Checks.require(decayRate > 0 && decayRate <= 1, "training.decayRate", "in (0, 1]", decayRate);
        Checks.positive("training.power", power);
        if (headRate != null) {
            Checks.positive("training.headRate", headRate);
        }
        Checks.require(layerDecay > 0 && layerDecay <= 1, "training.layerDecay", "in (0, 1]", layerDecay);
        if (sliceRates != null) {
            Checks.word("training.sliceRates", sliceRates, UNIFORM, BY_SCORE);
        }
        Checks.word("training.updater", updater, "adam", "adamw", "sgd");
        Checks.require(beta1 >= 0 && beta1 < 1, "training.beta1", "in [0, 1)", beta1);
        Checks.require(beta2 >= 0 && beta2 < 1, "training.beta2", "in [0, 1)", beta2);
        Checks.positive("training.epsilon", epsilon);
        Checks.require(momentum >= 0 && momentum < 1, "training.momentum", "in [0, 1)", momentum);
        Checks.require(!nesterov || momentum > 0, "training.nesterov", "false, as training.momentum is 0", nesterov);
        Checks.notNegative("training.weightDecay", weightDecay);
        Checks.notNegative("training.clipNorm", clipNorm);
        Checks.require(divergence >= 1, "training.divergence", ">= 1", divergence);
        Checks.word("training.onDivergence", onDivergence, "stop", HALVE, IGNORE);
        Checks.require(
                labelSmoothing >= 0 && labelSmoothing < 1, "training.labelSmoothing", "in [0, 1)", labelSmoothing);
        Checks.require(dropPath >= 0 && dropPath < 1, "training.dropPath", "in [0, 1)", dropPath);
        Checks.require(ema == null || (ema > 0 && ema < 1), "training.ema", "null or in (0, 1)", ema);
        Checks.require(checkpointEvery >= 0, "training.checkpointEvery", ">= 0", checkpointEvery);
        Checks.count("training.keep", keep);
        Checks.require(maxSteps >= 0, "training.maxSteps", ">= 0", maxSteps);
        Checks.require(patience == null || patience >= 1, "training.patience", "null or >= 1", patience);
    }
}
