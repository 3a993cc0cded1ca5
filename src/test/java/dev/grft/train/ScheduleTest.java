package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.tuning.Tiny;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScheduleTest {
    private static final Offset<Double> ROUNDING = Offset.offset(1e-15);

    @Test
    void theLearningRateRisesLinearlyThenFallsAlongHalfACosine() {
        Schedule schedule = schedule("cosine", 0.8, 0.2, 4, 12);
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
        Schedule schedule = schedule("cosine", 0.8, 0.2, 4, 12);
        for (int step = 0; step < 10; step++) {
            assertThat(schedule.from(3).valueAt(step, 0)).isEqualTo(schedule.valueAt(3 + step, 0));
        }
        assertThat(schedule.from(3))
                .isNotEqualTo(schedule)
                .isEqualTo(schedule.from(3).clone());
    }

    @Test
    void withoutWarmUpTheFirstStepIsAtThePeak() {
        assertThat(schedule("cosine", 0.3, 0, 0, 10).valueAt(0, 0)).isEqualTo(0.3);
        assertThat(schedule("cosine", 0.3, 0, 0, 10).valueAt(5, 0)).isCloseTo(0.15, ROUNDING);
    }

    @Test
    void aConstantLearningRateStaysAtThePeakAfterTheWarmUp() {
        Schedule schedule = schedule("constant", 0.6, 0.1, 2, 10);
        assertThat(schedule.valueAt(0, 0)).isEqualTo(0.3);
        for (int step = 1; step < 20; step++) {
            assertThat(schedule.valueAt(step, 0)).isEqualTo(0.6);
        }
    }

    @Test
    void theEpochDoesNotMatter() {
        Schedule schedule = schedule("cosine", 0.6, 0.1, 2, 10);
        assertThat(schedule.valueAt(7, 3)).isEqualTo(schedule.valueAt(7, 0));
    }

    @Test
    void aTrainingThatIsAllWarmUpEndsAtThePeak() {
        Schedule schedule = schedule("cosine", 0.6, 0.1, 3, 3);
        assertThat(schedule.valueAt(2, 0)).isEqualTo(0.6);
        assertThat(schedule.valueAt(3, 0)).isCloseTo(0.1, ROUNDING);
    }

    @Test
    void aCopyIsEqualAndAnotherNumberMakesAnother() {
        Schedule schedule = schedule("cosine", 0.6, 0.1, 3, 30);
        assertThat(schedule.clone()).isEqualTo(schedule).isNotSameAs(schedule).hasSameHashCodeAs(schedule);
        assertThat(schedule)
                .isNotEqualTo(schedule("cosine", 0.5, 0.1, 3, 30))
                .isNotEqualTo(schedule("cosine", 0.6, 0.2, 3, 30))
                .isNotEqualTo(schedule("cosine", 0.6, 0.1, 4, 30))
                .isNotEqualTo(schedule("cosine", 0.6, 0.1, 3, 31))
                .isNotEqualTo(schedule("constant", 0.6, 0.1, 3, 30));
    }

    @ParameterizedTest
    @CsvSource({
        "timm.step, step, 0, 0",
        "torch.step, step, 0, 0",
        "timm.polynomial, polynomial, 0, 2",
        "transformers.linear, linear, 4, 0",
        "transformers.polynomial, polynomial, 4, 3"
    })
    void afterTheWarmUpItIsWhatOtherLibrariesCompute(String golden, String form, int warmup, double power) {
        double floor = form.equals("polynomial") ? 0.05 : 0;
        Schedule schedule = new Schedule(form, 0.8, floor, warmup, 24, 7, 0.3, power, 0);
        JsonNode expected = Tiny.json("rates.json").get("schedules").get(golden);
        assertThat(expected).hasSize(25);
        for (int step = warmup; step < 25; step++) {
            assertThat(schedule.valueAt(step, 0))
                    .as("step %s", step)
                    .isCloseTo(expected.get(step).doubleValue(), ROUNDING);
        }
        for (int step = 0; step < warmup; step++) { // theirs begins with a step at 0
            assertThat(schedule.valueAt(step, 0))
                    .isCloseTo(expected.get(step + 1).doubleValue(), ROUNDING);
        }
    }

    @Test
    void theSettingsCountInEpochs() {
        Schedule steps = Schedule.of(
                Trainings.of(
                        "training.schedule=step",
                        "training.learningRate=0.8",
                        "training.warmupEpochs=1",
                        "training.decayEpochs=1.5",
                        "training.decayRate=0.5"),
                20,
                4);
        assertThat(steps.valueAt(0, 0)).isEqualTo(0.2);
        assertThat(steps.valueAt(5, 0)).isEqualTo(0.8);
        assertThat(steps.valueAt(6, 0)).isEqualTo(0.4);
        assertThat(steps.valueAt(12, 0)).isEqualTo(0.2);
        assertThat(steps.from(12).valueAt(0, 0)).isEqualTo(0.2);
        Schedule linear = Schedule.of(
                Trainings.of("training.schedule=linear", "training.learningRate=0.8", "training.warmupEpochs=1"),
                20,
                4);
        assertThat(linear.valueAt(12, 0)).isCloseTo(0.4, ROUNDING);
    }

    private static Schedule schedule(String form, double peak, double floor, long warmup, long steps) {
        return new Schedule(form, peak, floor, warmup, steps, 1, 1, 1, 0);
    }
}
