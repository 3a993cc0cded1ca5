package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.doubles;
import static dev.grft.vit.kernels.torch.Torch.scalar;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Sums of squared or absolute gradients, added in double precision. */
public final class Squares {
    private Squares() {}

    /**
     * Adds the row and column sums of the squared gradient of one example, {@code dy' x}, whose products are fp32, or double if dy is.
     *
     * @param ghost whether by the ghost-norm identity
     */
    public static void addOfExample(boolean ghost, Tensor dy, Tensor x, Tensor rows, Tensor columns) {
        boolean isDouble = Torch.type(dy) == torch.ScalarType.Double;
        torch.ScalarType type = isDouble ? torch.ScalarType.Double : torch.ScalarType.Float;
        Tensor d = dy.to(type);
        Tensor f = x.to(type);
        if (ghost) {
            addGhost(d, f, rows);
            addGhost(f, d, columns);
        } else {
            addSquares(torch.mm(d.t(), f), rows, columns);
        }
    }

    /** Adds diag(a' (b b') a), each entry at least 0, to {@code sums [n]}; a is {@code [t, n]}, b {@code [t, k]}. */
    private static void addGhost(Tensor a, Tensor b, Tensor sums) {
        Tensor product = doubles(torch.mm(torch.mm(b, b.t()), a));
        sums.add_(product.mul_(a).sum(0).clamp_min_(scalar(0))); // keeps a NaN
    }

    /** Adds the row and column sums of the squares of {@code g [out, in]}. */
    public static void addSquares(Tensor g, Tensor rows, Tensor columns) {
        Tensor values = doubles(g);
        add(torch.mul(values, values), rows, columns);
    }

    /** Adds the row and column sums of the absolute values of {@code g [out, in]}. */
    public static void addAbsolutes(Tensor g, Tensor rows, Tensor columns) {
        add(doubles(g).abs(), rows, columns);
    }

    private static void add(Tensor values, Tensor rows, Tensor columns) {
        rows.add_(values.sum(1));
        columns.add_(values.sum(0));
    }
}
