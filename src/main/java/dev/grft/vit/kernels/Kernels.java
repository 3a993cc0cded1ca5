package dev.grft.vit.kernels;

import dev.grft.Task;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.onednn.Packed;
import org.jspecify.annotations.Nullable;

/**
 * All array work of a step: the one seam between the model's mathematics and the machine.
 *
 * <p>Every array lies in the kernels' own {@link #memory} and is of the model's data type unless said otherwise; outputs are
 * allocated by the caller and, where not said otherwise, overwritten. No method reads an array back to the host. The
 * implementations are not safe for several threads at once: each network owns one. Arrays of indices must not change, because kernels
 * may keep a copy of them until {@link #free}.
 */
public interface Kernels {

    /** Returns where the arrays of these kernels lie. */
    Memory memory();

    /** Frees scratch memory; a later call takes it anew. To be called when the network that owns these kernels is closed. */
    default void free() {}

    /** Puts {@code alpha * op(a) op(b) + beta * c} into {@code c}; op transposes where asked. Matrices only. */
    void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c);

    /**
     * Returns the type of arrays that lie between products with weights: inputs and outputs of linear maps and of attention, and their
     * gradients. What is added up over the blocks is of the model's type, and so are weights.
     *
     * @param model the model's type
     */
    default DataType between(DataType model) {
        return model;
    }

    /**
     * Puts {@code x W' + bias} into {@code y [m, out]}. Kernels of lower precision round x {@code [m, in]} and W {@code [out, in]}.
     *
     * @param packed holds what kernels make of W once; null if W changes
     * @param bias {@code [out]}; null for none
     */
    default void linear(Array x, Array w, @Nullable Packed packed, @Nullable Array bias, Array y) {
        if (bias != null) {
            fillRows(bias, y);
        }
        gemm(false, x, true, w, 1, bias == null ? 0 : 1, y);
    }

    /** Puts the gradient of x, {@code dy W}, into {@code dx [m, in]}, given {@code dy [m, out]}; see {@link #linear}. */
    default void linearBackward(Array dy, Array w, @Nullable Packed packed, Array dx) {
        gemm(false, dy, false, w, 1, 0, dx);
    }

    /** Puts {@code row [n]} into each row of {@code y [m, n]}. */
    void fillRows(Array row, Array y);

    /** Adds {@code x} to {@code y}, of equal length. */
    void add(Array x, Array y);

    /** Multiplies {@code y} by {@code x} entry by entry, of equal length. */
    void multiply(Array x, Array y);

    /** Puts {@code base + delta} into {@code y}, all of equal length. */
    void sum(Array base, Array delta, Array y);

    /** Puts the column sums of {@code x [m, n]} into {@code sums [n]}. */
    void columnSums(Array x, Array sums);

    /** Puts the column sums of {@code a * b}, both {@code [m, n]}, into {@code sums [n]}. */
    void columnDots(Array a, Array b, Array sums);

    /** Puts columns {@code columns [k]} of {@code x [m, n]} into the rows of {@code y [k, m]}. */
    void columnsToRows(Array x, int[] columns, Array y);

    /** Puts {@code x [m, n]} with each column times its factor, {@code factors [n]}, into {@code y [m, n]}. */
    void scaleColumns(Array x, Array factors, Array y);

    /** Puts {@code x}, the rows of each example times its factor, {@code factors [examples]}, into {@code y}, of equal shape. */
    void scaleExamples(Array x, float[] factors, Array y);

    /** Adds the rows of {@code x [k, m]} to columns {@code columns [k]} of {@code y [m, n]}, all of them different. */
    void addRowsToColumns(Array x, int[] columns, Array y);

    /**
     * Puts {@code x [m, n]} into {@code y [m, n]}, and adds k values to each row: {@code values [k, m]} in the columns {@code columns
     * [k, m]}, which are distinct in a row.
     */
    void addEntries(Array x, int[] columns, Array values, Array y);

    /**
     * Puts k entries of each row of {@code a' b} into {@code dots [k, n]}, a {@code [m, n]} and b {@code [m, l]}: those in the columns
     * {@code columns [k, n]}.
     */
    void entryDots(Array a, Array b, int[] columns, Array dots);

    /**
     * Puts {@code gamma * (x - mean) / sqrt(variance + eps) + beta}, row by row, into {@code y [m, n]}; keeps
     * {@code normalized [m, n]} and {@code inverse [m]} = 1 / sqrt(variance + eps) for the backward, unless these are null. The
     * variance is the biased one.
     */
    void layerNorm(
            Array x, Array gamma, Array beta, double eps, @Nullable Array normalized, @Nullable Array inverse, Array y);

    /** Puts {@code gamma * normalized + beta}, row by row, into {@code y [m, n]}: the result of {@link #layerNorm}, bit for bit. */
    void scaleAndShift(Array normalized, Array gamma, Array beta, Array y);

    /** Adds the input's gradient of {@link #layerNorm} to {@code dx [m, n]}, given {@code dy [m, n]}. */
    void layerNormBackward(Array dy, Array gamma, Array normalized, Array inverse, Array dx);

    /**
     * Puts {@code a * Phi(a)} (the erf GELU) with {@code a = x + bias}, row by row, into {@code y [m, n]}, and what {@link #geluBackward}
     * needs into {@code x [m, n]}: the derivative, or a itself. If y is x, only the result.
     *
     * @param bias {@code [n]}; null for none, as it has to be for arrays of lower precision
     */
    void gelu(@Nullable Array bias, Array x, Array y);

    /** Multiplies {@code dy [m, n]} by the derivative of the GELU, given what {@link #gelu} has put into x. */
    default void geluBackward(Array kept, Array dy) {
        multiply(kept, dy);
    }

    /**
     * Does what {@link #gelu} does with {@code a * sigmoid(u)}, {@code u = linear * a + cubic * a^3}: the GELU's approximations.
     *
     * @param linear at least 1.5, so that the sigmoid is 0 or 1 in floats beyond 60
     * @param cubic 0, or 0.044715 times linear, which is then {@code 2 sqrt(2 / pi)}
     */
    void sigmoidGelu(@Nullable Array bias, double linear, double cubic, Array x, Array y);

    /** Does what {@link #geluBackward} does after {@link #sigmoidGelu}. */
    default void sigmoidGeluBackward(double linear, double cubic, Array kept, Array dy) {
        multiply(kept, dy);
    }

    /**
     * Puts multi-head attention of the first Q tokens of each example into {@code out [B*Q, D]}: softmax(q k' / sqrt(D/H)) v
     * per example and head. Q is T, or 1 if only the class token has a query.
     *
     * @param qkv {@code [B*T, 3D]}: queries, keys, values side by side, head after head
     * @param weights out: the softmax, {@code [B*H*Q, T]}, kept for the backward; null to hold only a part of it at a time
     */
    void attention(Array qkv, int heads, int examples, @Nullable Array weights, Array out);

    /**
     * Puts the gradient of {@link #attention} into {@code dqkv [B*T, 3D]}, given {@code dout [B*Q, D]}.
     *
     * @param weights of the forward; null if it has kept none: they are computed again
     */
    void attentionBackward(Array dout, Array qkv, @Nullable Array weights, int heads, int examples, Array dqkv);

    /**
     * Puts attention of Q vectors of each example to its T tokens, which are keys and values in one, into {@code out [B*Q, D]}:
     * softmax(scale u x') x per example.
     *
     * @param u {@code [B*Q, D]}
     * @param x {@code [B*T, D]}
     * @param weights out: the softmax, {@code [B*Q, T]}, kept for the backward
     */
    void attend(Array u, Array x, double scale, Array weights, Array out);

    /**
     * Puts the gradients of {@link #attend} into {@code du [B*Q, D]} and {@code dx [B*T, D]}, unless it is null, given {@code dout
     * [B*Q, D]}.
     */
    void attendBackward(Array dout, Array u, Array x, double scale, Array weights, Array du, @Nullable Array dx);

    /** Spreads each row of {@code x [B, D]} over H rows of {@code y [B*H, D]}: each head's columns in a row of their own, 0 elsewhere. */
    void headsApart(Array x, int heads, Array y);

    /** Inverse of {@link #headsApart}: adds each head's columns of {@code x [B*H, D]} back into its row of {@code y [B, D]}. */
    void addHeads(Array x, int heads, Array y);

    /** Puts the flattened patches (channel, row, column) of {@code images [B, C, S, S]} into {@code y [B*N, C*P*P]}. */
    void patches(Array images, int patchSize, Array y);

    /**
     * Puts the tokens before the patches, then the patches {@code [B*N, D]}, each plus its position {@code [T, D]}, into {@code y
     * [B*T, D]}.
     *
     * @param first {@code [T-N, D]}, or {@code [D]} for a class token alone; null if T = N
     */
    void tokens(Array patches, @Nullable Array first, Array positions, int examples, Array y);

    /**
     * Copies {@code count} rows of each example: from row {@code from} of its rows in {@code x [B*S, D]} to row {@code to} of its rows in
     * {@code y [B*T, D]}. The other rows of y stay.
     */
    void copyRows(Array x, int from, Array y, int to, int count, int examples);

    /**
     * Puts the mean of the tokens after the first {@code prefix} of each example of {@code x [B*T, D]} into {@code y [B, D]}. If y is
     * {@code [B, 2D]}, each row holds the first token, then this mean.
     */
    void pool(Array x, int prefix, Array y);

    /** Puts the gradient of {@link #pool} into {@code dx [B*T, D]}, given {@code dy}. */
    void poolBackward(Array dy, int prefix, Array dx);

    /** Puts the sum over the examples of {@code x [B*T, D]} into {@code y [T, D]}. */
    void sumExamples(Array x, int examples, Array y);

    /**
     * Puts the cross-entropy {@code -sum_k targets[k] log softmax(logits)[k]} of each example into {@code losses [B]} and the
     * gradient of their sum into {@code dlogits [B, K]}.
     *
     * @param logits {@code [B, K]}
     * @param targets {@code [B, K]}, none negative: the probability of each class times its weight; the sum of a row need not be 1
     */
    void crossEntropy(Array logits, Array targets, Array losses, Array dlogits);

    /**
     * Puts the binary cross-entropy of each example into {@code losses [B]}, the mean over its outputs as torch's {@code
     * BCEWithLogitsLoss} has it, and the gradient of their sum into {@code dlogits [B, K]}.
     *
     * @param logits {@code [B, K]}
     * @param targets {@code [B, K + 1]}: for each output how much it shall be on, in [0, 1], times the weight of the example; then the
     *     weight itself, 0 or more
     */
    void binaryCrossEntropy(Array logits, Array targets, Array losses, Array dlogits);

    /**
     * Puts the squared error of each example into {@code losses [B]}, the mean over its outputs as torch's {@code MSELoss} has it, and
     * the gradient of their sum into {@code doutputs [B, K]}.
     *
     * @param outputs {@code [B, K]}
     * @param targets {@code [B, K + 1]}: for each output its value times the weight of the example; then the weight itself, 0 or more
     */
    void squaredError(Array outputs, Array targets, Array losses, Array doutputs);

    /** Puts the loss of a task, of the three above. */
    default void loss(Task task, Array logits, Array targets, Array losses, Array dlogits) {
        switch (task) {
            case SINGLE_LABEL -> crossEntropy(logits, targets, losses, dlogits);
            case MULTI_LABEL -> binaryCrossEntropy(logits, targets, losses, dlogits);
            case REGRESSION -> squaredError(logits, targets, losses, dlogits);
        }
    }

    /**
     * Puts the supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, equation 2, with equal temperatures) of each
     * anchor into {@code losses [N]} and the gradient of their sum into {@code dfeatures [N, D]}. With
     * {@code z = f / max(|f|, 1e-12)}, the loss of anchor a is
     *
     * <pre>
     *   mean over p with same[a, p] = 1 of  log(sum over n != a of exp(z_a.z_n / temperature)) - z_a.z_p / temperature
     * </pre>
     *
     * and 0 for an anchor without such p.
     *
     * @param features {@code [N, D]}, brought to length 1 here
     * @param same {@code [N, N]}: 1 where two different rows are of one class, else 0; 0 on the diagonal
     * @param temperature positive
     */
    void contrastive(Array features, Array same, double temperature, Array losses, Array dfeatures);

    /**
     * Adds, for one linear map, the row and column sums of the squared gradient of each example: with
     * {@code G = sum over the example's tokens t of dy[t]' x[t]}, {@code rows[o] += sum_i G[o, i]^2} and
     * {@code columns[i] += sum_o G[o, i]^2}.
     *
     * <p>If it is cheaper, G is never formed (the ghost-norm identity): {@code rows = diag(dy' (x x') dy)} and
     * {@code columns = diag(x' (dy dy') x)}.
     *
     * @param dy {@code [B*T, out]}
     * @param x {@code [B*T, in]}
     * @param rows {@code [out]}, DOUBLE
     * @param columns {@code [in]}, DOUBLE
     */
    void addSquaredGradients(Array dy, Array x, int examples, Array rows, Array columns);

    /** Adds {@code x} to {@code sums}, DOUBLE and of equal length. */
    void addToSums(Array x, Array sums);

    /** Adds the row and column sums of the squares of {@code g [out, in]} to {@code rows [out]} and {@code columns [in]}, both DOUBLE. */
    void addSquares(Array g, Array rows, Array columns);

    /** Adds the row and column sums of the absolute values of {@code g [out, in]}, as {@link #addSquares} does with squares. */
    void addAbsolutes(Array g, Array rows, Array columns);
}
