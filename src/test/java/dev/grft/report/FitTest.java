package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.vit.VitConfig;
import java.util.List;
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
    void whereNotEvenOneImageFitsNothingIsChanged() {
        assertThat(fit(GIB / 2).settings()).isEqualTo(settings());
    }
}
