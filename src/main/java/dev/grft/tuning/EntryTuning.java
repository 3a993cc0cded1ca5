package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.vit.Buffers;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * GPS: the K entries of each neuron with the largest summed gradient, all biases but those of the norms, and the head (Zhang
 * et al. 2024, arXiv 2312.10136). Only the entries exist: no mask, and no gradient or updater state of the rest.
 *
 * <p>Entry k of row o lies in column {@code c[k, o]}; its difference is {@code s[k, o]}, {@code [K, out]} both:
 *
 * <pre>
 *   y = x (W + S)' + b, where S[o, c[k, o]] = s[k, o]        ds[k, o] = sum over rows i of dy[i, o] x[i, c[k, o]]
 * </pre>
 *
 * <p>W + S is made anew for each product, in a scratch that all matrices share. That costs a copy of W, where adding to y and dx what
 * entries contribute would cost a pass over each for every entry of a neuron.
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
    Added added(String matrix, MatrixShape shape, OfNetwork network) {
        return new OfMatrix(of(matrix));
    }

    @Override
    public float[] pretrained(String array, Function<String, float[]> tensors) {
        Entries some = entries.get(array.substring(0, array.lastIndexOf('.')));
        return some == null ? super.pretrained(array, tensors) : some.read(tensors.apply(some.matrix()));
    }

    private static final class OfMatrix extends Added {
        private final String name;
        private final int[] columns; // [K, out]

        OfMatrix(Entries entries) {
            super(TrainedArray.difference(
                    Entries.name(entries.matrix()),
                    entries.perRow(),
                    entries.shape().out()));
            this.name = Entries.name(entries.matrix());
            this.columns = entries.columns();
        }

        @Override
        public Array weight(Kernels kernels, Buffers buffers, Array frozen) {
            Array sum = buffers.shared("entries.weight", frozen.shape());
            kernels.addEntries(frozen, columns, value(name), sum);
            return sum;
        }

        @Override
        public Array merged(Kernels kernels, Buffers buffers, Array frozen) {
            return weight(kernels, buffers, frozen);
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
            kernels.entryDots(dy, x, columns, gradient(name));
        }
    }
}
