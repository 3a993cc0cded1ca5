package dev.grft.cost;

import dev.grft.Orientation;
import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.train.Probe;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Method;
import dev.grft.tuning.Operations;
import dev.grft.vit.VitConfig;
import java.util.Map;

/**
 * The seconds that the phases of a training take, one after the other. Validation, test and what Spark needs to start are not in them.
 *
 * @param reading executors decode each image once and keep it prepared
 * @param features executors compute the features that the linear probe trains on; 0 without a probe
 * @param head the driver trains the probe's head on them: every weight decay is counted
 * @param scoring executors score the slices or entries; 0 without scores
 * @param training all steps
 */
record Phases(double reading, double features, double head, double scoring, double training) {
    private static final int DECAYS = 6; // that a probe without probe.weightDecay tries at most

    /** The classes that a thread of the probe computes at once. */
    private static final int BLOCK = 128;

    /**
     * What the driver trains a head with.
     *
     * @param gflops 10^9 operations a second of one thread, in fp32
     * @param threads that compute
     */
    record Driver(double gflops, int threads) {}

    /** Returns the phases of a training over so many images. */
    static Phases of(CostModel costs, Settings settings, long images, int executors, Executor executor, Driver driver) {
        VitConfig config = costs.config();
        double operations = executors * executor.operations(); // a second; passes need no shards
        Operations frozen = new Operations(config, Map.of(), settings.engine().recompute());
        boolean scores = scores(settings);
        boolean forward = Fit.scoresForward(settings);
        long probed = probed(config, settings, images);
        double score = forward ? frozen.forward(1) : frozen.step(1, 0) + frozen.linearProducts(1);
        int views = settings.selection().contrastive() ? 2 : 1;
        return new Phases(
                images / (executors * executor.decodes()),
                probed * frozen.forward(1) / operations,
                head(settings.probe(), config, probed, driver, executor.round()),
                scores ? passes(settings) * views * images * score / operations : 0,
                training(costs, settings, images, executors, executor));
    }

    /** Returns how many of the training images the linear probe looks at; 0 if nothing needs it. */
    static long probed(VitConfig config, Settings settings, long images) {
        long every = Probe.every(images, config.features());
        return linear(settings) || headOfProbe(settings) || lossOfProbe(settings) ? (images + every - 1) / every : 0;
    }

    /** Returns whether the probe is the training. */
    static boolean linear(Settings settings) {
        return settings.tuning().method().equals(Method.LINEAR.word());
    }

    static boolean headOfProbe(Settings settings) {
        return settings.training().headInit().equals("probe");
    }

    /** Returns whether scores are of the loss of a probe's head. */
    static boolean lossOfProbe(Settings settings) {
        return scores(settings)
                && !Fit.scoresForward(settings)
                && settings.selection().loss().equals("probe");
    }

    /** Returns whether the method scores images first. */
    private static boolean scores(Settings settings) {
        if (settings.selection().scores() != null) {
            return false;
        }
        Method method = Method.of(settings.tuning().method());
        boolean any = settings.selection().budget().count() != null
                && settings.selection().orientation() != Orientation.AUTO;
        return method.equals(Method.GRFT)
                || method.equals(Method.LAST_LAYERS)
                || method.needs() == Method.Needs.SCORES
                || (method.equals(Method.RANDOM) && !any)
                || (method.isOfSlices() && settings.training().ratesByScore());
    }

    private static double passes(Settings settings) {
        Integer every = settings.selection().everyEpochs();
        return every == null || !settings.tuning().method().equals(Method.GRFT.word())
                ? 1
                : Math.ceil((double) settings.training().epochs() / every);
    }

    private static double head(Settings.Probe probe, VitConfig config, long images, Driver driver, Round round) {
        double shown = images;
        if (probe.weightDecay() == null) {
            shown += DECAYS * 0.8 * Math.min(images, Probe.DecayChoice.MOST);
        }
        double parameters = (double) config.classes() * (config.features() + 1);
        double ofImage = 6 * parameters / (driver.gflops * 1e9)
                + parameters * round.update() / Math.min(probe.batchSize(), Math.max(1, images));
        int blocks = (config.classes() + BLOCK - 1) / BLOCK;
        return probe.epochs() * shown * ofImage / Math.min(driver.threads, blocks);
    }

    /** Returns the steps that a training over so many images makes. */
    static long steps(TrainingSettings training, long images) {
        long all = (long) Math.ceil((double) training.epochs() * images / training.batchSize());
        return training.maxSteps() > 0 ? Math.min(training.maxSteps(), all) : all;
    }

    private static double training(CostModel costs, Settings settings, long images, int executors, Executor executor) {
        TrainingSettings training = settings.training();
        if (linear(settings)) {
            return 0;
        }
        long steps = steps(training, images);
        double first = costs.step(executors, executor).seconds();
        FrozenStages frozen = executor.gpu() ? null : costs.memory().frozen();
        if (frozen == null) {
            return steps * first;
        }
        long room = executors * (settings.engine().frozenCacheBytes() / frozen.bytes()); // images
        double kept = Math.min(1.0, (double) room / images);
        double later = kept * costs.laterStep(executors, executor).seconds() + (1 - kept) * first;
        double firsts = Math.min((double) steps, Math.ceil((double) images / training.batchSize()));
        return firsts * first + (steps - firsts) * later;
    }

    /** Returns the seconds of all phases. */
    double all() {
        return reading + features + head + scoring + training;
    }
}
