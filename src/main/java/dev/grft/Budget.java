package dev.grft;

import java.io.Serializable;
import java.math.BigDecimal;

/** How much may be trained, the head aside. */
public sealed interface Budget extends Serializable permits Budget.PerMatrix, Budget.Share {

    /**
     * Returns how many of a matrix's {@code slices} slices this budget takes, or would take if it were spent on that
     * matrix alone; at least 1. This is the number of picks by which {@link Orientation#AUTO} compares two axes.
     */
    int picks(int slices);

    /**
     * The same number of slices in every matrix, the paper's k; all of them in a matrix that has fewer.
     *
     * @param count k, at least 1
     */
    record PerMatrix(int count) implements Budget {
        public PerMatrix {
            if (count < 1) {
                throw UserError.of("selection.budget.count must be at least 1, got %d", count);
            }
        }

        @Override
        public int picks(int slices) {
            return Math.min(count, slices);
        }
    }

    /**
     * A share of the backbone's parameters, spent over the whole network on the slices with the largest score per
     * number. Differs from the paper as far as it is known, which counts k per matrix.
     *
     * @param fraction in (0, 1]
     */
    record Share(double fraction) implements Budget {
        public Share {
            if (!(fraction > 0 && fraction <= 1)) {
                throw UserError.of("selection.budget.fraction must be in (0, 1], got %s", fraction);
            }
        }

        @Override
        public int picks(int slices) {
            return Math.max(1, (int) numbers(slices));
        }

        /** Returns this share of {@code parameters}, rounded down: the largest number of trained parameters within it. */
        public long numbers(long parameters) {
            // In decimal: as a double 0.29 * 100 is just below 29.
            return BigDecimal.valueOf(fraction)
                    .multiply(BigDecimal.valueOf(parameters))
                    .longValue();
        }
    }
}
