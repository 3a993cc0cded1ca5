package dev.grft;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GrftTest {
    private static final MatrixShape U = new MatrixShape(3, 2);
    private static final MatrixShape V = new MatrixShape(2, 4);

    /** Per number: rows of u 2.5, 0.5, 2.5, columns of u 4/3, 7/3; rows of v 2, 0.5, columns of v 0.5, 3, 1.5, 0. */
    private static final Scores SCORES = scores(
            "u", U, new double[] {5, 1, 5}, new double[] {4, 7}, "v", V, new double[] {8, 2}, new double[] {1, 6, 3, 0
            });

    @Test
    void theBestRowOfEachMatrixIsSelectedAndATieGoesToTheLowerIndex() {
        assertThat(select(Orientation.ROW, 1)).isEqualTo(selection(rows("u", U, 0), rows("v", V, 0)));
    }

    @Test
    void theTwoBestColumnsOfEachMatrixAreSelected() {
        assertThat(select(Orientation.COLUMN, 2)).isEqualTo(selection(columns("u", U, 0, 1), columns("v", V, 1, 2)));
    }

    @Test
    void moreSlicesThanThereAreMeansAllOfThem() {
        assertThat(select(Orientation.ROW, 3)).isEqualTo(selection(rows("u", U, 0, 1, 2), rows("v", V, 0, 1)));
    }

    @Test
    void theShorterMaskTakesColumnsOfATallMatrixAndRowsOfAWideOne() {
        assertThat(select(Orientation.MIN_AXIS, 1)).isEqualTo(selection(columns("u", U, 1), rows("v", V, 0)));
    }

    @Test
    void theShorterMaskTakesRowsOfASquareMatrix() {
        MatrixShape square = new MatrixShape(2, 2);
        Scores scores = scores("w", square, new double[] {1, 2}, new double[] {3, 0});

        assertThat(Grft.select(scores, Orientation.MIN_AXIS, new Budget.PerMatrix(1), 4))
                .isEqualTo(selection(rows("w", square, 1)));
    }

    @Test
    void autoTakesTheAxisWithTheLargerScorePerNumber() {
        // u: row 2.5 against column 7/3; v: row 2 against column 3.
        assertThat(select(Orientation.AUTO, 1)).isEqualTo(selection(rows("u", U, 0), columns("v", V, 1)));
    }

    @Test
    void autoComparesAllThePicksOfAnAxisNotTheFirst() {
        // k = 1: row 11 / 3 against column 6 / 2; k = 2: rows (11 + 1) / 6 against columns (6 + 3) / 4.
        MatrixShape y = new MatrixShape(2, 3);
        Scores scores = scores("y", y, new double[] {11, 1}, new double[] {6, 3, 3});

        assertThat(Grft.select(scores, Orientation.AUTO, new Budget.PerMatrix(1), 6))
                .isEqualTo(selection(rows("y", y, 0)));
        assertThat(Grft.select(scores, Orientation.AUTO, new Budget.PerMatrix(2), 6))
                .isEqualTo(selection(columns("y", y, 0, 1)));
    }

    @Test
    void autoTakesRowsOnATie() {
        MatrixShape square = new MatrixShape(2, 2);
        Scores scores = scores("w", square, new double[] {3, 1}, new double[] {1, 3});

        assertThat(Grft.select(scores, Orientation.AUTO, new Budget.PerMatrix(1), 4))
                .isEqualTo(selection(rows("w", square, 0)));
    }

    @Test
    void aShareIsSpentByScorePerNumberAcrossTheNetwork() {
        // 10 numbers: u0, u2 (2.5 each), v0 (2), then u1 before v1 (0.5 each).
        assertThat(Grft.select(SCORES, Orientation.ROW, new Budget.Share(0.5), 20))
                .isEqualTo(selection(rows("u", U, 0, 1, 2), rows("v", V, 0)));
    }

    @Test
    void withoutCountingLengthALongSliceWinsByItsSum() {
        // By sum v's row 0 (8, of 4 numbers) comes before u's rows 0 and 2 (5, of 2), whose scores per number are
        // larger.
        Budget six = new Budget.Share(0.3);
        assertThat(Grft.select(SCORES, Orientation.ROW, six, 20, Ranking.PER_PARAMETER))
                .isEqualTo(selection(rows("u", U, 0, 2)));
        assertThat(Grft.select(SCORES, Orientation.ROW, six, 20, Ranking.BY_SCORE))
                .isEqualTo(selection(rows("u", U, 0), rows("v", V, 0)));
        // v by sum: row 0 with 8 against column 1 with 6; per number 2 against 3.
        assertThat(Grft.select(SCORES, Orientation.AUTO, new Budget.PerMatrix(1), 14, Ranking.BY_SCORE))
                .isEqualTo(selection(columns("u", U, 1), rows("v", V, 0)));
    }

    @Test
    void aShareIsNoLongerSpentOnceASliceDoesNotFit() {
        // 7 numbers: u0 and u2 take 4; v0 needs 4 of the 3 left, and u1, which would fit, comes after it.
        assertThat(Grft.select(SCORES, Orientation.ROW, new Budget.Share(0.5), 14))
                .isEqualTo(selection(rows("u", U, 0, 2)));
    }

    @Test
    void matricesStayInNetworkOrderWhicheverScoresHighest() {
        Selection selection = Grft.select(SCORES, Orientation.COLUMN, new Budget.Share(0.5), 14);

        // v1 (3 per number), u1 (7/3), v2 (1.5): 2 + 3 + 2 numbers
        assertThat(selection).isEqualTo(selection(columns("u", U, 1), columns("v", V, 1, 2)));
        assertThat(selection.slices().keySet()).containsExactly("u", "v");
    }

    @Test
    void aShareTooSmallForASingleSliceIsRefused() {
        assertThatThrownBy(() -> Grft.select(SCORES, Orientation.ROW, new Budget.Share(0.1), 10))
                .isInstanceOf(UserError.class)
                .hasMessage("selection.budget.fraction: 0.1 of 10 parameters are 1, but the best slice, of u,"
                        + " has 2; raise the fraction");
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, -1})
    void aScoreThatCannotBeRankedIsRefusedWithItsPlace(double bad) {
        Scores scores = scores("u", U, new double[] {5, bad, 5}, new double[] {4, 7});

        assertThatThrownBy(() -> Grft.select(scores, Orientation.COLUMN, new Budget.PerMatrix(1), 6))
                .isInstanceOf(UserError.class)
                .hasMessage("scores: u row 1 has the score " + bad
                        + ", expected a finite number >= 0; look for NaN in the pretrained weights and the images, and at"
                        + " selection.score");
    }

    @Property
    void aSliceIsSelectedIfFewerThanKBeatIt(
            @ForAll("scores") Scores scores, @ForAll @IntRange(min = 1, max = 7) int k, @ForAll Axis axis) {
        Selection selection = Grft.select(scores, orientation(axis), new Budget.PerMatrix(k), 1000);

        scores.shapes().forEach((matrix, shape) -> {
            double[] s = scores.of(matrix, axis);
            List<Integer> expected = new ArrayList<>();
            for (int i = 0; i < s.length; i++) {
                int better = 0;
                for (int j = 0; j < s.length; j++) {
                    better += s[j] > s[i] || (s[j] == s[i] && j < i) ? 1 : 0;
                }
                if (better < k) {
                    expected.add(i);
                }
            }
            assertThat(boxed(selection.of(matrix))).isEqualTo(expected);
        });
    }

    @Property
    void aBudgetPerMatrixIsSpentExactly(
            @ForAll("scores") Scores scores,
            @ForAll @IntRange(min = 1, max = 7) int k,
            @ForAll Orientation orientation) {
        Selection selection = Grft.select(scores, orientation, new Budget.PerMatrix(k), 1000);

        assertThat(selection.slices().keySet())
                .containsExactlyElementsOf(scores.shapes().keySet());
        selection
                .slices()
                .values()
                .forEach(slices -> assertThat(slices.count())
                        .isEqualTo(Math.min(k, slices.axis().count(slices.shape()))));
    }

    @Property
    void aShareTakesTheBestSliceOverAndOverAsLongAsItFits(
            @ForAll("scores") Scores scores, @ForAll @IntRange(min = 6, max = 100) int percent, @ForAll Axis axis) {
        Budget.Share share = new Budget.Share(percent / 100.0);
        Selection selection = Grft.select(scores, orientation(axis), share, 100);

        Map<String, List<Integer>> expected = new LinkedHashMap<>();
        scores.shapes().keySet().forEach(matrix -> expected.put(matrix, new ArrayList<>()));
        for (long left = percent; ; ) {
            String best = null;
            int bestIndex = -1;
            double bestScore = -1;
            for (Map.Entry<String, MatrixShape> matrix : scores.shapes().entrySet()) {
                double[] s = scores.of(matrix.getKey(), axis);
                for (int i = 0; i < s.length; i++) {
                    double perNumber = s[i] / axis.length(matrix.getValue());
                    if (perNumber > bestScore
                            && !requireNonNull(expected.get(matrix.getKey())).contains(i)) {
                        best = matrix.getKey();
                        bestIndex = i;
                        bestScore = perNumber;
                    }
                }
            }
            int cost = best == null
                    ? Integer.MAX_VALUE
                    : axis.length(requireNonNull(scores.shapes().get(best)));
            if (cost > left) {
                break;
            }
            left -= cost;
            requireNonNull(expected.get(best)).add(bestIndex);
        }

        assertThat(selection.trained()).isLessThanOrEqualTo(percent);
        expected.forEach((matrix, indices) -> {
            List<Integer> actual = selection.trains(matrix) ? boxed(selection.of(matrix)) : List.of();
            assertThat(actual).isEqualTo(indices.stream().sorted().toList());
        });
    }

    @Property
    void aLargerShareContainsASmallerOne(
            @ForAll("scores") Scores scores,
            @ForAll @IntRange(min = 6, max = 100) int some,
            @ForAll @IntRange(min = 6, max = 100) int other) {
        Budget less = new Budget.Share(Math.min(some, other) / 100.0);
        Budget more = new Budget.Share(Math.max(some, other) / 100.0);

        Selection small = Grft.select(scores, Orientation.MIN_AXIS, less, 100);
        Selection large = Grft.select(scores, Orientation.MIN_AXIS, more, 100);

        small.slices()
                .forEach((matrix, slices) -> assertThat(boxed(large.of(matrix))).containsAll(boxed(slices)));
    }

    @Test
    void oneGradientStepOnTheSelectedRowsLowersASmoothLossAtLeastAsMuchAsOnAnyOthers() {
        // loss(W) = ||W - T||^2 / 2 is 1-smooth with gradient W - T, so that a step of eta on the rows S lowers it by
        // eta (1 - eta / 2) * sum over S of g^2: the bound in the class comment, with equality.
        MatrixShape shape = new MatrixShape(4, 2);
        double[][] g = {{1, -1}, {0, 3}, {-2, 2}, {0.5, 0}};
        double[] rows = Arrays.stream(g).mapToDouble(GrftTest::squares).toArray();
        assertThat(rows).containsExactly(2, 9, 8, 0.25);
        Scores scores = scores("w", shape, rows, new double[] {5.25, 14});
        double eta = 0.5;

        int[] selected = Grft.select(scores, Orientation.ROW, new Budget.PerMatrix(2), 8)
                .of("w")
                .indices();

        double gain = gain(g, selected, eta);
        assertThat(gain).isCloseTo(eta * (1 - eta / 2) * 17, within(1e-12));
        for (int i = 0; i < 4; i++) {
            for (int j = i + 1; j < 4; j++) {
                assertThat(gain).isGreaterThanOrEqualTo(gain(g, new int[] {i, j}, eta));
            }
        }
    }

    @Test
    void theScoreOfASliceIsItsSumOfSquaredGradients() {
        double[] gradient = {1, -2, 0.5, 3, 0, -1}; // [3, 2]

        assertThat(Grft.score(U, Axis.ROW, gradient)).containsExactly(5, 9.25, 1);
        assertThat(Grft.score(U, Axis.COLUMN, gradient)).containsExactly(1.25, 14);
    }

    @Test
    void thePenaltyIsLambdaTimesTheSquaredDistance() {
        assertThat(Grft.penalty(0.5, 3)).isEqualTo(4.5);
        assertThat(Grft.penalty(0, 3)).isZero();
    }

    @Test
    void thePenaltysSlopeIsItsDerivative() {
        double h = 1 / 256.0; // exact in binary: the central difference of a square is exact too
        double difference = (Grft.penalty(0.25, 3 + h) - Grft.penalty(0.25, 3 - h)) / (2 * h);

        assertThat(Grft.penaltySlope(0.25) * 3).isEqualTo(1.5).isEqualTo(difference);
    }

    /** Scores 0 to 5, whole-numbered, so that ties are common, of three matrices of 64 numbers together. */
    @Provide
    Arbitrary<Scores> scores() {
        Arbitrary<double[]> sums = Arbitraries.integers()
                .between(0, 5)
                .map(i -> (double) i)
                .array(double[].class)
                .ofSize(28);
        return sums.map(s -> scores(
                "p",
                new MatrixShape(6, 4),
                Arrays.copyOfRange(s, 0, 6),
                Arrays.copyOfRange(s, 6, 10),
                "q",
                new MatrixShape(4, 6),
                Arrays.copyOfRange(s, 10, 14),
                Arrays.copyOfRange(s, 14, 20),
                "r",
                new MatrixShape(4, 4),
                Arrays.copyOfRange(s, 20, 24),
                Arrays.copyOfRange(s, 24, 28)));
    }

    private static Selection select(Orientation orientation, int count) {
        return Grft.select(SCORES, orientation, new Budget.PerMatrix(count), 14);
    }

    /** Returns scores of matrices given as name, shape, row scores, column scores, name, and so on. */
    private static Scores scores(Object... parts) {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        for (int i = 0; i < parts.length; i += 4) {
            shapes.put((String) parts[i], (MatrixShape) parts[i + 1]);
        }
        Scores scores = Scores.zero(shapes);
        for (int i = 0; i < parts.length; i += 4) {
            scores.add((String) parts[i], (double[]) parts[i + 2], (double[]) parts[i + 3]);
        }
        return scores;
    }

    private static Selection selection(Slices... slices) {
        return new Selection(List.of(slices));
    }

    private static Slices rows(String matrix, MatrixShape shape, int... indices) {
        return new Slices(matrix, shape, Axis.ROW, indices);
    }

    private static Slices columns(String matrix, MatrixShape shape, int... indices) {
        return new Slices(matrix, shape, Axis.COLUMN, indices);
    }

    private static Orientation orientation(Axis axis) {
        return axis == Axis.ROW ? Orientation.ROW : Orientation.COLUMN;
    }

    private static List<Integer> boxed(Slices slices) {
        return Arrays.stream(slices.indices()).boxed().toList();
    }

    private static double squares(double[] row) {
        return Arrays.stream(row).map(x -> x * x).sum();
    }

    /** Returns how much the loss falls when these rows take a step: each of their differences shrinks by 1 - eta. */
    private static double gain(double[][] g, int[] rows, double eta) {
        double before = 0;
        double after = 0;
        for (int row : rows) {
            before += squares(g[row]) / 2;
            after += squares(Arrays.stream(g[row]).map(x -> x - eta * x).toArray()) / 2;
        }
        return before - after;
    }
}
