package dev.grft.cost;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.vit.VitConfig;
import java.util.List;
import java.util.Objects;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;

/** Batches that a task has memory for; the figures are of ViT-B/14 at 518 pixels: 1,370 tokens. */
class FitTest {
    private static final VitConfig LONG = VitConfig.preset("vit_base_patch14_518", 10);
    private static final long GIB = 1L << 30;

    private static Fit fit(long bytes, String... sets) {
        return Fit.of(LONG, settings(sets), bytes, 2);
    }

    private static Settings settings(String... sets) {
        return Config.load(List.of(), List.of(sets), new Configuration());
    }

    @Test
    void whatFitsIsAsItIsWishedFor() {
        Fit fit = fit(200 * GIB);
        assertThat(fit.settings()).isEqualTo(settings());
        assertThat(fit.ofEvaluation()).isNull();
        assertThat(fit.ofSelection()).isNull();
        assertThat(fit.ofBackward()).isNull();
    }

    @Test
    void batchesAreAsLargeAsMemoryAllows() {
        Fit fit = fit(4 * GIB, "selection.batchSize=32");
        Settings fits = fit.settings();
        MemoryModel costs = MemoryModel.of(LONG, fits);
        int scored = fits.selection().batchSize();
        int seen = fits.evaluation().batchSize();
        assertThat(costs.local(2, Math.max(scored, 2), seen).overhead()).isLessThanOrEqualTo(4 * GIB);
        assertThat(costs.local(2, scored + 1, seen).overhead()).isGreaterThan(4 * GIB);
        assertThat(costs.local(2, scored, seen + 1).overhead()).isGreaterThan(4 * GIB);
        assertThat(fit.ofSelection())
                .isEqualTo("selection.batchSize is " + scored + " in place of 32: more do not fit in a task's memory");
        assertThat(fit.ofEvaluation()).startsWith("evaluation.batchSize is " + seen + " in place of 32: ");
    }

    @Test
    void aBatchThatHasAMeaningStaysAndIsComputedAgainInTheBackward() {
        for (String meaning : new String[] {"selection.loss=contrastive", "selection.score=per-batch"}) {
            Fit fit = fit(10 * GIB, meaning, "selection.batchSize=8");
            assertThat(fit.settings().selection().batchSize()).as(meaning).isEqualTo(8);
            assertThat(fit.recompute()).as(meaning).isTrue();
            assertThat(fit.ofBackward()).startsWith("engine.recompute is true in place of false");
        }
    }

    @Test
    void aStepThatDoesNotFitIsComputedAgainInTheBackward() {
        String[] step = {"training.batchSize=16", "training.shards=2", "selection.batchSize=1"};
        assertThat(fit(16 * GIB, step).recompute()).isFalse();
        assertThat(fit(6 * GIB, step).recompute()).isTrue();
        assertThat(fit(6 * GIB, step).settings().training())
                .isEqualTo(settings(step).training());
    }

    @Test
    void aStepNeedsNoMoreMemoryThanItsParts() {
        String[] step = {"training.batchSize=256", "training.shards=2", "selection.batchSize=1"};
        Settings wished = settings(step);
        assertThat(Fit.of(LONG, wished, 200 * GIB, 2).microBatch()).isNull();
        assertThat(Fit.of(LONG, wished, GIB / 2, 2).microBatch()).isNull();
        Fit little = Fit.of(LONG, wished, 4 * GIB, 2);
        int fits = Objects.requireNonNull(little.microBatch());
        assertThat(little.ofStep())
                .startsWith(
                        "a step's 32 images at once do not fit in a task's memory: set training.microBatch=" + fits);
        assertThat(fits).isBetween(2, 31);

        Settings smaller = settings(step[0], step[1], step[2], "training.microBatch=" + fits, "engine.recompute=true");
        assertThat(smaller.training().examplesAtOnce()).isEqualTo(fits);
        assertThat(smaller.training().examplesOfShard()).isEqualTo(128);
        assertThat(Fit.of(LONG, smaller, 4 * GIB, 2).microBatch()).isNull();
        MemoryModel costs = MemoryModel.of(LONG, smaller);
        assertThat(costs.local(2, fits, 1).overhead()).isLessThanOrEqualTo(4 * GIB);
        assertThat(costs.local(2, fits + 1, 1).overhead()).isGreaterThan(4 * GIB);
        assertThat(Fit.of(LONG, smaller, 4 * GIB, 2).settings().training()).isEqualTo(smaller.training());
    }

    @Test
    void imagesThatAreMixedInPairsAreDividedByPairs() {
        int proposed = 0;
        for (long bytes = 2 * GIB; bytes <= 8 * GIB; bytes += GIB / 4) {
            Integer fits = Fit.of(
                            LONG,
                            settings(
                                    "augmentation.mixup=0.8",
                                    "training.batchSize=256",
                                    "training.shards=2",
                                    "selection.batchSize=1"),
                            bytes,
                            2)
                    .microBatch();
            assertThat(fits == null || (fits > 0 && fits % 2 == 0))
                    .as("%s of %s bytes", fits, bytes)
                    .isTrue();
            proposed += fits == null ? 0 : 1;
        }
        assertThat(proposed).isGreaterThan(10);
    }

    @Test
    void aScoreOfActivationsNeedsTheMemoryOfAForwardAlone() {
        String[] sets = {"selection.score=weight-activation", "selection.batchSize=200", "evaluation.batchSize=200"};
        Fit fit = fit(4 * GIB, sets);
        int seen = fit.settings().evaluation().batchSize();
        assertThat(seen).isBetween(20, 199);
        assertThat(fit.settings().selection().batchSize()).isEqualTo(seen);
        assertThat(fit.withoutBackward()).isEqualTo(seen);
        assertThat(fit.withBackward()).as("of a step").isEqualTo(8);
        assertThat(fit(4 * GIB, "selection.batchSize=200")
                        .settings()
                        .selection()
                        .batchSize())
                .isLessThan(seen / 2);

        Fit gps = fit(40 * GIB, sets[0], "tuning.method=gps", "selection.batchSize=11");
        assertThat(gps.withBackward()).as("GPS has a score of its own").isEqualTo(11);
        assertThat(fit(40 * GIB, sets[0], "selection.batchSize=11").withBackward())
                .isEqualTo(8);
    }

    @Test
    void whereNotEvenOneImageFitsNothingIsChanged() {
        assertThat(fit(GIB / 2).settings()).isEqualTo(settings());
    }

    /** Full fine-tuning, whose learner has five vectors of 344 MB: they lie in the driver's memory, wherever tasks compute. */
    @Test
    void vectorsOfTheDriverTakeNothingOfAGpu() {
        String[] full = {"tuning.method=full", "training.batchSize=64", "training.shards=1", "training.microBatch=64"};
        Settings wished = settings(full);
        Fit gpu = Fit.onGpu(LONG, wished, 8 * GIB, 1);
        int fits = Objects.requireNonNull(gpu.microBatch());
        assertThat(fits)
                .isGreaterThan(
                        Objects.requireNonNull(Fit.of(LONG, wished, 8 * GIB, 1).microBatch()));

        MemoryModel memory = MemoryModel.of(
                LONG, settings(full[0], full[1], full[2], "training.microBatch=" + fits, "engine.recompute=true"));
        assertThat(memory.onGpu(1, fits, 1)).isLessThanOrEqualTo(8 * GIB);
        assertThat(memory.onGpu(1, fits + 2, 1)).isGreaterThan(8 * GIB);
    }

    @Test
    void anAverageAndWeightDecayOfTheDriverTakeNothingOfAGpu() {
        String[] full = {"tuning.method=full", "training.batchSize=64", "training.shards=1", "training.microBatch=64"};
        MemoryModel plain = MemoryModel.of(LONG, settings(full));
        MemoryModel more = MemoryModel.of(
                LONG, settings(full[0], full[1], full[2], full[3], "training.ema=0.9", "training.weightDecay=0.1"));
        assertThat(more.driver().overhead()).isGreaterThan(plain.driver().overhead() + 600_000_000L);
        assertThat(more.onGpu(2, 8, 8)).isEqualTo(plain.onGpu(2, 8, 8));
        assertThat(more.roomOnGpu(16 * GIB, 2)).isEqualTo(plain.roomOnGpu(16 * GIB, 2));
    }

    /** GPS sums gradients of all matrices, 340 MB a task here: they are taken off once. */
    @Test
    void summedGradientsAreTakenOffOnce() {
        String gps = "tuning.method=gps";
        MemoryModel memory = MemoryModel.of(LONG, settings(gps, "engine.recompute=true", "selection.batchSize=64"));
        int tasks = 2;
        long bytes = memory.onGpu(tasks, 13, 1) - 1; // for 12 images
        Fit fit = Fit.onGpu(LONG, settings(gps, "selection.batchSize=64"), bytes, tasks);
        assertThat(fit.recompute()).isTrue();
        assertThat(fit.settings().selection().batchSize()).isEqualTo(12);
    }

    @Test
    void localStepsHaveALearnerOnTheHostOfTheirGpu() {
        MemoryModel steps = MemoryModel.of(LONG, settings("tuning.method=full"));
        MemoryModel local = MemoryModel.of(LONG, settings("tuning.method=full", "training.syncEvery=4"));
        assertThat(steps.besideGpu(2)).isZero();
        assertThat(local.besideGpu(2)).isEqualTo(2 * 5 * 4 * local.trained());
        assertThat(local.onGpu(2, 8, 8)).isEqualTo(steps.onGpu(2, 8, 8));
    }

    @Test
    void frozenBlocksComputeWholeBatchesOnAGpu() {
        String[] still = {"augmentation.crop=false", "augmentation.flip=false", "tuning.method=last-layers"};
        MemoryModel memory = MemoryModel.of(LONG, settings(still));
        assertThat(memory.activationsOnGpu(8, false)).isGreaterThan(2 * memory.activations(8, false));
    }

    /** Features of 100,000 images, each of 4 bytes for a number of width 384, and what else is held of each. */
    @Test
    void featuresOfTheProbeLieInTheDriversHeapWhileItTrainsOrForTheNextSeed() {
        VitConfig small = VitConfig.preset("vit_small_patch16_224", 100);
        long features = 100_000L * (4 * 384 + 256);
        long weights = 4 * small.backboneParameters();

        assertThat(ofMillion(small).probed()).isEqualTo(features);
        assertThat(heap(ofMillion(small)) - heap(MemoryModel.of(small, settings())))
                .as("in place of the second copy of the weights")
                .isEqualTo(features - weights);
        assertThat(heap(ofMillion(small, "compare.seeds=[1,2]")) - heap(ofMillion(small)))
                .as("beside the vectors of the training")
                .isPositive()
                .isLessThan(features);
        String full = "tuning.method=full";
        assertThat(heap(ofMillion(small, full, "training.headInit=probe", "compare.seeds=[1,2]"))
                        - heap(ofMillion(small, full)))
                .isEqualTo(features);
        for (String none : List.of(full, "selection.loss=fresh", "selection.score=weight-activation")) {
            assertThat(ofMillion(small, none).probed()).as(none).isZero();
        }
    }

    private static MemoryModel ofMillion(VitConfig config, String... sets) {
        return MemoryModel.of(config, settings(sets), 1_000_000);
    }

    private static long heap(MemoryModel memory) {
        return memory.driver().heap();
    }
}
