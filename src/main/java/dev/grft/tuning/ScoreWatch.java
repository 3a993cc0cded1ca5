package dev.grft.tuning;

import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Buffers;
import dev.grft.vit.Trainable;
import dev.grft.vit.Watching;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Memory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Watches the inputs and gradients of the eligible matrices go by and sums what a {@link Score} makes of them; trains nothing. One
 * for each network.
 *
 * <p>The sums stay on the device until {@link #scores} asks for them.
 */
public final class ScoreWatch implements Trainable, AutoCloseable {
    private final Map<String, MatrixShape> eligible;
    private final Function<String, Array> weights;
    private final Score score;
    private final Memory memory;
    private final Map<String, Watched> watched = new LinkedHashMap<>();
    private int ofPass;
    private long examples;

    /**
     * Returns the watch of these matrices, by timm name in network order.
     *
     * @param weights the values of a matrix, {@code [out, in]}
     * @param memory of the network's kernels
     */
    public ScoreWatch(Map<String, MatrixShape> eligible, Score score, Function<String, Array> weights, Memory memory) {
        this.weights = weights;
        this.memory = memory;
        this.eligible = eligible;
        this.score = score;
    }

    @Override
    public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
        if (!eligible.containsKey(matrix)) {
            return null;
        }
        Watched one = new Watched(matrix, shape, weights.apply(matrix));
        watched.put(matrix, one);
        return one;
    }

    /** The head is bound, not trained: it is the fresh one, not the checkpoint's. */
    @Override
    public boolean whole(String parameter) {
        return parameter.equals(Delta.HEAD_WEIGHT) || parameter.equals(Delta.HEAD_BIAS);
    }

    /** Counts the examples of the pass that comes next. */
    public void next(int n) {
        ofPass = n;
        examples += n;
    }

    /**
     * Returns the sums so far.
     *
     * @throws IllegalStateException under {@link BuiltInScore#SUMMED_GRADIENT}
     */
    public Scores scores() {
        if (score == BuiltInScore.SUMMED_GRADIENT) {
            throw new IllegalStateException("the summed gradient is squared after all parts are summed");
        }
        Scores scores = Scores.zero(eligible);
        watched.forEach((matrix, one) -> scores.add(matrix, one.rows.doubles(), one.columns.doubles()));
        scores.countExamples(examples);
        return scores;
    }

    /** Begins again with sums of 0. */
    public void clear() {
        watched.values().forEach(one -> {
            one.rows.fill(0);
            one.columns.fill(0);
            one.sum(null);
        });
        examples = 0;
    }

    /** Returns the gradient of each matrix, {@code [out, in]} row-major, summed over the examples: {@link BuiltInScore#SUMMED_GRADIENT}. */
    public Map<String, float[]> summed() {
        Map<String, float[]> sums = new LinkedHashMap<>();
        watched.forEach((matrix, one) -> {
            if (one.sum != null) {
                sums.put(matrix, one.sum.floats());
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
        if (one == null || score != BuiltInScore.SUMMED_GRADIENT) {
            throw new IllegalStateException("no gradient of " + matrix + " is summed for the score " + score.word());
        }
        one.sum(memory.allocate(type, one.shape.out(), one.shape.in()).write(sum));
    }

    /** Frees the sums. */
    @Override
    public void close() {
        watched.values().forEach(Watched::close);
        watched.clear();
    }

    private final class Watched implements Watching {
        private final String matrix;
        private final MatrixShape shape;
        private final Array weight; // [out, in]
        private final Array rows; // [out], DOUBLE
        private final Array columns; // [in], DOUBLE
        private @Nullable Array sum; // [out, in]

        Watched(String matrix, MatrixShape shape, Array weight) {
            this.matrix = matrix;
            this.shape = shape;
            this.weight = weight;
            this.rows = memory.allocate(DataType.DOUBLE, shape.out()).fill(0);
            this.columns = memory.allocate(DataType.DOUBLE, shape.in()).fill(0);
        }

        void close() {
            rows.close();
            columns.close();
            sum(null);
        }

        /** Takes another sum, and frees the one before. */
        void sum(@Nullable Array next) {
            if (sum != null) {
                sum.close();
            }
            sum = next;
        }

        /** Keeps the map as it is computed from its inputs, which then come to {@link #forward}. */
        @Override
        public boolean readsOutput() {
            return score.pass() == Score.Pass.ACTIVATIONS;
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
            if (score.pass() == Score.Pass.ACTIVATIONS) {
                add(kernels, buffers, x, null, ofPass);
            }
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int count) {
            if (score == BuiltInScore.SUMMED_GRADIENT) {
                if (sum == null) {
                    sum = memory.allocate(buffers.type(), shape.out(), shape.in())
                            .fill(0);
                }
                kernels.gemm(true, dy, false, x, 1, 1, sum);
            } else if (score.pass() != Score.Pass.ACTIVATIONS) {
                add(kernels, buffers, x, dy, count);
            }
        }

        private void add(Kernels kernels, Buffers buffers, Array x, @Nullable Array dy, int count) {
            score.add(new Score.Seen(matrix, shape, weight, x, dy, count, kernels, buffers), rows, columns);
        }
    }
}
