package dev.grft.tuning;

import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.vit.kernels.Array;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The scores of this program. Let {@code g_b} be the gradient of the loss of example b with respect to W {@code [out, in]}. Most constants
 * are a matrix {@code [out, in]} made of these gradients, entry by entry: row i has the sum of the matrix's row i, column j the sum of its
 * column j. They are different scores.
 */
public enum BuiltInScore implements Score {
    /** {@code sum_b g_b^2}. The default: it does not depend on how the examples are divided. */
    PER_EXAMPLE {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            addSquares(seen, rows, columns);
        }
    },

    /** {@code sum over batches of (sum_b g_b)^2}: depends on the batches. */
    PER_BATCH {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            seen.kernels().addSquares(seen.gradient(), rows, columns);
        }
    },

    /** {@code (sum_b g_b)^2} over all examples, as in GPS: the dense gradients are summed first, and nothing here is called. */
    SUMMED_GRADIENT {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            throw new IllegalStateException("the summed gradient is squared after all parts are summed");
        }
    },

    /**
     * {@code sum_b |g_b|}: the first-order gain of a step of equal size in every coordinate, such as Adam's first ones. Differs
     * from the paper.
     */
    ABSOLUTE {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            seen.eachGradient(g -> seen.kernels().addAbsolutes(g, rows, columns));
        }
    },

    /**
     * {@code sum_b (g_b W)^2}: Taylor importance as in pruning (Molchanov et al. 2019, arXiv 1906.10771), there of each batch.
     * Differs from the paper.
     */
    GRADIENT_WEIGHT {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            seen.eachGradient(g -> {
                seen.kernels().multiply(seen.weight(), g);
                seen.kernels().addSquares(g, rows, columns);
            });
        }
    },

    /**
     * {@code sum_b g_b^2} of the slice, divided by its {@code sum W^2}, times its length (after GEM, arXiv 2508.16191).
     * GEM divides entry by entry. The few weights nearest to 0 dominate a sum of such quotients, so here the sums are
     * divided. With the factor, the score per parameter is the quotient itself. Differs from the paper.
     */
    RELATIVE_GRADIENT {
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            addSquares(seen, rows, columns);
        }

        @Override
        public void finish(MatrixShape shape, Supplier<float[]> weight, double[] rows, double[] columns) {
            double[] ofRows = new double[rows.length];
            double[] ofColumns = new double[columns.length];
            float[] w = weight.get();
            for (int i = 0; i < w.length; i++) {
                double square = (double) w[i] * w[i];
                ofRows[Axis.ROW.index(shape, i)] += square;
                ofColumns[Axis.COLUMN.index(shape, i)] += square;
            }
            divide(rows, ofRows, shape.in());
            divide(columns, ofColumns, shape.out());
        }
    },

    /**
     * {@code |W[i,j]| sqrt(sum of x[t,j]^2)} over the tokens t of all examples, as Wanda (arXiv 2306.11695) and FPS (arXiv 2510.27359) rank
     * single weights: a forward, no loss and no labels. Differs from the paper.
     */
    WEIGHT_ACTIVATION {
        @Override
        public Pass pass() {
            return Pass.ACTIVATIONS;
        }

        /** Sums the squares of the inputs for the columns; rows have none before the end. */
        @Override
        public void add(Seen seen, Array rows, Array columns) {
            Array squares = seen.buffers().shared("squares", seen.shape().in());
            seen.kernels().columnDots(seen.x(), seen.x(), squares);
            seen.kernels().addToSums(squares, columns);
        }

        @Override
        public void finish(MatrixShape shape, Supplier<float[]> weight, double[] rows, double[] columns) {
            double[] norms = Arrays.stream(columns).map(Math::sqrt).toArray();
            Arrays.fill(rows, 0);
            Arrays.fill(columns, 0);
            float[] w = weight.get();
            for (int i = 0; i < w.length; i++) {
                int column = Axis.COLUMN.index(shape, i);
                double score = Math.abs(w[i]) * norms[column];
                rows[Axis.ROW.index(shape, i)] += score;
                columns[column] += score;
            }
        }
    },

    /**
     * {@code sum_b g_b^2} with a class drawn from the model's own probabilities in place of the label: an estimate of the diagonal of the
     * Fisher information, where {@link #PER_EXAMPLE} is the empirical one (Kunstner et al. 2019, arXiv 1905.12558). Differs from the paper.
     */
    FISHER {
        @Override
        public Pass pass() {
            return Pass.SAMPLED_GRADIENTS;
        }

        @Override
        public void add(Seen seen, Array rows, Array columns) {
            addSquares(seen, rows, columns);
        }
    };

    /** Returns the constant of a word, or null. */
    public static @Nullable BuiltInScore find(String word) {
        return Arrays.stream(values())
                .filter(score -> score.word().equals(word))
                .findFirst()
                .orElse(null);
    }

    /** Returns whether it is a sum of squares of the loss's gradient, whose root is proportional to the gradient. */
    public boolean sumsSquares() {
        return this == PER_EXAMPLE || this == PER_BATCH || this == SUMMED_GRADIENT;
    }

    /** Returns the configuration's word, such as {@code per-example}. */
    @Override
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    @Override
    public String toString() {
        return word();
    }

    private static void addSquares(Score.Seen seen, Array rows, Array columns) {
        seen.kernels().addSquaredGradients(seen.outputGradient(), seen.x(), seen.examples(), rows, columns);
    }

    private static void divide(double[] sums, double[] by, int length) {
        for (int i = 0; i < sums.length; i++) {
            sums[i] = length * sums[i] / (by[i] + 1e-12); // a slice of zeros is finite
        }
    }
}
