package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Bottleneck;
import dev.grft.MatrixShape;
import dev.grft.vit.Buffers;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.TrainedArray.Start;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Adapter Tuning: bottleneck layers behind some linear maps, and the head (Houlsby et al. 2019, arXiv 1902.00751; behind the
 * MLP only: Pfeiffer et al. 2021, arXiv 2005.00247). With z the output of the frozen map:
 *
 * <pre>
 *   h = gelu(z down' + c)        y = z + s (h up' + d)
 *   dp = s (dy up) * gelu'        dz = dy + dp down
 * </pre>
 *
 * <p>GELU, as in the ViT itself; the norms stay frozen, whereas Houlsby et al. train them too.
 */
public final class AdapterTuning extends AdditionTuning {
    private static final long serialVersionUID = 1L;
    private static final double START = 0.01; // standard deviation of down, as Houlsby et al. have it; up starts at 0

    private final int size;
    private final double scale;

    /**
     * Returns the tuning with layers behind these matrices.
     *
     * @param matrices by timm name, in network order
     * @param size numbers in the bottleneck, 1 or more
     * @param scale s, above 0
     */
    public AdapterTuning(Map<String, MatrixShape> matrices, int size, double scale) {
        super(matrices);
        this.size = size;
        this.scale = scale;
    }

    @Override
    Addition addition(String matrix, MatrixShape shape, Layout layout, float[] trained) {
        return new Bottleneck(
                matrix,
                shape,
                scale,
                Tuning.read(layout, trained, Bottleneck.name(matrix, "down.weight")),
                Tuning.read(layout, trained, Bottleneck.name(matrix, "down.bias")),
                Tuning.read(layout, trained, Bottleneck.name(matrix, "up.weight")),
                Tuning.read(layout, trained, Bottleneck.name(matrix, "up.bias")));
    }

    /** The output of the map, the bottleneck and its derivative. */
    @Override
    long kept(MatrixShape shape, long rows) {
        return rows * (shape.out() + 2L * size);
    }

    /** The gradients of the output and of the bottleneck, and ones. */
    @Override
    long working(MatrixShape shape, long rows) {
        return rows * (shape.out() + size + 1L);
    }

    @Override
    Added added(String matrix, MatrixShape shape, OfNetwork network) {
        return new Behind(matrix, shape.out());
    }

    private final class Behind extends Added {
        private final String matrix;
        private @Nullable Array output; // z [M, out]
        private @Nullable Array hidden; // [M, size]
        private @Nullable Array derivative; // [M, size]

        Behind(String matrix, int out) {
            super(
                    TrainedArray.added(Bottleneck.name(matrix, "down.weight"), size, out, Start.normal(START)),
                    TrainedArray.added(Bottleneck.name(matrix, "down.bias"), size, 1, Start.ZEROS)
                            .exempt(),
                    TrainedArray.added(Bottleneck.name(matrix, "up.weight"), out, size, Start.ZEROS),
                    TrainedArray.added(Bottleneck.name(matrix, "up.bias"), out, 1, Start.ZEROS)
                            .exempt());
            this.matrix = matrix;
        }

        private Array value(String layer, String array) {
            return value(Bottleneck.name(matrix, layer + "." + array));
        }

        private Array gradient(String layer, String array) {
            return gradient(Bottleneck.name(matrix, layer + "." + array));
        }

        private static Array row(Array vector) {
            return vector.reshape(1, vector.length());
        }

        private static Array ones(Buffers buffers, long m) {
            return buffers.shared("adapter.ones", m, 1).fill(1);
        }

        @Override
        public @Nullable Array merged(Kernels kernels, Buffers buffers, Array frozen) {
            return null;
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
            long m = y.size(0);
            Array z = buffers.saved(matrix, "adapter.output", m, y.size(1)).copy(y);
            Array h = buffers.saved(matrix, "adapter.hidden", m, size);
            Array slope = buffers.saved(matrix, "adapter.derivative", m, size);
            kernels.gemm(false, z, true, value("down", "weight"), 1, 0, slope);
            kernels.gelu(value("down", "bias"), slope, h);
            kernels.gemm(false, h, true, value("up", "weight"), scale, 1, y);
            kernels.gemm(false, ones(buffers, m), false, row(value("up", "bias")), scale, 1, y);
            output = z;
            hidden = h;
            derivative = slope;
        }

        @Override
        public boolean readsOutput() {
            return true;
        }

        @Override
        public boolean readsInput() {
            return false;
        }

        @Override
        public Array outputGradient(Kernels kernels, Buffers buffers, Array dy) {
            long m = dy.size(0);
            kernels.gemm(true, dy, false, Objects.requireNonNull(hidden, matrix), scale, 0, gradient("up", "weight"));
            kernels.gemm(true, ones(buffers, m), false, dy, scale, 0, row(gradient("up", "bias")));
            Array dp = buffers.shared("adapter.dbefore", m, size);
            kernels.gemm(false, dy, false, value("up", "weight"), scale, 0, dp);
            kernels.geluBackward(Objects.requireNonNull(derivative, matrix), dp);
            kernels.gemm(true, dp, false, Objects.requireNonNull(output, matrix), 1, 0, gradient("down", "weight"));
            kernels.columnSums(dp, gradient("down", "bias"));
            Array dz = buffers.shared("adapter.doutput", m, dy.size(1)).copy(dy);
            kernels.gemm(false, dp, false, value("down", "weight"), 1, 1, dz);
            return dz;
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {}

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, Array dy, Array dx) {}
    }
}
