package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.MatrixShape;
import dev.grft.UserError;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ScoreTest {
    @ParameterizedTest
    @EnumSource
    void aWordOfTheConfigurationNamesAScore(BuiltInScore score) {
        assertThat(Score.of(score.word())).isSameAs(score);
    }

    @Test
    void theWordsAreThoseOfTheConfiguration() {
        assertThat(Arrays.stream(BuiltInScore.values()).map(BuiltInScore::word))
                .containsExactly(
                        "per-example",
                        "per-batch",
                        "summed-gradient",
                        "absolute",
                        "gradient-weight",
                        "relative-gradient",
                        "weight-activation",
                        "fisher");
    }

    @Test
    void aScoreThatNoJarHasIsRefusedWithWhatToGive() {
        assertThatThrownBy(() -> Score.of("lab.missing"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "selection.score: expected one score 'lab.missing' on the class path, found none; pass its jar")
                .hasMessageContaining("META-INF/services/dev.grft.tuning.Score");
    }

    @Test
    void aSliceOfZerosHasAFiniteRelativeGradient() {
        double[] rows = {2, 3};
        double[] columns = {4, 1};
        BuiltInScore.RELATIVE_GRADIENT.finish(new MatrixShape(2, 2), () -> new float[] {1, 1, 0, 0}, rows, columns);

        assertThat(rows[0]).isEqualTo(2 * 2 / (2 + 1e-12));
        assertThat(rows[1]).isEqualTo(2 * 3 / 1e-12);
        assertThat(columns).containsExactly(2 * 4 / (1 + 1e-12), 2 * 1 / (1 + 1e-12));
    }
}
