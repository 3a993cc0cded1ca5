package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Products of matrices of one type: factors of another are converted, and so are results on their way into an array of another. In bfloat16
 * a result is rounded before it is added to FLOAT, as under PyTorch's autocast.
 */
public final class Products {
    private Products() {}

    /** Puts {@code alpha * op(a) op(b) + beta * c} into {@code c}; op transposes where asked. */
    public static void multiply(
            torch.ScalarType type,
            boolean transposeA,
            Tensor a,
            boolean transposeB,
            Tensor b,
            double alpha,
            double beta,
            Tensor c) {
        Tensor left = transposeA ? a.to(type).t() : a.to(type);
        Tensor right = transposeB ? b.to(type).t() : b.to(type);
        if (Torch.type(c) != type) {
            add(torch.mm(left, right), alpha, beta, c);
        } else if (alpha == 1 && beta == 0) {
            torch.mm_out(c, left, right);
        } else {
            torch.addmm_out(c, c, left, right, scalar(beta), scalar(alpha));
        }
    }

    private static void add(Tensor product, double alpha, double beta, Tensor c) {
        if (beta == 0) {
            c.zero_();
        } else if (beta != 1) {
            c.mul_(scalar(beta));
        }
        c.add_(product, scalar(alpha));
    }

    /** Puts {@code x W' + bias} into {@code y [m, out]}; W {@code [out, in]}, bias {@code [out]} or null. */
    public static void linear(torch.ScalarType type, Tensor x, Tensor w, @Nullable Tensor bias, Tensor y) {
        if (bias == null) {
            multiply(type, false, x, true, w, 1, 0, y);
        } else if (Torch.type(y) == type) {
            torch.addmm_out(y, bias.to(type), x.to(type), w.to(type).t());
        } else {
            torch.add_out(y, torch.mm(x.to(type), w.to(type).t()), bias);
        }
    }
}
