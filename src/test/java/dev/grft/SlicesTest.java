package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class SlicesTest {
    private static final MatrixShape SHAPE = new MatrixShape(3, 2);
    private static final Slices ROWS = new Slices("w", SHAPE, Axis.ROW, 0, 2);
    private static final Slices COLUMN = new Slices("w", SHAPE, Axis.COLUMN, 1);

    @Test
    void sizeIsCountTimesLength() {
        assertThat(ROWS.count()).isEqualTo(2);
        assertThat(ROWS.length()).isEqualTo(2);
        assertThat(ROWS.size()).isEqualTo(4);
        assertThat(COLUMN.count()).isEqualTo(1);
        assertThat(COLUMN.length()).isEqualTo(3);
        assertThat(COLUMN.size()).isEqualTo(3);
    }

    @Test
    void slicesAreReadOneWholeSliceAfterTheOther() {
        float[] weights = {0, 1, 2, 3, 4, 5};

        assertThat(ROWS.read(weights)).containsExactly(0, 1, 4, 5);
        assertThat(COLUMN.read(weights)).containsExactly(1, 3, 5);
        assertThat(new Slices("w", SHAPE, Axis.COLUMN, 0, 1).read(weights)).containsExactly(0, 2, 4, 1, 3, 5);
    }

    @Test
    void addingTouchesTheSlicesOnly() {
        float[] weights = {0, 1, 2, 3, 4, 5};

        ROWS.add(new float[] {10, 20, 30, 40}, weights);
        assertThat(weights).containsExactly(10, 21, 2, 3, 34, 45);

        COLUMN.add(new float[] {100, 200, 300}, weights);
        assertThat(weights).containsExactly(10, 121, 2, 203, 34, 345);
    }

    @Test
    void addingZeroKeepsANegativeZero() {
        float[] weights = {-0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f};

        ROWS.add(new float[4], weights);

        assertThat(weights).containsOnly(-0.0f);
        assertThat(Float.floatToRawIntBits(weights[0])).isEqualTo(0x80000000);
    }

    @Test
    void equalityLooksIntoTheIndices() {
        assertThat(new Slices("w", new MatrixShape(3, 2), Axis.ROW, 0, 2))
                .isEqualTo(ROWS)
                .hasSameHashCodeAs(ROWS);
        assertThat(new Slices("w", SHAPE, Axis.ROW, 0, 1)).isNotEqualTo(ROWS);
        assertThat(new Slices("v", SHAPE, Axis.ROW, 0, 2)).isNotEqualTo(ROWS);
        assertThat(new Slices("w", new MatrixShape(3, 3), Axis.ROW, 0, 2)).isNotEqualTo(ROWS);
        assertThat(new Slices("w", SHAPE, Axis.ROW, 1)).isNotEqualTo(COLUMN);
    }

    @Test
    void indicesCannotBeChangedFromOutside() {
        int[] given = {0, 2};
        Slices slices = new Slices("w", SHAPE, Axis.ROW, given);

        given[0] = 1;
        slices.indices()[1] = 1;

        assertThat(slices.indices()).containsExactly(0, 2);
    }

    @Test
    void indicesThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> new Slices("w", SHAPE, Axis.COLUMN, 0, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("w: index 2 is not in [0, 2)");
        assertThatThrownBy(() -> new Slices("w", SHAPE, Axis.ROW, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("w: index -1 is not in [0, 3)");
        assertThatThrownBy(() -> new Slices("w", SHAPE, Axis.ROW, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("w: indices must ascend, got 1 after 1");
        assertThatThrownBy(() -> new Slices("w", SHAPE, Axis.ROW))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("w: slices need an index; leave the matrix out instead");
    }

    @Test
    void arraysOfTheWrongSizeAreRefused() {
        assertThatThrownBy(() -> ROWS.read(new float[5]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("2 rows of w [3, 2]: the matrix has 5 numbers, expected 6");
        assertThatThrownBy(() -> COLUMN.add(new float[2], new float[6]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("1 columns of w [3, 2]: the delta has 2 numbers, expected 3");
    }
}
