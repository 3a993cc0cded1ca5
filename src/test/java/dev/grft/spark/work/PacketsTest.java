package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.spark.rounds.Packet;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PacketsTest {
    private static LearnerState state(float first) {
        return new LearnerState(new float[] {first, 2}, new float[] {3, first, 5}, 7);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void localStepsAreAskedForWhateverTheirCount(int count) {
        assertThat(Packets.order(Packets.order(state(1), count, 0.5)))
                .isEqualTo(new Packets.Order(true, count, 0.5, state(1)));
    }

    @Test
    void aGradientIsAskedForAtATrainedVector() {
        float[] trained = {1, 2};
        Packets.Order order = Packets.order(Packets.order(9, trained));
        assertThat(order).isEqualTo(new Packets.Order(false, 1, 0, new LearnerState(trained, new float[0], 9)));
        assertThat(order.state().trained()).isSameAs(trained);
    }

    @Test
    void statesKeepTheirUpdatersMemoryAndTheirMeanIsThatOfLocalSteps() {
        LocalSteps one = new LocalSteps(state(1), 2, 3).after(0.5);
        LocalSteps other = new LocalSteps(state(9), 4, 5);
        Packet first = Packets.of(one);
        assertThat(Packets.steps(first).state()).isEqualTo(state(1));
        LocalSteps mean = Packets.steps(Packets.plus(first, Packets.of(other)));
        LocalSteps expected = one.mean(other);
        assertThat(mean.state()).isEqualTo(expected.state());
        assertThat(mean.loss()).isEqualTo(6);
        assertThat(mean.examples()).isEqualTo(8);
        assertThat(mean.inputSeconds()).isEqualTo(0.5);
    }

    @Test
    void gradientsAddUp() {
        Packet sum = Packets.plus(
                Packets.of(new StepGradient(new float[] {1, 2}, 3, 4).after(5)),
                Packets.of(new StepGradient(new float[] {10, 20}, 30, 40)));
        assertThat(Packets.gradient(sum).gradient()).containsExactly(11, 22);
        assertThat(Packets.gradient(sum).examples()).isEqualTo(44);
        assertThat(Packets.gradient(sum).inputSeconds()).isEqualTo(5);
    }

    @Test
    void aGradientAndAStateHaveNoSum() {
        assertThatThrownBy(() -> Packets.plus(
                        Packets.of(new StepGradient(new float[1], 0, 1)),
                        Packets.of(new LocalSteps(LearnerState.start(new float[1]), 0, 1))))
                .hasMessage("a gradient and local steps in one sum");
    }

    @Test
    void theLongestPacketIsAtMostWhatAnArrayCanHold() {
        assertThat(Packets.most(3)).isEqualTo(12);
        assertThat(Packets.most(536_870_912)).isEqualTo(Integer.MAX_VALUE);
        assertThat(Packets.most(Integer.MAX_VALUE)).isEqualTo(Integer.MAX_VALUE);
    }
}
