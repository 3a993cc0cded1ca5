package dev.grft.vit;

import dev.grft.vit.kernels.Kernels;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** The function between the two maps of an MLP: a form of the GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
public enum Activation {
    /** {@code x Phi(x)}, by the error function. */
    GELU {
        @Override
        public void apply(Kernels kernels, @Nullable INDArray bias, INDArray y, @Nullable INDArray derivative) {
            kernels.gelu(bias, y, derivative);
        }
    },

    /** {@code x sigmoid(1.702 x)}, as CLIP has it. */
    QUICK_GELU {
        @Override
        public void apply(Kernels kernels, @Nullable INDArray bias, INDArray y, @Nullable INDArray derivative) {
            kernels.sigmoidGelu(bias, 1.702, 0, y, derivative);
        }
    },

    /** {@code x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2}, as SigLIP has it; {@code 1 + tanh(u) = 2 sigmoid(2 u)}. */
    TANH_GELU {
        @Override
        public void apply(Kernels kernels, @Nullable INDArray bias, INDArray y, @Nullable INDArray derivative) {
            double linear = 2 * Math.sqrt(2 / Math.PI);
            kernels.sigmoidGelu(bias, linear, linear * 0.044715, y, derivative);
        }
    };

    /** Replaces {@code y [m, n]} by the function of y + bias {@code [n]} (null for none); puts its derivative there into {@code derivative}, unless it is null. */
    public abstract void apply(Kernels kernels, @Nullable INDArray bias, INDArray y, @Nullable INDArray derivative);
}
