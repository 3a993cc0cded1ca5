package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PenaltyTest {
    @ParameterizedTest
    @CsvSource({"12, 0.1", "11, 0.1", "9, 0.1", "8, 0", "1, 0", "0, 0", "-1, 0"})
    void theLastThreeOfTwelveBlocksAndWhatFollowsThemArePulled(int block, double strength) {
        assertThat(new Penalty(0.1, 3, 0, false).strength(block, 12)).isEqualTo(strength);
    }

    @Test
    void allPullsWhatComesBeforeTheBlocksTooAndAllBlocksDoNot() {
        assertThat(new Penalty(0.1, Penalty.ALL, 0, false).strength(-1, 12)).isEqualTo(0.1);
        assertThat(new Penalty(0.1, Penalty.ALL, 0, false).strength(0, 12)).isEqualTo(0.1);
        assertThat(new Penalty(0.1, 12, 0, false).strength(0, 12)).isEqualTo(0.1);
        assertThat(new Penalty(0.1, 12, 0, false).strength(-1, 12)).isZero();
        assertThat(new Penalty(0.1, 13, 0, false).strength(-1, 12)).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 11, 12})
    void noPenaltyPullsNothing(int block) {
        assertThat(Penalty.NONE.strength(block, 12)).isZero();
        assertThat(Penalty.NONE.head()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"-1", "NaN", "Infinity"})
    void aStrengthMustBeFiniteAndNotNegative(double strength) {
        assertThatThrownBy(() -> new Penalty(strength, 1, 0, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.lambda must be a finite number >= 0, got " + strength);
        assertThatThrownBy(() -> new Penalty(0, 1, strength, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.head must be a finite number >= 0, got " + strength);
    }

    @Test
    void noLayerAtAllIsRefused() {
        assertThatThrownBy(() -> new Penalty(0.1, 0, 0, false))
                .isInstanceOf(UserError.class)
                .hasMessage("penalty.lastLayers must be at least 1, got 0; for no penalty set penalty.lambda to 0");
    }

    @ParameterizedTest
    @ValueSource(ints = {-2, 13})
    void aBlockThatTheNetworkDoesNotHaveIsRefused(int block) {
        assertThatThrownBy(() -> new Penalty(0.1, 3, 0, false).strength(block, 12))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("block " + block + " lies beyond a network of 12 blocks");
    }
}
