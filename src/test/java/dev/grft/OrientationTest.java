package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OrientationTest {
    @ParameterizedTest
    @CsvSource({"row, ROW", "column, COLUMN", "min-axis, MIN_AXIS", "auto, AUTO"})
    void aWordOfTheConfigurationNamesAnOrientation(String word, Orientation orientation) {
        assertThat(Orientation.parse(word)).isEqualTo(orientation).hasToString(word);
    }

    @Test
    void anUnknownWordIsRefusedWithTheWordsThatAreKnown() {
        assertThatThrownBy(() -> Orientation.parse("rows"))
                .isInstanceOf(UserError.class)
                .hasMessage("selection.orientation: unknown orientation 'rows';"
                        + " expected one of row, column, min-axis, auto");
    }
}
