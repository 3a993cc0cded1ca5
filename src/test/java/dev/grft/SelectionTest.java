package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SelectionTest {
    private static final MatrixShape SHAPE = new MatrixShape(4, 3);
    private static final Slices A = new Slices("a", SHAPE, Axis.ROW, 0, 1);
    private static final Slices B = new Slices("b", SHAPE, Axis.COLUMN, 2);
    private static final Selection BOTH = new Selection(List.of(B, A));

    @Test
    void whatOneSelectionHasWithoutAnotherAndWhatTheyHaveTogetherAddUp() {
        MatrixShape shape = new MatrixShape(4, 4);
        Selection one =
                new Selection(List.of(new Slices("b", shape, Axis.ROW, 0, 2), new Slices("c", shape, Axis.ROW, 1)));
        Selection other =
                new Selection(List.of(new Slices("b", shape, Axis.ROW, 1, 2), new Slices("a", shape, Axis.COLUMN, 3)));

        assertThat(one.without(other))
                .isEqualTo(new Selection(
                        List.of(new Slices("b", shape, Axis.ROW, 0), new Slices("c", shape, Axis.ROW, 1))));
        assertThat(one.without(one)).isEqualTo(Selection.none());
        Selection both = one.and(other, List.of("a", "b", "c", "d"));
        assertThat(List.copyOf(both.slices().keySet())).containsExactly("a", "b", "c");
        assertThat(both.of("b").indices()).containsExactly(0, 1, 2);
        assertThat(both.count()).isEqualTo(one.without(other).count() + other.count());
        Selection across = new Selection(List.of(new Slices("b", shape, Axis.COLUMN, 0)));
        assertThatThrownBy(() -> one.without(across)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> one.and(across, List.of("b"))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void slicesAreFoundByMatrixInTheOrderGiven() {
        assertThat(BOTH.slices().keySet()).containsExactly("b", "a");
        assertThat(BOTH.of("a")).isEqualTo(A);
        assertThat(BOTH.trains("a")).isTrue();
        assertThat(BOTH.trains("c")).isFalse();
    }

    @Test
    void trainedNumbersAreTheSizesOfTheSlices() {
        assertThat(BOTH.count()).isEqualTo(3);
        assertThat(BOTH.trained()).isEqualTo(2 * 3 + 4);
        assertThat(BOTH.share(40)).isEqualTo(0.25);
        assertThat(Selection.none().trained()).isZero();
    }

    @Test
    void twoSelectionsAreEqualIfTheyTrainTheSameSlices() {
        assertThat(new Selection(List.of(A, B))).isEqualTo(BOTH).hasSameHashCodeAs(BOTH);
        assertThat(new Selection(List.of(A))).isNotEqualTo(BOTH);
        assertThat(new Selection(List.of(A, new Slices("b", SHAPE, Axis.COLUMN, 1))))
                .isNotEqualTo(BOTH);
    }

    @Test
    void aSelectionTravelsBetweenMachines() throws Exception {
        assertThat(Copies.sent(BOTH)).isEqualTo(BOTH);
    }

    @Test
    void aMatrixIsNotSelectedTwice() {
        assertThatThrownBy(() -> new Selection(List.of(A, new Slices("a", SHAPE, Axis.COLUMN, 0))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a is selected twice");
    }

    @Test
    void askingForAFrozenMatrixIsRefused() {
        assertThatThrownBy(() -> BOTH.of("c"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no slice of c is selected");
    }

    @Test
    void jaccardIsSharedSlicesOverAllSlices() {
        Selection other = new Selection(List.of(new Slices("a", SHAPE, Axis.ROW, 1, 2, 3), B));

        assertThat(BOTH.jaccard(other)).isEqualTo(2.0 / 5); // a1 and b2 of a0, a1, a2, a3, b2
        assertThat(other.jaccard(BOTH)).isEqualTo(2.0 / 5);
        assertThat(BOTH.jaccard(BOTH)).isEqualTo(1);
        assertThat(BOTH.jaccard(Selection.none())).isZero();
        assertThat(Selection.none().jaccard(Selection.none())).isEqualTo(1);
    }

    @Test
    void aRowAndAColumnWithTheSameIndexAreDifferentSlices() {
        Selection rows = new Selection(List.of(new Slices("a", SHAPE, Axis.ROW, 1)));
        Selection columns = new Selection(List.of(new Slices("a", SHAPE, Axis.COLUMN, 1)));

        assertThat(rows.jaccard(columns)).isZero();
    }

    @Property
    void aRandomSelectionHasTheSameSizesAndAxesAsItsModel(
            @ForAll long seed, @ForAll @IntRange(min = 1, max = 9) int count, @ForAll Axis axis) {
        Scores scores = Scores.zero(Map.of("a", new MatrixShape(9, 5), "b", new MatrixShape(4, 20)));
        Orientation orientation = axis == Axis.ROW ? Orientation.ROW : Orientation.COLUMN;
        Selection like = Grft.select(scores, orientation, new Budget.PerMatrix(count), 1000);

        Selection random = Selection.random(like, seed);

        assertThat(random.slices().keySet())
                .containsExactlyElementsOf(like.slices().keySet());
        assertThat(random.trained()).isEqualTo(like.trained());
        like.slices().forEach((matrix, slices) -> {
            assertThat(random.of(matrix).axis()).isEqualTo(axis);
            assertThat(random.of(matrix).shape()).isEqualTo(slices.shape());
            assertThat(random.of(matrix).count()).isEqualTo(slices.count());
        });
    }

    @Property(tries = 100)
    void aRandomSelectionDependsOnTheSeedButNotOnTheOrderOfTheMatrices(@ForAll long seed) {
        List<Slices> slices = new ArrayList<>();
        VitB16.MATRICES.forEach((matrix, shape) -> slices.add(new Slices(matrix, shape, Axis.COLUMN, 0, 1)));
        Selection random = Selection.random(new Selection(slices), seed);

        assertThat(Selection.random(new Selection(slices), seed + 1)).isNotEqualTo(random);
        Collections.reverse(slices);
        assertThat(Selection.random(new Selection(slices), seed)).isEqualTo(random);
    }

    @Test
    void aRandomSelectionIsTheSameInEveryRun() {
        String fc1 = "blocks.0.mlp.fc1.weight";
        Selection like = new Selection(List.of(new Slices(fc1, new MatrixShape(3072, 768), Axis.ROW, 0, 1, 2)));

        assertThat(Selection.random(like, 42).of(fc1).indices()).containsExactly(341, 2684, 2833);
    }

    @Test
    void everySliceIsDrawnEquallyOften() {
        Selection like = new Selection(List.of(new Slices("a", new MatrixShape(5, 1), Axis.ROW, 0, 1)));
        int[] drawn = new int[5];
        for (int seed = 0; seed < 10_000; seed++) {
            for (int i : Selection.random(like, seed).of("a").indices()) {
                drawn[i]++;
            }
        }

        for (int times : drawn) {
            assertThat(times).isCloseTo(4000, within(250)); // 2 of 5; five standard deviations of 49
        }
    }
}
