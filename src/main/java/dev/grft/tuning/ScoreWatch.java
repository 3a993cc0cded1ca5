package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Buffers;
import dev.grft.vit.Trainable;
import dev.grft.vit.Watching;
import dev.grft.vit.kernels.Kernels;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.INDArrayIndex;
import org.nd4j.linalg.indexing.NDArrayIndex;

/**
 * Watches the gradients of the eligible matrices go by and sums what makes a score of them; trains nothing. One for each
 * network.
 *
 * <p>The sums stay on the device until {@link #scores} asks for them.
 */
public final class ScoreWatch implements Trainable {
    /** What is summed over the examples; different scores. */
    public enum Rule {
        /** The squares of each example's gradient: does not depend on how examples are dealt out. */
        EXAMPLE,
        /** The squares of each batch's gradient: depends on the batches. */
        BATCH,
        /** The square of the sum over all examples, as GPS does: needs the dense gradients summed first, see {@link #summed}. */
        SUM,
        /**
         * The absolute values of each example's gradient: what a step of equal size in every coordinate, such as Adam's
         * first ones, gains to first order. Differs from the paper.
         */
        ABSOLUTE,
        /**
         * The squares of each example's gradient times weight, {@code (g w)^2}: Taylor importance as in pruning (Molchanov et
         * al. 2019, arXiv 1906.10771), there of each batch. Differs from the paper.
         */
        WEIGHT
    }

    private final Map<String, MatrixShape> eligible;
    private final Function<String, INDArray> weights;
    private final Rule rule;
    private final Map<String, Watched> watched = new LinkedHashMap<>();
    private long examples;

    /**
     * Returns the watch of these matrices, by timm name in network order.
     *
     * @param weights the pretrained values of a matrix, {@code [out, in]}; asked for by {@link Rule#WEIGHT} only
     */
    public ScoreWatch(Map<String, MatrixShape> eligible, Rule rule, Function<String, INDArray> weights) {
        this.weights = weights;
        this.eligible = eligible;
        this.rule = rule;
    }

    @Override
    public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
        if (!eligible.containsKey(matrix)) {
            return null;
        }
        Watched one = new Watched(shape, rule == Rule.WEIGHT ? weights.apply(matrix) : null);
        watched.put(matrix, one);
        return one;
    }

    /** The head is bound, not trained: it is the fresh one, not the checkpoint's. */
    @Override
    public boolean whole(String parameter) {
        return parameter.equals(Delta.HEAD_WEIGHT) || parameter.equals(Delta.HEAD_BIAS);
    }

    /** Counts examples whose backward has run. */
    public void countExamples(long n) {
        examples += n;
    }

    /**
     * Returns the sums so far.
     *
     * @throws IllegalStateException under {@link Rule#SUM}
     */
    public Scores scores() {
        if (rule == Rule.SUM) {
            throw new IllegalStateException("the summed gradient is squared after all parts are summed");
        }
        Scores scores = Scores.zero(eligible);
        watched.forEach((matrix, one) -> scores.add(
                matrix, one.rows.data().asDouble(), one.columns.data().asDouble()));
        scores.countExamples(examples);
        return scores;
    }

    /** Returns the gradient of each matrix, {@code [out, in]} row-major, summed over the examples: {@link Rule#SUM}. */
    public Map<String, float[]> summed() {
        Map<String, float[]> sums = new LinkedHashMap<>();
        watched.forEach((matrix, one) -> {
            if (one.sum != null) {
                sums.put(matrix, one.sum.data().asFloat());
            }
        });
        return sums;
    }

    private final class Watched implements Watching {
        private final MatrixShape shape;
        private final INDArray rows; // [out], DOUBLE
        private final INDArray columns; // [in], DOUBLE
        private final @Nullable INDArray weight; // [out, in]
        private @Nullable INDArray sum; // [out, in]

        Watched(MatrixShape shape, @Nullable INDArray weight) {
            this.shape = shape;
            this.weight = weight;
            this.rows = Nd4j.zeros(DataType.DOUBLE, shape.out());
            this.columns = Nd4j.zeros(DataType.DOUBLE, shape.in());
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int count) {
            switch (rule) {
                case EXAMPLE -> kernels.addSquaredGradients(dy, x, count, rows, columns);
                case BATCH -> {
                    INDArray g = buffers.shared("batchGradient", shape.out(), shape.in());
                    kernels.gemm(true, dy, false, x, 1, 0, g);
                    kernels.addSquares(g, rows, columns);
                }
                case SUM -> {
                    if (sum == null) {
                        sum = Nd4j.zeros(buffers.type(), shape.out(), shape.in());
                    }
                    kernels.gemm(true, dy, false, x, 1, 1, sum);
                }
                case ABSOLUTE, WEIGHT -> {
                    INDArray g = buffers.shared("exampleGradient", shape.out(), shape.in());
                    long tokens = dy.size(0) / count;
                    for (int b = 0; b < count; b++) {
                        INDArrayIndex ofExample = NDArrayIndex.interval(b * tokens, (b + 1) * tokens);
                        kernels.gemm(
                                true,
                                dy.get(ofExample, NDArrayIndex.all()),
                                false,
                                x.get(ofExample, NDArrayIndex.all()),
                                1,
                                0,
                                g);
                        if (weight == null) {
                            kernels.addAbsolutes(g, rows, columns);
                        } else {
                            kernels.multiply(weight, g);
                            kernels.addSquares(g, rows, columns);
                        }
                    }
                }
            }
        }
    }
}
