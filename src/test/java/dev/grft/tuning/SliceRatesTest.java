package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Two matrices: rows of one, columns of the other. */
class SliceRatesTest {
    private static final MatrixShape WIDE = new MatrixShape(5, 2);
    private static final MatrixShape TALL = new MatrixShape(4, 2);
    private static final Selection SELECTION = new Selection(
            List.of(new Slices("a", WIDE, Axis.ROW, 0, 1, 3, 4), new Slices("b", TALL, Axis.COLUMN, 0, 1)));

    private static Scores scores(double... rows) {
        Scores scores = Scores.zero(Map.of("a", WIDE, "b", TALL));
        scores.add("a", rows, new double[] {1, 1});
        scores.add("b", new double[4], new double[] {4, 0});
        return scores;
    }

    @Test
    void theFactorIsTheRootOfTheMedianScoreOfTheMatrixOverTheSlicesOwn() {
        Map<String, List<Double>> factors = SliceRates.byScore(SELECTION, scores(8, 2, 5, 0.5, 200));
        // Row 2 of a, the median, is not selected. Of b's columns, 4 and 0, it is 2; a slice without gradients takes
        // the largest factor.
        assertThat(factors.get("a"))
                .containsExactly(Math.sqrt(5 / 8.0), Math.sqrt(2.5), Math.sqrt(10), Math.sqrt(0.025));
        assertThat(factors.get("b")).containsExactly(Math.sqrt(0.5), 10.0);
    }

    @Test
    void factorsAreAtLeastATenthAndAtMostTenAndOneWhereNoScoreIsAboveZero() {
        assertThat(SliceRates.byScore(SELECTION, scores(1, 1, 1, 1e-3, 1e3)).get("a"))
                .containsExactly(1.0, 1.0, 10.0, 0.1);
        assertThat(SliceRates.byScore(SELECTION, scores(0, 0, 0, 0, 0)).get("a"))
                .containsOnly(1.0);
    }

    @Test
    void theFactorsLieWithTheSlicesOfTheirMatrix() {
        Selection selection = Tiny.selection("row");
        String matrix = selection.slices().keySet().iterator().next();
        int count = selection.of(matrix).count();
        List<Double> factors = Collections.nCopies(count, 0.5);
        Layout layout = new SliceTuning(selection, false, Map.of(matrix, factors)).layout(Tiny.CONFIG);
        for (TrainedArray array : layout.arrays().values()) {
            assertThat(array.rates())
                    .as(array.name())
                    .isEqualTo(array.name().equals(matrix + ".rows") ? factors : List.of());
        }
    }
}
