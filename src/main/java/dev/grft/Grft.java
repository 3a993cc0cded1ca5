package dev.grft;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Fine-tuning by whole rows or columns of the weight matrices: arXiv 2507.00016.
 *
 * <h2>The method</h2>
 *
 * <p><b>Score.</b> Show the pretrained network {@code theta0}, with a fresh head, the training examples. Let
 * {@code g} be the gradient of the loss of one example with respect to a weight matrix {@code W [out, in]}. Its row i has the
 * score {@code sum_j g[i,j]^2}, its column j the score {@code sum_i g[i,j]^2} ({@link #score}), summed over the examples
 * ({@link Scores}). {@code selection.score} has alternatives.
 *
 * <p><b>Selection.</b> Per matrix, keep the k slices of largest score ({@link #select}). This happens once; the
 * selection does not change during training. It takes k indices per matrix to write down, where a mask of single
 * weights takes as many entries as the matrix has.
 *
 * <p><b>Training.</b> Minimize the loss over the numbers in the selected slices and the head; everything else is
 * frozen, to the bit. For a layer {@code Y = X W^T} the gradient of rows R is {@code dY[:,R]^T X}, that of columns C
 * is {@code dY^T X[:,C]}: small dense products, for which columns need keep no more of X than {@code X[:,C]}.
 *
 * <p><b>Penalty.</b> Add {@code lambda * ||theta - theta0||^2} over the selected slices in the last L blocks, and a
 * pull on the head ({@link #penalty}; {@link Penalty} has the strength of each parameter).
 *
 * <p><b>Result.</b> The indices, the differences to the pretrained values and the head ({@link Delta}). Added to the
 * pretrained weights they leave a plain network that costs nothing extra to run.
 *
 * <h2>Why the largest squared gradients</h2>
 *
 * <p>Let the loss be M-smooth and take one gradient step of size {@code eta} on the coordinates S alone. Then
 *
 * <pre>  loss(theta0) - loss(theta1) &gt;= eta * (1 - M * eta / 2) * sum over S of g^2</pre>
 *
 * <p>so among all unions of k slices of the same length, those of largest score have the best guarantee. It
 * guarantees no more than that:
 *
 * <ul>
 *   <li>{@code g} is the gradient of the whole loss. A sum of squares per example or per batch also contains the
 *       variance of the gradient: {@code E||g_b||^2 = ||g||^2 + tr Var(g_b)}.
 *   <li>Slices of different length buy different numbers of parameters. Where they compete for one budget, they are
 *       ranked by score per parameter, unless set otherwise.
 *   <li>Adam's first steps are closer to sign steps, whose first-order gain is {@code eta * sum |g|}, another score
 *       ({@code selection.score: absolute}).
 *   <li>It speaks of one step. Compare with {@link Selection#random}.
 * </ul>
 *
 * <h2>What is known and what is inferred</h2>
 *
 * <p>The full text of the paper is on arXiv; only its abstract was at hand. The unit, the score and the pull toward the pretrained model are
 * in the abstract. That the selection is made once, that the orientation is fixed, that k is a setting and that the
 * penalty is an L2 distance on the last L layers and the head, is in the public reviews of the resubmission "From
 * Sparse to Structured" (OpenReview 9nOpFdYJez). Inferred, hence open to configuration: which axis and which k (see
 * {@link Preset}), whose gradients are squared, the loss that is scored, the matrices that take part, lambda, L and
 * the squared norm. Budgets over the whole network, {@link Orientation#AUTO}, other scores than
 * squares and selecting again during the training differ from the paper. The argument
 * above is not quoted either: the reviews only mention a first-order Taylor expansion.
 */
public final class Grft {

    private Grft() {}

    /**
     * Returns the score of every slice of a matrix along an axis: the sum of its squared gradients.
     *
     * <p>{@code selection.score} says whose gradients. Those of single examples are never made as a whole: the kernels compute the same
     * sums from a layer's inputs and the gradients of its outputs.
     *
     * @param gradient {@code [out, in]} row-major
     * @return {@code [axis.count(shape)]}
     */
    public static double[] score(MatrixShape shape, Axis axis, double[] gradient) {
        double[] scores = new double[axis.count(shape)];
        for (int i = 0; i < gradient.length; i++) {
            scores[axis.index(shape, i)] += gradient[i] * gradient[i];
        }
        return scores;
    }

    /** Returns the selection in which slices of different length compete by score per parameter. */
    public static Selection select(Scores scores, Orientation orientation, Budget budget, long backboneParameters) {
        return select(scores, orientation, budget, backboneParameters, Ranking.PER_PARAMETER);
    }

    /**
     * Returns the slices of largest score that the budget allows; every tie goes to the earlier matrix, then to the
     * lower index.
     *
     * <p>{@link Budget.PerMatrix} takes the best k of each matrix. {@link Budget.Share} takes slices of all matrices
     * by falling merit and stops before the first that does not fit, even if a shorter one still would: on
     * given axes, a larger share then always contains a smaller one.
     *
     * @param backboneParameters the number of parameters without the head, of which {@link Budget.Share} is a share
     * @param ranking what slices of different length compete by
     * @throws UserError if a score is NaN, infinite or negative, or if not even one slice fits the share
     */
    public static Selection select(
            Scores scores, Orientation orientation, Budget budget, long backboneParameters, Ranking ranking) {
        scores.requireRankable();
        List<List<Candidate>> matrices = new ArrayList<>();
        for (String matrix : scores.shapes().keySet()) {
            matrices.add(contenders(
                    scores,
                    matrix,
                    orientation,
                    slices -> meanMerit(top(budget.picks(slices.size()), slices), ranking)));
        }
        List<Candidate> picks = new ArrayList<>();
        if (budget instanceof Budget.PerMatrix k) {
            // The paper: the top k slices of each matrix.
            matrices.forEach(slices -> picks.addAll(top(k.picks(slices.size()), slices)));
        } else {
            picks.addAll(affordable(matrices, (Budget.Share) budget, backboneParameters, ranking));
        }
        return selection(scores.shapes().keySet(), picks);
    }

    /** A slice that could be trained, and its score. */
    private record Candidate(String matrix, MatrixShape shape, Axis axis, int index, double score) {
        int length() {
            return axis.length(shape);
        }

        double merit(Ranking ranking) {
            return ranking.merit(score, length());
        }
    }

    /**
     * Returns all the slices of one matrix along the axis that the orientation gives it, by index.
     *
     * @param merit by which {@link Orientation#AUTO} compares the slices of the two axes
     */
    private static List<Candidate> contenders(
            Scores scores, String matrix, Orientation orientation, ToDoubleFunction<List<Candidate>> merit) {
        List<Candidate> rows = candidates(scores, matrix, Axis.ROW);
        List<Candidate> columns = candidates(scores, matrix, Axis.COLUMN);
        boolean byRow = switch (orientation) {
            case ROW -> true;
            case COLUMN -> false;
            case MIN_AXIS -> rows.size() <= columns.size();
            case AUTO -> merit.applyAsDouble(rows) >= merit.applyAsDouble(columns);
        };
        return byRow ? rows : columns;
    }

    private static List<Candidate> candidates(Scores scores, String matrix, Axis axis) {
        MatrixShape shape = scores.shape(matrix);
        double[] sums = scores.of(matrix, axis);
        return IntStream.range(0, sums.length)
                .mapToObj(i -> new Candidate(matrix, shape, axis, i, sums[i]))
                .toList();
    }

    private static double meanMerit(List<Candidate> slices, Ranking ranking) {
        return slices.stream()
                .mapToDouble(slice -> slice.merit(ranking))
                .average()
                .orElseThrow();
    }

    /** Returns the k slices of largest score. */
    private static List<Candidate> top(int k, List<Candidate> slices) {
        return ranked(slices, Candidate::score).subList(0, k);
    }

    /** Returns the slices by falling merit; the sort is stable, so ties keep their order. */
    private static List<Candidate> ranked(List<Candidate> slices, ToDoubleFunction<Candidate> merit) {
        return slices.stream()
                .sorted(Comparator.comparingDouble(merit).reversed())
                .toList();
    }

    /** Returns the slices of the whole network that a share of its parameters buys. Differs from the paper. */
    private static List<Candidate> affordable(
            List<List<Candidate>> matrices, Budget.Share share, long backboneParameters, Ranking ranking) {
        List<Candidate> slices = matrices.stream().flatMap(List::stream).toList();
        List<Candidate> picks = new ArrayList<>();
        long numbers = share.numbers(backboneParameters);
        long left = numbers;
        for (Candidate slice : ranked(slices, one -> one.merit(ranking))) {
            if (slice.length() > left) {
                if (picks.isEmpty()) {
                    throw UserError.of(
                            "selection.budget.fraction: %s of %d parameters are %d, but the best slice, of %s,"
                                    + " has %d; raise the fraction",
                            share.fraction(), backboneParameters, numbers, slice.matrix(), slice.length());
                }
                break;
            }
            left -= slice.length();
            picks.add(slice);
        }
        return picks;
    }

    /** Returns the picks by matrix, in the order of the matrices. */
    private static Selection selection(Set<String> matrices, List<Candidate> picks) {
        Map<String, List<Candidate>> byMatrix = picks.stream().collect(Collectors.groupingBy(Candidate::matrix));
        return new Selection(matrices.stream()
                .map(byMatrix::get)
                .filter(Objects::nonNull)
                .map(Grft::together)
                .toList());
    }

    private static Slices together(List<Candidate> picks) {
        Candidate any = picks.get(0);
        int[] indices = picks.stream().mapToInt(Candidate::index).sorted().toArray();
        return new Slices(any.matrix(), any.shape(), any.axis(), indices);
    }

    /**
     * Returns {@code lambda * ||theta - theta0||^2}, what the penalty adds to the loss for some parameters.
     *
     * @param lambda strength for these parameters, see {@link Penalty#strength}
     * @param distance {@code ||theta - theta0||}, the L2 distance to their pretrained values; of the head, to 0
     */
    public static double penalty(double lambda, double distance) {
        return lambda * distance * distance;
    }

    /**
     * Returns the factor of {@code theta - theta0} in the gradient of {@link #penalty}: {@code 2 * lambda}.
     *
     * @param lambda strength for these parameters
     */
    public static double penaltySlope(double lambda) {
        return 2 * lambda;
    }
}
