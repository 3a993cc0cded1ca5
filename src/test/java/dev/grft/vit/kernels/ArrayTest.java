package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.vit.kernels.Array.DataType;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Arrays in the memory of this build's kernels. */
@Tag("kernels")
class ArrayTest {
    private final Memory memory = Machine.memory();

    @ParameterizedTest
    @EnumSource
    void valuesComeBackAsTheyWereWritten(DataType type) {
        try (Array array = memory.allocate(type, 2, 3)) {
            float[] values = {1, -2, 0.5f, 4, 0, 256};
            assertThat(array.write(values).floats()).isEqualTo(values);
            assertThat(array.doubles()).containsExactly(1, -2, 0.5, 4, 0, 256);
            assertThat(array.write(new double[] {6, 5, 4, 3, 2, 1}).floats()).containsExactly(6, 5, 4, 3, 2, 1);
            assertThat(array.matrix()).isDeepEqualTo(new float[][] {{6, 5, 4}, {3, 2, 1}});
            assertThat(array.fill(7).floats()).containsOnly(7);
            assertThat(array.bytes()).isEqualTo(6L * type.width());
            assertThat(array).hasToString(type + "[2, 3]");
        }
    }

    @Test
    void viewsShareTheMemoryOfTheirArray() {
        try (Array array = memory.allocate(DataType.FLOAT, 4, 3).fill(0)) {
            array.rows(1, 3).write(new float[] {1, 2, 3, 4, 5, 6});
            array.view(10, 2).fill(9);
            array.reshape(12).rows(0, 1).fill(8);
            assertThat(array.floats()).containsExactly(8, 0, 0, 1, 2, 3, 4, 5, 6, 0, 9, 9);
            Array ofView = array.rows(1, 4).rows(1, 2);
            assertThat(ofView.floats()).containsExactly(4, 5, 6);
            ofView.close();
            assertThat(array.rows(2, 3).floats()).containsExactly(4, 5, 6);
        }
    }

    @Test
    void aCopyRoundsToTheTypeOfItsArray() {
        try (Array from = memory.allocate(DataType.FLOAT, 3);
                Array narrow = memory.allocate(DataType.BFLOAT16, 1, 3);
                Array wide = memory.allocate(DataType.DOUBLE, 3, 1)) {
            from.write(new float[] {1, 0.1f, -3});
            assertThat(narrow.copy(from).doubles()[1])
                    .isNotEqualTo((double) 0.1f)
                    .isBetween(0.099, 0.101);
            assertThat(wide.copy(from).doubles()).containsExactly(1, 0.1f, -3);
        }
    }

    @Test
    void anArrayMayBeEmpty() {
        try (Array array = memory.allocate(DataType.FLOAT, 0)) {
            assertThat(array.fill(1).write(new float[0]).floats()).isEmpty();
            assertThat(array.doubles()).isEmpty();
            assertThat(array.view(0, 0).length()).isZero();
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (Array array = memory.allocate(DataType.FLOAT, 2, 3);
                Array other = memory.allocate(DataType.FLOAT, 5)) {
            assertThatThrownBy(() -> array.reshape(5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("FLOAT[2, 3] cannot have the shape [5]");
            assertThatThrownBy(() -> array.rows(1, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("FLOAT[2, 3] has no [2, 3] from value 3");
            assertThatThrownBy(() -> array.rows(1, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("FLOAT[2, 3] has no [-1, 3] from value 3");
            assertThatThrownBy(() -> array.copy(other))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("5 values for FLOAT[2, 3]");
            assertThatThrownBy(() -> array.write(new float[7]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("7 values for FLOAT[2, 3]");
            assertThatThrownBy(() -> array.read(new float[7])).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void whatIsFreedIsNotUsed() {
        Array array = memory.allocate(DataType.FLOAT, 2, 3).fill(1);
        Array view = array.rows(1, 2);
        array.close();
        for (Array freed : new Array[] {array, view}) {
            assertThatThrownBy(freed::floats)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage(freed + " is freed");
        }
    }

    @Test
    void smallArraysGoBackToTheSystem() {
        memory.allocate(DataType.FLOAT, 8 << 20).close(); // 32 MB: smaller ones now lie in the C library's heap
        long before = Pointer.physicalBytes();
        List<Array> arrays = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            arrays.add(memory.allocate(DataType.FLOAT, 1 << 20).fill(1)); // 4 MB
        }
        try (Array last = memory.allocate(DataType.FLOAT, 1 << 20).fill(1)) { // the heap cannot shrink from its end
            arrays.forEach(Array::close);
            assertThat(Pointer.physicalBytes() - before).isLessThan(200L << 20); // of 800 MB
            assertThat(last.length()).isEqualTo(1 << 20);
        }
    }

    @Test
    void closingFreesAtOnceWhateverViewsThereAre() {
        long length = 16 << 20; // 64 MB
        long before = 0;
        for (int i = 0; i < 20; i++) {
            Array array = memory.allocate(DataType.FLOAT, 2, length / 2).fill(1);
            Array view = array.rows(1, 2);
            assertThat(view.view(5, 1).floats()).containsExactly(1);
            array.close();
            array.close();
            view.close();
            before = i == 2 ? Pointer.physicalBytes() : before;
        }
        assertThat(Pointer.physicalBytes() - before).isLessThan(300L << 20); // of 1,1 GB
    }
}
