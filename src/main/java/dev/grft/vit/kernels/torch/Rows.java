package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** What is computed value by value, row by row or column by column. */
public final class Rows {
    private static final double FAR = 60; // where a GELU is 0 or the identity

    private Rows() {}

    /** Puts the column sums of {@code x [m, n]} into {@code sums [n]}. */
    public static void columnSums(Tensor x, Tensor sums) {
        torch.sum_out(sums, x, new long[] {0}, false, new ScalarTypeOptional(sums.scalar_type()));
    }

    /** Puts the column sums of {@code a * b} into {@code sums [n]}. */
    public static void columnDots(Tensor a, Tensor b, Tensor sums) {
        columnSums(torch.mul(a.to(sums.scalar_type()), b.to(sums.scalar_type())), sums);
    }

    /** Puts columns {@code columns [k]} of {@code x [m, n]} into the rows of {@code y [k, m]}. */
    public static void columnsToRows(Tensor x, Tensor columns, Tensor y) {
        y.copy_(x.index_select(1, columns).t());
    }

    /** Adds the rows of {@code x [k, m]} to the columns {@code columns [k]} of {@code y [m, n]}, all of them different. */
    public static void addRowsToColumns(Tensor x, Tensor columns, Tensor y) {
        Tensor sums = torch.add(y.index_select(1, columns), x.t());
        y.index_copy_(1, columns, sums.to(y.scalar_type()));
    }

    /** Puts {@code x [m, n]}, plus {@code values [k, m]} in the columns {@code columns [k, m]}, into {@code y [m, n]}. */
    public static void addEntries(Tensor x, Tensor columns, Tensor values, Tensor y) {
        Tensor at = columns.view(values.size(0), values.size(1)).t();
        Tensor sums = torch.add(x.gather(1, at), values.t());
        y.copy_(x);
        y.scatter_(1, at, sums.to(y.scalar_type()));
    }

    /** Puts the entries of {@code a' b} in the columns {@code columns [k, n]} of its rows into {@code dots [k, n]}. */
    public static void entryDots(Tensor a, Tensor b, Tensor columns, Tensor dots) {
        Tensor at = columns.view(dots.size(0), dots.size(1));
        for (long k = 0; k < dots.size(0); k++) {
            columnDots(a, b.index_select(1, at.select(0, k)), dots.select(0, k));
        }
    }

    /** Puts the rows of {@code x}, those of each example times its factor, into {@code y}. */
    public static void scaleExamples(Tensor x, Tensor factors, Tensor y) {
        long examples = factors.size(0);
        torch.mul_out(y.view(examples, -1), x.view(examples, -1), factors.view(examples, 1));
    }

    /** Puts {@code (x - mean) / sqrt(variance + eps)}, row by row, into {@code normalized}, and 1 / sqrt(variance + eps) into {@code inverse}. */
    public static void normalize(Tensor x, double eps, Tensor normalized, @Nullable Tensor inverse) {
        T_TensorTensorTensor_T all =
                torch.native_layer_norm(x, new long[] {x.size(1)}, new TensorOptional(), new TensorOptional(), eps);
        normalized.copy_(all.get0());
        if (inverse != null) {
            inverse.view(-1).copy_(all.get2().view(-1));
        }
    }

    /** Puts {@code gamma * normalized + beta}, row by row, into {@code y}. */
    public static void scaleAndShift(Tensor normalized, Tensor gamma, Tensor beta, Tensor y) {
        torch.addcmul_out(y, beta, normalized, gamma);
    }

    /** Adds the input's gradient of a LayerNorm to {@code dx [m, n]}, given {@code dy [m, n]}. */
    public static void layerNormBackward(Tensor dy, Tensor gamma, Tensor normalized, Tensor inverse, Tensor dx) {
        Tensor one = torch.ones_like(inverse).view(-1, 1);
        BoolPointer inputAlone = new BoolPointer(3).put(0, true).put(1, false).put(2, false);
        Tensor d = torch.native_layer_norm_backward(
                        dy.to(normalized.scalar_type()),
                        normalized, // of which the mean is 0, and the deviation 1
                        new long[] {normalized.size(1)},
                        torch.zeros_like(one),
                        one,
                        new TensorOptional(gamma),
                        new TensorOptional(),
                        inputAlone)
                .get0();
        dx.addcmul_(d, inverse.view(-1, 1));
    }

    /** Puts the erf GELU of x, or its approximation by tanh, into {@code y}. */
    public static void gelu(Tensor x, boolean tanh, Tensor y) {
        torch.gelu_out(y, x, approximation(tanh));
    }

    /** Multiplies {@code dy} by the derivative of that at x. */
    public static void geluBackward(Tensor x, boolean tanh, Tensor dy) {
        torch.gelu_backward_out(dy, dy, near(x), approximation(tanh));
    }

    private static String approximation(boolean tanh) {
        return tanh ? "tanh" : "none";
    }

    /** Puts {@code x * sigmoid(linear * x)} into {@code y}. */
    public static void swish(Tensor x, double linear, Tensor y) {
        Tensor in = wide(x);
        torch.mul_out(y, torch.mul(in, scalar(linear)).sigmoid_(), in);
    }

    /** Multiplies {@code dy} by the derivative of that at x: {@code s + linear x s (1 - s)}. */
    public static void swishBackward(Tensor x, double linear, Tensor dy) {
        Tensor u = torch.mul(near(wide(x)), scalar(linear));
        Tensor s = torch.sigmoid(u);
        Tensor rest = torch.rsub(s, scalar(1)).mul_(u).add_(scalar(1));
        dy.mul_(rest.mul_(s));
    }

    /** Returns x, bfloat16 as FLOAT: what follows rounds once. */
    private static Tensor wide(Tensor x) {
        return Torch.type(x) == torch.ScalarType.BFloat16 ? x.to(torch.ScalarType.Float) : x;
    }

    /** Returns x where the derivative varies: the formulas give infinity times 0 far from there. Keeps a NaN. */
    private static Tensor near(Tensor x) {
        return x.clamp(new ScalarOptional(new Scalar(-FAR)), new ScalarOptional(new Scalar(FAR)));
    }
}
