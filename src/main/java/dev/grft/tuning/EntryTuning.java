package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.vit.Buffers;
import dev.grft.vit.Kernels;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * GPS: the K entries of each neuron with the largest summed gradient, all biases but those of the norms, and the head (Zhang
 * et al. 2024, arXiv 2312.10136). Only the entries exist: no mask, and no gradient or updater state of the rest.
 *
 * <p>With {@code c_k [out]} the columns and {@code s_k [out]} the differences of the k-th entries of all rows:
 *
 * <pre>
 *   y += x[:,c_k] * s_k        ds_k = sum over rows of dy * x[:,c_k]        dx[:,c_k] += dy * s_k
 * </pre>
 */
public final class EntryTuning extends AdditionTuning {
    private static final long serialVersionUID = 1L;

    private final LinkedHashMap<String, Entries> entries = new LinkedHashMap<>();

    /** Returns the tuning of these entries, whose values do not count. */
    public EntryTuning(List<Entries> entries) {
        super(shapes(entries));
        entries.forEach(some -> this.entries.put(some.matrix(), some));
    }

    private static Map<String, MatrixShape> shapes(List<Entries> entries) {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        entries.forEach(some -> shapes.put(some.matrix(), some.shape()));
        return shapes;
    }

    @Override
    boolean trains(String parameter) {
        return Tuning.isBias(parameter);
    }

    private Entries of(String matrix) {
        return Objects.requireNonNull(entries.get(matrix), matrix);
    }

    @Override
    Addition addition(String matrix, MatrixShape shape, Layout layout, float[] trained) {
        return of(matrix).with(Tuning.read(layout, trained, Entries.name(matrix)));
    }

    @Override
    Added added(String matrix, MatrixShape shape, Plan plan) {
        return new OfMatrix(of(matrix));
    }

    private static final class OfMatrix extends Added {
        private final String name;
        private final int[][] columns; // [K][out]

        OfMatrix(Entries entries) {
            super(new TrainedArray(
                    Entries.name(entries.matrix()),
                    entries.perRow(),
                    entries.shape().out()));
            this.name = Entries.name(entries.matrix());
            this.columns = new int[entries.perRow()][];
            for (int k = 0; k < columns.length; k++) {
                columns[k] = entries.columns(k);
            }
        }

        private static INDArray scratch(Buffers buffers, INDArray y) {
            return buffers.shared("entries" + y.size(0) + "x" + y.size(1), y.size(0), y.size(1));
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, INDArray x, INDArray y) {
            INDArray part = scratch(buffers, y);
            for (int k = 0; k < columns.length; k++) {
                kernels.gatherColumns(x, columns[k], part);
                kernels.scaleColumns(part, value(name).getRow(k), part);
                kernels.add(part, y);
            }
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, INDArray x, INDArray dy, int examples) {
            INDArray part = scratch(buffers, dy);
            for (int k = 0; k < columns.length; k++) {
                kernels.gatherColumns(x, columns[k], part);
                kernels.columnDots(dy, part, gradient(name).getRow(k));
            }
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, INDArray dy, INDArray dx) {
            INDArray part = scratch(buffers, dy);
            for (int k = 0; k < columns.length; k++) {
                kernels.scaleColumns(dy, value(name).getRow(k), part);
                kernels.scatterAddColumns(part, columns[k], dx);
            }
        }
    }
}
