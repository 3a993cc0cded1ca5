package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Bindings;
import dev.grft.vit.Buffers;
import dev.grft.vit.Kernels;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.TrainingPlan;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * Watches the gradients of the eligible matrices go by and sums their squares; trains nothing. One for each network.
 *
 * <p>The sums stay on the device until {@link #scores} asks for them.
 */
public final class ScoreWatch implements TrainingPlan {
    /** Whose gradients are squared; three different scores. */
    public enum Square {
        /** Each example's, the squares summed: does not depend on how examples are dealt out. */
        EXAMPLE,
        /** Each batch's sum, the squares summed: depends on the batches. */
        BATCH,
        /** The sum over all examples, as GPS does: needs the dense gradients summed first, see {@link #summed}. */
        SUM
    }

    private final Map<String, MatrixShape> eligible;
    private final Square square;
    private final Map<String, Watched> watched = new LinkedHashMap<>();
    private long examples;

    /** Returns the watch of these matrices, by timm name in network order. */
    public ScoreWatch(Map<String, MatrixShape> eligible, Square square) {
        this.eligible = eligible;
        this.square = square;
    }

    @Override
    public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
        if (!eligible.containsKey(matrix)) {
            return null;
        }
        Watched one = new Watched(shape);
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
     * @throws IllegalStateException under {@link Square#SUM}
     */
    public Scores scores() {
        if (square == Square.SUM) {
            throw new IllegalStateException("the summed gradient is squared after all parts are summed");
        }
        Scores scores = Scores.zero(eligible);
        watched.forEach((matrix, one) -> scores.add(
                matrix, one.rows.data().asDouble(), one.columns.data().asDouble()));
        scores.countExamples(examples);
        return scores;
    }

    /** Returns the gradient of each matrix, {@code [out, in]} row-major, summed over the examples: {@link Square#SUM}. */
    public Map<String, float[]> summed() {
        Map<String, float[]> sums = new LinkedHashMap<>();
        watched.forEach((matrix, one) -> {
            if (one.sum != null) {
                sums.put(matrix, one.sum.data().asFloat());
            }
        });
        return sums;
    }

    private final class Watched implements Adaptation {
        private final MatrixShape shape;
        private final INDArray rows; // [out], DOUBLE
        private final INDArray columns; // [in], DOUBLE
        private @Nullable INDArray sum; // [out, in]

        Watched(MatrixShape shape) {
            this.shape = shape;
            this.rows = Nd4j.zeros(DataType.DOUBLE, shape.out());
            this.columns = Nd4j.zeros(DataType.DOUBLE, shape.in());
        }

        @Override
        public List<TrainedArray> trained() {
            return List.of();
        }

        @Override
        public void bind(Bindings bindings) {}

        @Override
        public void forward(Kernels kernels, Buffers buffers, INDArray x, INDArray y) {}

        @Override
        public void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int count) {
            switch (square) {
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
            }
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, INDArray dy, INDArray dx) {}
    }
}
