package dev.grft.tuning;

import dev.grft.Budget;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.vit.VitConfig;
import java.util.function.BiFunction;

/** The slices of a network's last encoder blocks alone. */
public final class LastBlocks {
    private LastBlocks() {}

    /**
     * Returns a selection in the last blocks, of as many parameters as one in all matrices, or nearly.
     *
     * @param scores of all matrices
     * @param first index of the first of these blocks
     * @param budget of all matrices; k slices of each become more, where there are fewer matrices
     * @param numbers that a selection in all matrices trains
     * @param select selects by scores within a budget
     */
    public static Selection of(
            Scores scores, int first, Budget budget, long numbers, BiFunction<Scores, Budget, Selection> select) {
        Scores last = scores.only(matrix -> VitConfig.block(matrix) >= first);
        if (!(budget instanceof Budget.PerMatrix)) {
            return select.apply(last, budget);
        }
        long ofOne = select.apply(last, new Budget.PerMatrix(1)).trained();
        return select.apply(last, new Budget.PerMatrix(Math.toIntExact(Math.max(1, numbers / ofOne))));
    }
}
