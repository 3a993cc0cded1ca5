package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class WarmupCosineTest {
    private static final Offset<Double> ROUNDING = Offset.offset(1e-15);

    @Test
    void theLearningRateRisesLinearlyThenFallsAlongHalfACosine() {
        WarmupCosine schedule = new WarmupCosine(0.8, 0.2, 4, 12, false);
        double[] expected = {
            0.2,
            0.4,
            0.6,
            0.8, // rising
            0.8, // cos 0
            0.5 + 0.3 * Math.cos(Math.PI / 8),
            0.5 + 0.3 * Math.sqrt(0.5),
            0.5 + 0.3 * Math.cos(3 * Math.PI / 8),
            0.5, // half way
            0.5 - 0.3 * Math.cos(3 * Math.PI / 8),
            0.5 - 0.3 * Math.sqrt(0.5),
            0.5 - 0.3 * Math.cos(Math.PI / 8),
            0.2, // from here on the floor
            0.2
        };
        for (int step = 0; step < expected.length; step++) {
            assertThat(schedule.valueAt(step, 0)).as("step %s", step).isCloseTo(expected[step], ROUNDING);
        }
    }

    @Test
    void aLaterTrainingGoesOnWhereTheScheduleIs() {
        WarmupCosine schedule = new WarmupCosine(0.8, 0.2, 4, 12, false);
        for (int step = 0; step < 10; step++) {
            assertThat(schedule.from(3).valueAt(step, 0)).isEqualTo(schedule.valueAt(3 + step, 0));
        }
        assertThat(schedule.from(3))
                .isNotEqualTo(schedule)
                .isEqualTo(schedule.from(3).clone());
    }

    @Test
    void withoutWarmUpTheFirstStepIsAtThePeak() {
        assertThat(new WarmupCosine(0.3, 0, 0, 10, false).valueAt(0, 0)).isEqualTo(0.3);
        assertThat(new WarmupCosine(0.3, 0, 0, 10, false).valueAt(5, 0)).isCloseTo(0.15, ROUNDING);
    }

    @Test
    void aConstantLearningRateStaysAtThePeakAfterTheWarmUp() {
        WarmupCosine schedule = new WarmupCosine(0.6, 0.1, 2, 10, true);
        assertThat(schedule.valueAt(0, 0)).isEqualTo(0.3);
        for (int step = 1; step < 20; step++) {
            assertThat(schedule.valueAt(step, 0)).isEqualTo(0.6);
        }
    }

    @Test
    void theEpochDoesNotMatter() {
        WarmupCosine schedule = new WarmupCosine(0.6, 0.1, 2, 10, false);
        assertThat(schedule.valueAt(7, 3)).isEqualTo(schedule.valueAt(7, 0));
    }

    @Test
    void aTrainingThatIsAllWarmUpEndsAtThePeak() {
        WarmupCosine schedule = new WarmupCosine(0.6, 0.1, 3, 3, false);
        assertThat(schedule.valueAt(2, 0)).isEqualTo(0.6);
        assertThat(schedule.valueAt(3, 0)).isCloseTo(0.1, ROUNDING);
    }

    @Test
    void aCopyIsEqualAndAnotherNumberMakesAnother() {
        WarmupCosine schedule = new WarmupCosine(0.6, 0.1, 3, 30, false);
        assertThat(schedule.clone()).isEqualTo(schedule).isNotSameAs(schedule).hasSameHashCodeAs(schedule);
        assertThat(schedule)
                .isNotEqualTo(new WarmupCosine(0.5, 0.1, 3, 30, false))
                .isNotEqualTo(new WarmupCosine(0.6, 0.2, 3, 30, false))
                .isNotEqualTo(new WarmupCosine(0.6, 0.1, 4, 30, false))
                .isNotEqualTo(new WarmupCosine(0.6, 0.1, 3, 31, false))
                .isNotEqualTo(new WarmupCosine(0.6, 0.1, 3, 30, true));
    }
}
