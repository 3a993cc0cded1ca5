package dev.grft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class ScoresTest {
    private static final Map<String, MatrixShape> SHAPES = new LinkedHashMap<>();

    static {
        SHAPES.put("b", new MatrixShape(2, 3));
        SHAPES.put("a", new MatrixShape(1, 2));
    }

    @Test
    void sumsOfTwoExamplesAddUp() {
        // Gradients of b: [1 2 0; 0 0 3] and [0 1 0; 2 0 0].
        Scores scores = Scores.zero(SHAPES);
        scores.add("b", new double[] {5, 9}, new double[] {1, 4, 9});
        scores.add("b", new double[] {1, 4}, new double[] {4, 1, 0});
        scores.countExamples(2);

        assertThat(scores.rows("b")).containsExactly(6, 13);
        assertThat(scores.columns("b")).containsExactly(5, 5, 9);
        assertThat(scores.of("b", Axis.ROW)).containsExactly(6, 13);
        assertThat(scores.of("b", Axis.COLUMN)).containsExactly(5, 5, 9);
        assertThat(scores.rows("a")).containsExactly(0);
        assertThat(scores.examples()).isEqualTo(2);
    }

    @Test
    void matricesKeepTheOrderInWhichTheyWereGiven() {
        assertThat(Scores.zero(SHAPES).shapes().keySet()).containsExactly("b", "a");
    }

    @Test
    void aViTB16ShipsAFewNumbersPerMatrixInsteadOfAllItsSquares() {
        Scores scores = Scores.zero(VitB16.MATRICES);

        long shipped = VitB16.MATRICES.keySet().stream()
                .mapToLong(matrix -> scores.rows(matrix).length + (long) scores.columns(matrix).length)
                .sum();
        assertThat(shipped).isEqualTo(148_992);
    }

    @Test
    void whatIsReadIsACopy() {
        Scores scores = Scores.zero(SHAPES);

        scores.rows("a")[0] = 7;
        scores.columns("a")[0] = 7;

        assertThat(scores.rows("a")).containsExactly(0);
        assertThat(scores.columns("a")).containsExactly(0, 0);
    }

    @Test
    void mergingAddsInPlaceAndLeavesTheOtherAlone() {
        Scores one = scores(1);
        Scores two = scores(2);

        assertThat(one.merge(two)).isSameAs(one);

        assertThat(one.rows("b")).containsExactly(3, 6);
        assertThat(one.columns("b")).containsExactly(3, 6, 9);
        assertThat(one.examples()).isEqualTo(3);
        assertThat(two.rows("b")).containsExactly(2, 4);
        assertThat(two.examples()).isEqualTo(2);
    }

    @Property
    void mergingIsAssociative(@ForAll("scores") Scores a, @ForAll("scores") Scores b, @ForAll("scores") Scores c) {
        Scores left = copy(a).merge(b).merge(c);
        Scores right = copy(a).merge(copy(b).merge(c));

        assertSame(left, right);
    }

    @Property
    void mergingIsCommutative(@ForAll("scores") Scores a, @ForAll("scores") Scores b) {
        assertSame(copy(a).merge(b), copy(b).merge(a));
    }

    @Property
    void zeroIsTheIdentityOfMerging(@ForAll("scores") Scores a) {
        assertSame(copy(a).merge(Scores.zero(SHAPES)), a);
        assertSame(Scores.zero(SHAPES).merge(a), a);
    }

    @Test
    void scoresOfOtherMatricesAreNotMerged() {
        Scores other = Scores.zero(Map.of("a", new MatrixShape(2, 2)));

        assertThatThrownBy(() -> Scores.zero(SHAPES).merge(other))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cannot merge scores of different matrices")
                .hasMessageContaining("{a=[2, 2]}");
    }

    @Test
    void sumsOfTheWrongLengthAreRefused() {
        assertThatThrownBy(() -> Scores.zero(SHAPES).add("b", new double[3], new double[2]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("b is [2, 3], got sums of 3 rows and 2 columns");
    }

    @Test
    void anUnknownMatrixIsRefused() {
        assertThatThrownBy(() -> Scores.zero(SHAPES).rows("c"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no scores of c, only of [b, a]");
    }

    @Test
    void aNegativeNumberOfExamplesIsRefused() {
        assertThatThrownBy(() -> Scores.zero(SHAPES).countExamples(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a number of examples must not be negative, got -1");
    }

    @Test
    void scoresTravelBetweenMachines() throws Exception {
        assertSame((Scores) Copies.sent(scores(3)), scores(3));
    }

    /** Whole-numbered sums, whose additions are exact. */
    @Provide
    Arbitrary<Scores> scores() {
        Arbitrary<double[]> sums = Arbitraries.integers()
                .between(0, 1 << 20)
                .map(i -> (double) i)
                .array(double[].class)
                .ofSize(8);
        return Combinators.combine(sums, Arbitraries.longs().between(0, 1000)).as((s, examples) -> {
            Scores scores = Scores.zero(SHAPES);
            scores.add("b", new double[] {s[0], s[1]}, new double[] {s[2], s[3], s[4]});
            scores.add("a", new double[] {s[5]}, new double[] {s[6], s[7]});
            scores.countExamples(examples);
            return scores;
        });
    }

    private static Scores scores(int factor) {
        Scores scores = Scores.zero(SHAPES);
        scores.add("b", new double[] {factor, 2 * factor}, new double[] {factor, 2 * factor, 3 * factor});
        scores.countExamples(factor);
        return scores;
    }

    private static Scores copy(Scores scores) {
        return Scores.zero(SHAPES).merge(scores);
    }

    private static void assertSame(Scores actual, Scores expected) {
        assertThat(actual.examples()).isEqualTo(expected.examples());
        assertThat(actual.shapes()).isEqualTo(expected.shapes());
        for (String matrix : expected.shapes().keySet()) {
            assertThat(actual.rows(matrix)).containsExactly(expected.rows(matrix));
            assertThat(actual.columns(matrix)).containsExactly(expected.columns(matrix));
        }
    }
}
