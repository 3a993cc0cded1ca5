package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class MatrixShapeTest {
    @Test
    void sizeDoesNotOverflow() {
        assertThat(new MatrixShape(1 << 16, 1 << 16).size()).isEqualTo(1L << 32);
    }

    @Test
    void aMatrixWithoutRowsOrColumnsIsRefused() {
        assertThatThrownBy(() -> new MatrixShape(0, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a matrix needs at least one row and one column, got [0, 3]");
        assertThatThrownBy(() -> new MatrixShape(3, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a matrix needs at least one row and one column, got [3, -1]");
    }
}
