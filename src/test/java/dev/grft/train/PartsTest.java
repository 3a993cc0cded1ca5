package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sums and means of what several machines have computed. */
class PartsTest {

    @Test
    void gradientsLossesAndExamplesAddUp() {
        StepGradient sum = new StepGradient(new float[] {1, -2}, 3, 2)
                .plus(new StepGradient(new float[] {0.5f, 4}, 0.25, 1))
                .plus(new StepGradient(new float[] {-1, 1}, 1, 3));
        assertThat(sum.gradient()).containsExactly(0.5f, 3);
        assertThat(sum.loss()).isEqualTo(4.25);
        assertThat(sum.examples()).isEqualTo(6);
    }

    @Test
    void theLongestWaitForImagesIsThatOfTheStep() {
        StepGradient gradient = new StepGradient(new float[] {1}, 0, 1);
        LocalSteps steps = new LocalSteps(LearnerState.start(new float[] {1}), 0, 1);

        assertThat(gradient.inputSeconds()).isZero();
        assertThat(gradient.after(0.5).plus(gradient.after(2)).plus(gradient).inputSeconds())
                .isEqualTo(2);
        assertThat(steps.after(3).mean(steps).inputSeconds()).isEqualTo(3);
    }

    private static StepGradient part(float... numbers) {
        return new StepGradient(numbers, numbers[0], 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 65_536, 200_001})
    void everyNumberOfAVectorIsTheSumInFloat(int n) {
        SplittableRandom random = new SplittableRandom(n);
        float[] x = new float[n];
        float[] y = new float[n];
        float[] expected = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) Math.scalb(random.nextDouble(-1, 1), random.nextInt(-140, 120));
            y[i] = (float) Math.scalb(random.nextDouble(-1, 1), random.nextInt(-140, 120));
            expected[i] = x[i] + y[i];
        }
        assertThat(part(x).plus(part(y)).gradient()).isEqualTo(expected);
    }

    @Test
    void theSumTakesThePlaceOfTheFirstPartAndLeavesTheOther() {
        StepGradient first = part(1);
        StepGradient second = part(2);
        assertThat(first.plus(second).gradient()).isSameAs(first.gradient()).containsExactly(3);
        assertThat(second.gradient()).containsExactly(2);
    }

    @Test
    void theMeanTakesThePlaceOfTheFirstStateAndLeavesTheOther() {
        LearnerState first = new LearnerState(new float[] {1}, new float[] {5}, 1);
        LearnerState second = new LearnerState(new float[] {3}, new float[] {7}, 1);
        LearnerState mean =
                new LocalSteps(first, 0, 1).mean(new LocalSteps(second, 0, 1)).state();
        assertThat(mean.trained()).isSameAs(first.trained()).containsExactly(2);
        assertThat(mean.updater()).isSameAs(first.updater()).containsExactly(6);
        assertThat(second).isEqualTo(new LearnerState(new float[] {3}, new float[] {7}, 1));
    }

    @Test
    void vectorsOfAnotherLengthAreRefusedAndChangeNothing() {
        assertThatThrownBy(() -> part(1, 2).plus(part(1))).hasMessage("a gradient of 1 values, expected 2");
        LocalSteps steps = new LocalSteps(new LearnerState(new float[2], new float[4], 1), 0, 1);
        LocalSteps fresh = new LocalSteps(new LearnerState(new float[2], new float[0], 1), 0, 1);
        LocalSteps other = new LocalSteps(new LearnerState(new float[] {1, 1}, new float[0], 1), 0, 1);
        assertThatThrownBy(() -> steps.mean(fresh)).hasMessage("a vector of 0 values, expected 4");
        assertThatThrownBy(() -> steps.mean(other)).hasMessage("a vector of 0 values, expected 4");
        assertThat(steps.state().trained()).containsOnly(0);
    }

    @Test
    void theMeanOfLocalStepsWeighsNumbersAndUpdaterStatesByTheExamples() {
        LocalSteps mean = new LocalSteps(new LearnerState(new float[] {1, 2}, new float[] {0, 4, 8, 1}, 7), 2.5, 6)
                .mean(new LocalSteps(new LearnerState(new float[] {3, -2}, new float[] {1, 0, 8, 2}, 7), 0.5, 2));
        assertThat(mean.state())
                .isEqualTo(new LearnerState(new float[] {1.5f, 1}, new float[] {0.25f, 3, 8, 1.25f}, 7));
        assertThat(mean.loss()).isEqualTo(3);
        assertThat(mean.examples()).isEqualTo(8);
    }

    @Test
    void aMeanOfMeansWeighsAllExamplesTheSame() {
        LocalSteps mean = steps(3, 1).mean(steps(9, 2)).mean(steps(7, 3).mean(steps(12, 4)));
        assertThat(mean.state().trained()).containsExactly((3 + 2 * 9 + 3 * 7 + 4 * 12) / 10f);
        assertThat(mean.state().updater()).isEmpty();
        assertThat(mean.examples()).isEqualTo(10);
    }

    @Test
    void theMeanIsTakenInDouble() {
        // In float 3 * 11184811 is 33554432, and the mean of that and 11184811 is another.
        assertThat(steps(11_184_811, 3).mean(steps(11_184_811, 1)).state().trained())
                .containsExactly(11_184_811);
    }

    @Test
    void whichPartComesFirstChangesNothing() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 1000; i++) {
            float x = (float) random.nextDouble();
            float y = (float) random.nextDouble();
            int count = random.nextInt(1, 9);
            assertThat(part(x).plus(part(y)).gradient())
                    .isEqualTo(part(y).plus(part(x)).gradient());
            assertThat(steps(x, count).mean(steps(y, 5)).state())
                    .isEqualTo(steps(y, 5).mean(steps(x, count)).state());
        }
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

    private static LocalSteps steps(float number, int examples) {
        return new LocalSteps(LearnerState.start(new float[] {number}), 0, examples);
    }
}
