package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Buffers;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.TrainedArray.Start;
import dev.grft.vit.kernels.Kernels;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * LoRA: low-rank updates of some matrices, and the head (Hu et al. 2021, arXiv 2106.09685). With {@code A [r, in]}, {@code B
 * [out, r]}, {@code s = alpha / r} and x with some numbers dropped while training:
 *
 * <pre>
 *   y += s (x A') B'        dB = s dy' (x A')        dA = s (dy B)' x        dx += s (dy B) A
 * </pre>
 *
 * <p>A starts uniform in {@code 1 / sqrt(in)} around 0, as in Hugging Face's peft, B at 0.
 */
public final class LoraTuning extends AdditionTuning {
    private static final long serialVersionUID = 1L;

    private final int rank;
    private final double scale;
    private final double dropout;

    /**
     * Returns the tuning of these matrices.
     *
     * @param matrices by timm name, in network order
     * @param rank r, 1 or more
     * @param scale s, above 0
     * @param dropout share of the inputs that are dropped while training, in [0, 1)
     */
    public LoraTuning(Map<String, MatrixShape> matrices, int rank, double scale, double dropout) {
        super(matrices);
        this.rank = rank;
        this.scale = scale;
        this.dropout = dropout;
    }

    @Override
    Addition addition(String matrix, MatrixShape shape, Layout layout, float[] trained) {
        return new LowRank(
                matrix,
                shape,
                scale,
                Tuning.read(layout, trained, LowRank.nameOfA(matrix)),
                Tuning.read(layout, trained, LowRank.nameOfB(matrix)));
    }

    @Override
    Added added(String matrix, MatrixShape shape, OfNetwork network) {
        return new OfMatrix(matrix, shape, network);
    }

    private final class OfMatrix extends Added {
        private final String matrix;
        private final OfNetwork network;
        private @Nullable INDArray through; // s dy B, from backward to inputGradient

        OfMatrix(String matrix, MatrixShape shape, OfNetwork network) {
            super(
                    TrainedArray.added(
                            LowRank.nameOfA(matrix), rank, shape.in(), Start.uniform(1 / Math.sqrt(shape.in()))),
                    TrainedArray.added(LowRank.nameOfB(matrix), shape.out(), rank, Start.ZEROS));
            this.matrix = matrix;
            this.network = network;
        }

        private INDArray a() {
            return value(LowRank.nameOfA(matrix));
        }

        private INDArray b() {
            return value(LowRank.nameOfB(matrix));
        }

        private INDArray low(Buffers buffers, String name, INDArray x) {
            return buffers.shared("lora." + name + x.size(0), x.size(0), rank);
        }

        private boolean drops() {
            return dropout > 0 && network.seed() != 0;
        }

        /** Returns x with numbers dropped and the others enlarged, the same ones whenever it is asked in a step. */
        private INDArray dropped(Kernels kernels, Buffers buffers, INDArray x) {
            if (!drops()) {
                return x;
            }
            INDArray kept = mask(buffers, x);
            kernels.multiply(x, kept);
            return kept;
        }

        private INDArray mask(Buffers buffers, INDArray x) {
            SplittableRandom random = new SplittableRandom(network.seed() ^ ((long) matrix.hashCode() << 32));
            float[] factors = new float[Math.toIntExact(x.length())];
            float enlarged = (float) (1 / (1 - dropout));
            for (int i = 0; i < factors.length; i++) {
                factors[i] = random.nextDouble() < dropout ? 0 : enlarged;
            }
            INDArray mask = buffers.shared("lora.mask" + x.size(1) + "x" + x.size(0), x.size(0), x.size(1));
            return mask.assign(Nd4j.createFromArray(factors).reshape(x.shape()));
        }

        @Override
        public @Nullable INDArray merged(Kernels kernels, Buffers buffers, INDArray frozen) {
            if (drops()) {
                return null;
            }
            INDArray sum = Adaptation.copy(kernels, buffers, frozen);
            kernels.gemm(false, b(), false, a(), scale, 1, sum);
            return sum;
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, INDArray x, INDArray y) {
            INDArray low = low(buffers, "x", x);
            kernels.gemm(false, dropped(kernels, buffers, x), true, a(), 1, 0, low);
            kernels.gemm(false, low, true, b(), scale, 1, y);
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int examples) {
            INDArray kept = dropped(kernels, buffers, x);
            INDArray low = low(buffers, "x", x);
            kernels.gemm(false, kept, true, a(), 1, 0, low);
            kernels.gemm(true, dy, false, low, scale, 0, gradient(LowRank.nameOfB(matrix)));
            INDArray back = low(buffers, "dy", x);
            kernels.gemm(false, dy, false, b(), scale, 0, back);
            kernels.gemm(true, back, false, kept, 1, 0, gradient(LowRank.nameOfA(matrix)));
            through = back;
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, INDArray dy, INDArray dx) {
            if (through == null) {
                throw new IllegalStateException(matrix + ": the gradient of the input before that of the factors");
            }
            if (!drops()) {
                kernels.gemm(false, through, false, a(), 1, 1, dx);
                return;
            }
            INDArray part = mask(buffers, dx);
            INDArray dense = buffers.shared("lora.dx" + dx.size(1) + "x" + dx.size(0), dx.size(0), dx.size(1));
            kernels.gemm(false, through, false, a(), 1, 0, dense);
            kernels.multiply(dense, part);
            kernels.add(part, dx);
        }
    }
}
