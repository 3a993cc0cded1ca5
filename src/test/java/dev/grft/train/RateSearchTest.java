package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Objects;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class RateSearchTest {
    /** Returns the search over losses of a learning rate's exponent of ten. */
    private static RateSearch search(DoubleUnaryOperator loss) {
        RateSearch.Rising rates = new RateSearch.Rising(RateSearch.LOW, 1, RateSearch.STEPS);
        RateSearch search = new RateSearch();
        for (int step = 0; step < RateSearch.STEPS && !search.isOver(); step++) {
            double rate = rates.valueAt(step, 0);
            search.add(rate, loss.applyAsDouble(Math.log10(rate)));
        }
        return search;
    }

    @Test
    void theLearningRateGrowsByTheSameFactorFromStepToStep() {
        RateSearch.Rising rates = new RateSearch.Rising(1e-6, 1, 7);
        for (int step = 0; step < 7; step++) {
            assertThat(rates.valueAt(step, 0) / Math.pow(10, step - 6)).isBetween(1 - 1e-12, 1 + 1e-12);
        }
        assertThat(rates.clone()).isEqualTo(rates).hasSameHashCodeAs(rates);
    }

    @Test
    void theSuggestionIsWhereTheLossFallsFastest() {
        Random random = new Random(1);
        RateSearch search = search(
                x -> 2.3 - 1.5 / (1 + Math.exp(-4 * (x + 3.5))) + Math.exp(6 * (x + 1)) + 0.1 * random.nextGaussian());

        RateSearch.Found found = Objects.requireNonNull(search.found());

        assertThat(Math.log10(found.steepest())).isBetween(-4.0, -3.0);
        assertThat(Math.log10(found.blowsUp())).isBetween(-1.4, -0.6);
        assertThat(found.suggested()).isEqualTo(Double.parseDouble(String.format("%.1e", found.steepest())));
        assertThat(search.losses().size()).as("it ends when the loss is large").isLessThan(RateSearch.STEPS);
    }

    @Test
    void theSuggestionIsATenthOfWhereTheLossIsLargeAgainAtMost() {
        RateSearch search = search(x -> 2.3 - 2 / (1 + Math.exp(-12 * (x + 2))) + Math.exp(9 * (x + 1.7)));

        RateSearch.Found found = Objects.requireNonNull(search.found());

        assertThat(found.suggested()).isLessThan(0.11 * found.blowsUp()).isLessThan(found.steepest());
    }

    @Test
    void ofALossThatNeverFallsNothingIsSuggested() {
        assertThat(search(x -> 2 + Math.exp(x)).found()).isNull();
        assertThat(search(x -> Double.NaN).found()).isNull();
        assertThat(search(x -> 2 - x).found().blowsUp()).isInfinite();
    }
}
