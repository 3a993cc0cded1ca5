package dev.grft.tuning;

import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.UserError;
import dev.grft.data.Sha256;
import dev.grft.vit.Buffers;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What scores the rows and columns of a weight matrix W {@code [out, in]}, as {@code selection.score} names it. {@link BuiltInScore} has
 * those of this program.
 *
 * <p>A score of your own is a public class with a public constructor without arguments. {@link ServiceLoader} finds it by the file {@code
 * META-INF/services/dev.grft.tuning.Score} of its jar, on the driver and on executors. A result must not depend on how the images are
 * divided over tasks, so a score keeps nothing between two calls: all that it learns of a batch goes into the sums.
 */
public interface Score {

    /** Returns the word of the configuration. It has a dot if the score is not built in, such as {@code lab.curvature}. */
    String word();

    /** Returns what is computed of each batch; gradients unless the score says otherwise. */
    default Pass pass() {
        return Pass.GRADIENTS;
    }

    /**
     * Adds to the sums what a batch contributes; is called once for each matrix and batch.
     *
     * @param rows sums of the matrix's rows, {@code [out]}, DOUBLE
     * @param columns sums of its columns, {@code [in]}, DOUBLE
     */
    void add(Seen seen, Array rows, Array columns);

    /**
     * Makes scores of the sums over all images, in place; by default the sums are the scores. Scores are finite and at least 0.
     *
     * @param weight returns W {@code [out, in]} row-major; for reading only
     * @param rows {@code [out]}
     * @param columns {@code [in]}
     */
    default void finish(MatrixShape shape, Supplier<float[]> weight, double[] rows, double[] columns) {}

    /** What is computed of a batch before {@link #add}. */
    enum Pass {
        /** The forward: the inputs of every matrix. No backward runs. */
        ACTIVATIONS,
        /** Also the gradients of {@code selection.loss}. */
        GRADIENTS,
        /**
         * The gradients of the cross-entropy with classes that are drawn from the model's own probabilities, one for each example, by the
         * seed of the run and the example.
         */
        SAMPLED_GRADIENTS
    }

    /**
     * What a pass has seen of one matrix in one batch, of M = examples times tokens. In the last block of a model whose head reads only
     * the class token, that token alone counts, but for qkv: its vectors are others whose products are the same gradient.
     *
     * @param matrix its timm name
     * @param weight W, {@code [out, in]}; for reading only, as all arrays here
     * @param x the inputs, {@code [M, in]}. With {@code engine.precision: bf16} they may be BFLOAT16, which the kernels take, too
     * @param dy the gradients of the outputs, {@code [M, out]}, of such types; null after a forward alone
     * @param examples in the batch
     * @param kernels multiply and sum on the device
     * @param buffers hold arrays for reuse
     */
    record Seen(
            String matrix,
            MatrixShape shape,
            Array weight,
            Array x,
            @Nullable Array dy,
            int examples,
            Kernels kernels,
            Buffers buffers) {

        /** Returns the gradients of the outputs, {@code [M, out]}. */
        public Array outputGradient() {
            return Objects.requireNonNull(dy, "a score that reads activations gets no gradients");
        }

        /** Returns the gradient of W, {@code [out, in]}, summed over the batch; lasts until the next call. */
        public Array gradient() {
            return gradient(outputGradient(), x);
        }

        /** Makes the gradient of W, {@code [out, in]}, of each example in turn; it lasts for the call and may be changed. */
        public void eachGradient(Consumer<Array> use) {
            Array all = outputGradient();
            long tokens = all.size(0) / examples;
            for (int b = 0; b < examples; b++) {
                long first = b * tokens;
                use.accept(gradient(all.rows(first, first + tokens), x.rows(first, first + tokens)));
            }
        }

        private Array gradient(Array dys, Array xs) {
            Array g = buffers.shared("gradient", shape.out(), shape.in());
            kernels.gemm(true, dys, false, xs, 1, 0, g);
            return g;
        }
    }

    /**
     * Returns the score of a word.
     *
     * @throws UserError if there is none, or it cannot be made
     */
    static Score of(String word) {
        BuiltInScore builtIn = BuiltInScore.find(word);
        if (builtIn != null) {
            return builtIn;
        }
        List<String> found = new ArrayList<>();
        Score score = null;
        try {
            for (Score own :
                    ServiceLoader.load(Score.class, Thread.currentThread().getContextClassLoader())) {
                found.add(own.word());
                score = own.word().equals(word) ? own : score;
            }
        } catch (ServiceConfigurationError e) {
            throw new UserError(
                    "selection.score: the score cannot be created (" + e.getMessage()
                            + "); it must be a public class with a" + " public constructor without arguments",
                    e);
        }
        if (score == null || found.indexOf(word) != found.lastIndexOf(word)) {
            throw UserError.of(
                    "selection.score: expected one score '%s' on the class path, found %s; pass its jar with --jars and name the"
                            + " class in META-INF/services/%s of the jar",
                    word, found.isEmpty() ? "none" : found, Score.class.getName());
        }
        return score;
    }

    /** Returns the SHA-256 of its class, so that another one of the same word scores anew. */
    default String digest() {
        String file = "/" + getClass().getName().replace('.', '/') + ".class";
        try (InputStream in = getClass().getResourceAsStream(file)) {
            return in == null ? "" : Sha256.of(in.readAllBytes());
        } catch (IOException e) {
            throw new IllegalStateException(file + " cannot be read", e);
        }
    }

    /**
     * Returns the scores of the sums over all images, by {@link #finish}.
     *
     * @param weights returns the weights by matrix; called at most once
     */
    default Scores finished(Scores sums, Supplier<Map<String, float[]>> weights) {
        Map<String, float[]> read = new HashMap<>();
        Scores finished = Scores.zero(sums.shapes());
        sums.shapes().forEach((matrix, shape) -> {
            double[] rows = sums.rows(matrix);
            double[] columns = sums.columns(matrix);
            Supplier<float[]> weight = () -> {
                if (read.isEmpty()) {
                    read.putAll(weights.get());
                }
                return Objects.requireNonNull(read.get(matrix), matrix);
            };
            finish(shape, weight, rows, columns);
            finished.add(matrix, rows, columns);
        });
        finished.countExamples(sums.examples());
        return finished;
    }
}
