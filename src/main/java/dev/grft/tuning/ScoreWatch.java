package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Score;
import dev.grft.Scores;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Buffers;
import dev.grft.vit.Trainable;
import dev.grft.vit.Watching;
import dev.grft.vit.kernels.Flat;
import dev.grft.vit.kernels.Freed;
import dev.grft.vit.kernels.Kernels;
import java.util.LinkedHashMap;
import java.util.List;
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
public final class ScoreWatch implements Trainable, AutoCloseable {
    private final Map<String, MatrixShape> eligible;
    private final Function<String, INDArray> weights;
    private final Score score;
    private final Map<String, Watched> watched = new LinkedHashMap<>();
    private long examples;

    /**
     * Returns the watch of these matrices, by timm name in network order.
     *
     * @param weights the pretrained values of a matrix, {@code [out, in]}; read for {@link Score#GRADIENT_WEIGHT} only
     */
    public ScoreWatch(Map<String, MatrixShape> eligible, Score score, Function<String, INDArray> weights) {
        this.weights = weights;
        this.eligible = eligible;
        this.score = score;
    }

    @Override
    public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
        if (!eligible.containsKey(matrix)) {
            return null;
        }
        Watched one = new Watched(shape, score == Score.GRADIENT_WEIGHT ? weights.apply(matrix) : null);
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
     * @throws IllegalStateException under {@link Score#SUMMED_GRADIENT}
     */
    public Scores scores() {
        if (score == Score.SUMMED_GRADIENT) {
            throw new IllegalStateException("the summed gradient is squared after all parts are summed");
        }
        Scores scores = Scores.zero(eligible);
        watched.forEach((matrix, one) -> scores.add(
                matrix, one.rows.data().asDouble(), one.columns.data().asDouble()));
        scores.countExamples(examples);
        return scores;
    }

    /** Begins again with sums of 0. */
    public void clear() {
        watched.values().forEach(one -> {
            one.rows.assign(0);
            one.columns.assign(0);
            one.sum = null;
        });
        examples = 0;
    }

    /** Returns the gradient of each matrix, {@code [out, in]} row-major, summed over the examples: {@link Score#SUMMED_GRADIENT}. */
    public Map<String, float[]> summed() {
        Map<String, float[]> sums = new LinkedHashMap<>();
        watched.forEach((matrix, one) -> {
            if (one.sum != null) {
                sums.put(matrix, one.sum.data().asFloat());
            }
        });
        return sums;
    }

    /**
     * Begins with the sum of a matrix over earlier examples, as {@link #summed} has returned it, in place of 0.
     *
     * @param sum {@code [out, in]} row-major
     * @param type of the gradients
     */
    public void begin(String matrix, float[] sum, DataType type) {
        Watched one = watched.get(matrix);
        if (one == null || score != Score.SUMMED_GRADIENT) {
            throw new IllegalStateException("no gradient of " + matrix + " is summed for the score " + score);
        }
        one.sum = Flat.array(sum, type, one.shape.out(), one.shape.in());
    }

    /** Frees the sums. */
    @Override
    public void close() {
        watched.values().forEach(Watched::close);
        watched.clear();
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

        void close() {
            Freed.arrays(List.of(rows, columns));
            Freed.array(sum);
            sum = null;
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int count) {
            switch (score) {
                case PER_EXAMPLE -> kernels.addSquaredGradients(dy, x, count, rows, columns);
                case PER_BATCH -> {
                    INDArray g = buffers.shared("batchGradient", shape.out(), shape.in());
                    kernels.gemm(true, dy, false, x, 1, 0, g);
                    kernels.addSquares(g, rows, columns);
                }
                case SUMMED_GRADIENT -> {
                    if (sum == null) {
                        sum = Nd4j.zeros(buffers.type(), shape.out(), shape.in());
                    }
                    kernels.gemm(true, dy, false, x, 1, 1, sum);
                }
                case ABSOLUTE, GRADIENT_WEIGHT -> {
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
