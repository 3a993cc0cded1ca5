package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class AxisTest {
    private static final MatrixShape TALL = new MatrixShape(3, 2);

    @Test
    void rowsAreAsManyAsOutputsAndAsLongAsInputs() {
        assertThat(Axis.ROW.count(TALL)).isEqualTo(3);
        assertThat(Axis.ROW.length(TALL)).isEqualTo(2);
    }

    @Test
    void columnsAreAsManyAsInputsAndAsLongAsOutputs() {
        assertThat(Axis.COLUMN.count(TALL)).isEqualTo(2);
        assertThat(Axis.COLUMN.length(TALL)).isEqualTo(3);
    }

    @Test
    void numberOneOfTheLastSliceLiesWhereTheRowMajorMatrixHasIt() {
        // [0 1]
        // [2 3]
        // [4 5]
        assertThat(Axis.ROW.position(TALL, 2, 1)).isEqualTo(5);
        assertThat(Axis.COLUMN.position(TALL, 1, 1)).isEqualTo(3);
    }

    @Test
    void aNumberLiesInTheSliceWhosePositionsContainIt() {
        for (Axis axis : Axis.values()) {
            for (int slice = 0; slice < axis.count(TALL); slice++) {
                for (int number = 0; number < axis.length(TALL); number++) {
                    assertThat(axis.index(TALL, axis.position(TALL, slice, number)))
                            .isEqualTo(slice);
                }
            }
        }
    }
}
