package dev.grft.vit;

import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** The function between the two maps of an MLP: a form of the GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415). */
public enum Activation {
    /** {@code x Phi(x)}, by the error function. */
    GELU {
        @Override
        void apply(Kernels kernels, INDArray x, INDArray y, @Nullable INDArray derivative) {
            kernels.gelu(x, y, derivative);
        }
    },

    /** {@code x sigmoid(1.702 x)}, as CLIP has it. */
    QUICK_GELU {
        @Override
        void apply(Kernels kernels, INDArray x, INDArray y, @Nullable INDArray derivative) {
            kernels.sigmoidGelu(x, 1.702, 0, y, derivative);
        }
    },

    /** {@code x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2}, as SigLIP has it; {@code 1 + tanh(u) = 2 sigmoid(2 u)}. */
    TANH_GELU {
        @Override
        void apply(Kernels kernels, INDArray x, INDArray y, @Nullable INDArray derivative) {
            double linear = 2 * Math.sqrt(2 / Math.PI);
            kernels.sigmoidGelu(x, linear, linear * 0.044715, y, derivative);
        }
    };

    /** Puts the function of {@code x} into {@code y} and its derivative into {@code derivative}, unless it is null, all of equal shape. */
    abstract void apply(Kernels kernels, INDArray x, INDArray y, @Nullable INDArray derivative);
}
