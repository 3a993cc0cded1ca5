package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import org.jspecify.annotations.Nullable;

/** The function between the two maps of an MLP: a form of the GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
public enum Activation {
    /** {@code x Phi(x)}, by the error function. */
    GELU {
        @Override
        public void apply(Kernels kernels, @Nullable Array bias, Array x, Array y) {
            kernels.gelu(bias, x, y);
        }

        @Override
        public void backward(Kernels kernels, Array kept, Array dy) {
            kernels.geluBackward(kept, dy);
        }
    },

    /** {@code x sigmoid(1.702 x)}, as CLIP has it. */
    QUICK_GELU {
        @Override
        public void apply(Kernels kernels, @Nullable Array bias, Array x, Array y) {
            kernels.sigmoidGelu(bias, 1.702, 0, x, y);
        }

        @Override
        public void backward(Kernels kernels, Array kept, Array dy) {
            kernels.sigmoidGeluBackward(1.702, 0, kept, dy);
        }
    },

    /** {@code x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2}, as SigLIP has it; {@code 1 + tanh(u) = 2 sigmoid(2 u)}. */
    TANH_GELU {
        @Override
        public void apply(Kernels kernels, @Nullable Array bias, Array x, Array y) {
            kernels.sigmoidGelu(bias, LINEAR, LINEAR * 0.044715, x, y);
        }

        @Override
        public void backward(Kernels kernels, Array kept, Array dy) {
            kernels.sigmoidGeluBackward(LINEAR, LINEAR * 0.044715, kept, dy);
        }
    };

    private static final double LINEAR = 2 * Math.sqrt(2 / Math.PI);

    /** Puts the function of x + bias {@code [n]} (null for none) into {@code y [m, n]}, and what {@link #backward} needs into x, unless x is y. */
    public abstract void apply(Kernels kernels, @Nullable Array bias, Array x, Array y);

    /** Multiplies {@code dy [m, n]} by the function's derivative, given what {@link #apply} has put into x. */
    public abstract void backward(Kernels kernels, Array kept, Array dy);
}
