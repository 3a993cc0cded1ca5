package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BudgetTest {
    @Test
    void slicesPerMatrixAreCappedByTheSlicesThereAre() {
        assertThat(new Budget.PerMatrix(4).picks(768)).isEqualTo(4);
        assertThat(new Budget.PerMatrix(4).picks(3)).isEqualTo(3);
    }

    @Test
    void noSlicePerMatrixIsRefused() {
        assertThatThrownBy(() -> new Budget.PerMatrix(0))
                .isInstanceOf(UserError.class)
                .hasMessage("selection.budget.count must be at least 1, got 0");
    }

    @Test
    void aShareIsRoundedDownToWholeNumbersInDecimal() {
        assertThat(new Budget.Share(0.29).numbers(100)).isEqualTo(29); // as doubles 28.999999999999996
        assertThat(new Budget.Share(0.0122).numbers(85_798_656)).isEqualTo(1_046_743); // 1046743.6032
        assertThat(new Budget.Share(1).numbers(85_798_656)).isEqualTo(85_798_656);
    }

    @Test
    void aShareOfOneMatrixIsAtLeastOneSlice() {
        assertThat(new Budget.Share(0.5).picks(7)).isEqualTo(3);
        assertThat(new Budget.Share(0.01).picks(7)).isEqualTo(1);
        assertThat(new Budget.Share(1).picks(7)).isEqualTo(7);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -0.1, 1.5, Double.NaN})
    void aShareOutsideZeroToOneIsRefused(double fraction) {
        assertThatThrownBy(() -> new Budget.Share(fraction))
                .isInstanceOf(UserError.class)
                .hasMessage("selection.budget.fraction must be in (0, 1], got " + fraction);
    }
}
