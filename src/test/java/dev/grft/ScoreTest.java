package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScoreTest {
    @ParameterizedTest
    @CsvSource({
        "per-example, PER_EXAMPLE",
        "per-batch, PER_BATCH",
        "summed-gradient, SUMMED_GRADIENT",
        "absolute, ABSOLUTE",
        "gradient-weight, GRADIENT_WEIGHT"
    })
    void aWordOfTheConfigurationNamesAScore(String word, Score score) {
        assertThat(Score.parse(word)).isEqualTo(score).hasToString(word);
    }

    @Test
    void anUnknownWordIsRefusedWithTheWordsThatAreKnown() {
        assertThatThrownBy(() -> Score.parse("per-image"))
                .isInstanceOf(UserError.class)
                .hasMessage("selection.score: unknown score 'per-image'; expected one of per-example, per-batch,"
                        + " summed-gradient, absolute, gradient-weight");
    }
}
