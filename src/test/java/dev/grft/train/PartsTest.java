package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sums and means of what several machines have computed. */
class PartsTest {

    @Test
    void gradientsLossesAndExamplesAddUp() {
        StepGradient sum = StepGradient.sum(List.of(
                new StepGradient(new float[] {1, -2}, 3, 2),
                new StepGradient(new float[] {0.5f, 4}, 0.25, 1),
                new StepGradient(new float[] {-1, 1}, 1, 3)));
        assertThat(sum.gradient()).containsExactly(0.5f, 3);
        assertThat(sum.loss()).isEqualTo(4.25);
        assertThat(sum.examples()).isEqualTo(6);
    }

    @Test
    void theLongestWaitForImagesIsThatOfTheStep() {
        StepGradient gradient = new StepGradient(new float[] {1}, 0, 1);
        LocalSteps steps = new LocalSteps(LearnerState.start(new float[] {1}), 0, 1);

        assertThat(gradient.inputSeconds()).isZero();
        assertThat(StepGradient.sum(List.of(gradient.after(0.5), gradient.after(2), gradient))
                        .inputSeconds())
                .isEqualTo(2);
        assertThat(LocalSteps.mean(List.of(steps.after(3), steps)).inputSeconds())
                .isEqualTo(3);
    }

    @Test
    void gradientsAreAddedInDouble() {
        // In float 1e8 + 1 is 1e8.
        StepGradient sum = StepGradient.sum(List.of(
                new StepGradient(new float[] {1e8f}, 0, 1),
                new StepGradient(new float[] {1}, 0, 1),
                new StepGradient(new float[] {-1e8f}, 0, 1)));
        assertThat(sum.gradient()).containsExactly(1);
    }

    @Test
    void theOrderOfThePartsIsTheOrderOfAddition() {
        StepGradient smallLast = StepGradient.sum(List.of(part(1e20f), part(-1e20f), part(1)));
        StepGradient smallFirst = StepGradient.sum(List.of(part(1), part(1e20f), part(-1e20f)));
        assertThat(smallLast.gradient()).containsExactly(1);
        assertThat(smallLast.loss()).isEqualTo(1);
        assertThat(smallFirst.gradient()).containsExactly(0);
        assertThat(smallFirst.loss()).isZero();
    }

    private static StepGradient part(float number) {
        return new StepGradient(new float[] {number}, number, 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5})
    void everyNumberOfALongVectorIsTheSumInDouble(int count) {
        int n = 200_001;
        SplittableRandom random = new SplittableRandom(count);
        List<StepGradient> parts = new ArrayList<>();
        double[] sums = new double[n];
        for (int p = 0; p < count; p++) {
            float[] numbers = new float[n];
            for (int i = 0; i < n; i++) {
                numbers[i] = (float) Math.scalb(random.nextDouble(-1, 1), random.nextInt(-140, 120));
                sums[i] += numbers[i];
            }
            parts.add(new StepGradient(numbers, 0, 1));
        }
        float[] expected = new float[n];
        for (int i = 0; i < n; i++) {
            expected[i] = (float) sums[i];
        }
        assertThat(StepGradient.sum(parts).gradient()).isEqualTo(expected);
    }

    @Test
    void theSumTakesThePlaceOfTheFirstPartAndLeavesTheOthers() {
        for (int count : new int[] {2, 3}) {
            List<StepGradient> parts = List.of(part(1), part(2), part(3)).subList(0, count);
            StepGradient sum = StepGradient.sum(parts);
            assertThat(sum.gradient()).isSameAs(parts.get(0).gradient());
            assertThat(parts.get(count - 1).gradient()).containsExactly(count);
        }
    }

    @Test
    void theMeanOfLocalStepsWeighsNumbersAndUpdaterStatesByTheExamples() {
        LocalSteps mean = LocalSteps.mean(List.of(
                new LocalSteps(new LearnerState(new float[] {1, 2}, new float[] {0, 4, 8, 1}, 7), 2.5, 6),
                new LocalSteps(new LearnerState(new float[] {3, -2}, new float[] {1, 0, 8, 2}, 7), 0.5, 2)));
        assertThat(mean.state())
                .isEqualTo(new LearnerState(new float[] {1.5f, 1}, new float[] {0.25f, 3, 8, 1.25f}, 7));
        assertThat(mean.loss()).isEqualTo(3);
        assertThat(mean.examples()).isEqualTo(8);
    }

    @Test
    void theMeanIsTakenInDouble() {
        LocalSteps mean = LocalSteps.mean(List.of(numbers(1e8f), numbers(3), numbers(-1e8f)));
        assertThat(mean.state().trained()).containsExactly(1);
        assertThat(mean.state().updater()).isEmpty();
    }

    @Test
    void theMeanOfOnePartIsThePart() {
        LocalSteps part = new LocalSteps(new LearnerState(new float[] {0.1f, 3}, new float[] {7, 8}, 3), 2.5, 6);
        LocalSteps mean = LocalSteps.mean(List.of(part));
        assertThat(mean.state()).isEqualTo(part.state());
        assertThat(mean.loss()).isEqualTo(2.5);
        assertThat(mean.examples()).isEqualTo(6);
    }

    @Test
    void statesAreEqualIfEveryPartIs() {
        LearnerState state = new LearnerState(new float[] {1}, new float[] {2, 3}, 4);
        assertThat(state)
                .isEqualTo(new LearnerState(new float[] {1}, new float[] {2, 3}, 4))
                .hasSameHashCodeAs(new LearnerState(new float[] {1}, new float[] {2, 3}, 4))
                .isNotEqualTo(new LearnerState(new float[] {0}, new float[] {2, 3}, 4))
                .isNotEqualTo(new LearnerState(new float[] {1}, new float[] {2, 4}, 4))
                .isNotEqualTo(new LearnerState(new float[] {1}, new float[] {2, 3}, 5));
    }

    private static LocalSteps numbers(float number) {
        return new LocalSteps(LearnerState.start(new float[] {number}), 0, 1);
    }
}
