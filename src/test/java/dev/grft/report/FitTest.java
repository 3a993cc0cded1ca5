package dev.grft.report;

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
        CostModel costs = CostModel.of(LONG, fits);
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
        CostModel costs = CostModel.of(LONG, smaller);
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
}
