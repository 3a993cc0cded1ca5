package dev.grft.measures;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class MeasureTest {
    @Test
    void aLossIsBetterIfItIsLowerAndAnythingIsBetterThanNoNumber() {
        assertThat(Measure.of("macro-f1")).isEqualTo(Measure.MACRO_F1);
        assertThat(Measure.MACRO_F1.word()).isEqualTo("macro-f1");
        assertThat(Measure.MACRO_F1.better(0.5, 0.25)).isTrue();
        assertThat(Measure.LOSS.better(0.5, 0.25)).isFalse();
        assertThat(Measure.LOSS.better(0.25, 0.5)).isTrue();
        for (Measure measure : Measure.values()) {
            assertThat(measure.better(0.5, 0.5)).isFalse();
            assertThat(measure.better(0.5, Double.NaN)).isTrue();
            assertThat(measure.better(Double.NaN, 0.5)).isFalse();
            assertThat(measure.better(Double.NaN, Double.NaN)).isFalse();
        }
    }

    @Test
    void theLineHasTheMainMeasuresThatThereAre() {
        assertThat(Measure.line(Map.of(
                        Measure.LOSS,
                        0.25,
                        Measure.ACCURACY,
                        0.98765,
                        Measure.WEIGHTED_F1,
                        1.0,
                        Measure.AUROC,
                        Double.NaN)))
                .isEqualTo("accuracy 0.9877, AUROC undefined, loss 0.2500");
        assertThat(Measure.line(Map.of(Measure.RMSE, 0.001, Measure.LOSS, 0.000001)))
                .isEqualTo("RMSE 0.0010000, loss 1.0000e-06");
    }
}
