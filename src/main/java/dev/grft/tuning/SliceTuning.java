package dev.grft.tuning;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Bindings;
import dev.grft.vit.Buffers;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * GRFT: the selected rows or columns and the head (arXiv 2507.00016); with random indices, the sceptics' baseline; with
 * an empty selection, the linear probe. Beyond the paper, unless a preset is set: the biases of the blocks that have slices.
 *
 * <p>The pretrained matrix W is never written. With the differences of k slices in S {@code [k, length]}:
 *
 * <pre>
 *   rows R:     y[:,R] += x S'        dS = dy[:,R]' x        dx += dy[:,R] S
 *   columns C:  y += x[:,C] S         dS = x[:,C]' dy        dx[:,C] += dy S'
 * </pre>
 */
public final class SliceTuning implements Tuning {
    private static final long serialVersionUID = 1L;

    private final Selection selection;
    private final Set<Integer> biases; // the blocks whose biases train; -1: the patch embedding
    private final Map<String, List<Double>> rates;

    /** Returns the tuning of these slices and the head. */
    public SliceTuning(Selection selection) {
        this(selection, false);
    }

    /**
     * Returns the tuning of these slices and the head.
     *
     * @param biases whether the biases of attention and MLP train, too, in each block that has slices; also that of the patch embedding,
     *     if it has
     */
    public SliceTuning(Selection selection, boolean biases) {
        this(selection, biases, Map.of());
    }

    /**
     * Returns the tuning of these slices and the head.
     *
     * @param biases whether the biases of attention and MLP train, too, in each block that has slices; also that of the patch embedding,
     *     if it has
     * @param rates factors of the slices' steps by matrix, see {@link SliceRates}; a matrix without an entry has factors of 1
     */
    public SliceTuning(Selection selection, boolean biases, Map<String, List<Double>> rates) {
        this(selection, biases ? blocks(selection.slices().keySet()) : Set.of(), rates);
    }

    private SliceTuning(Selection selection, Set<Integer> biases, Map<String, List<Double>> rates) {
        this.selection = selection;
        this.biases = new HashSet<>(biases);
        this.rates = new HashMap<>(rates);
    }

    private static Set<Integer> blocks(Set<String> parameters) {
        return parameters.stream().map(VitConfig::block).collect(Collectors.toSet());
    }

    /** Returns this tuning with the biases, too, that a delta has trained, wherever slices are now. */
    public SliceTuning withBiasesOf(Delta delta) {
        Set<Integer> all = blocks(delta.whole().keySet());
        all.addAll(biases);
        return new SliceTuning(selection, all, rates);
    }

    /** Returns the linear probe: the head alone. */
    public static SliceTuning headOnly() {
        return new SliceTuning(Selection.none());
    }

    /** Returns the trained slices. */
    public Selection selection() {
        return selection;
    }

    @Override
    public Trainable trainable() {
        return new Trainable() {
            @Override
            public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
                if (!selection.trains(matrix)) {
                    return null;
                }
                Slices slices = selection.of(matrix);
                if (!slices.shape().equals(shape)) {
                    throw new IllegalArgumentException(slices + " do not fit a matrix " + shape);
                }
                TrainedArray array = TrainedArray.difference(name(slices), slices.count(), slices.length())
                        .rated(rates.getOrDefault(matrix, List.of()));
                return slices.axis() == Axis.ROW ? new Rows(slices, array) : new Columns(slices, array);
            }

            @Override
            public boolean whole(String parameter) {
                return Tuning.isHead(parameter) || trains(parameter);
            }
        };
    }

    private boolean trains(String parameter) {
        return Tuning.isBias(parameter) && biases.contains(VitConfig.block(parameter));
    }

    /** A number for each slice of a matrix and each of its rows of inputs, in an array that all matrices share. */
    @Override
    public long held(ToLongFunction<String> rows, boolean again) {
        return selection.slices().values().stream()
                .mapToLong(slices -> slices.count() * rows.applyAsLong(slices.matrix()))
                .max()
                .orElse(0);
    }

    @Override
    public Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256) {
        Map<String, float[]> values = new LinkedHashMap<>();
        for (Slices slices : selection.slices().values()) {
            values.put(slices.matrix(), Tuning.read(layout, trained, name(slices)));
        }
        return new Delta(
                selection,
                values,
                Tuning.read(layout, trained, Delta.HEAD_WEIGHT),
                Tuning.read(layout, trained, Delta.HEAD_BIAS),
                labels,
                pretrainedSha256,
                Tuning.whole(layout, trained, this::trains));
    }

    @Override
    public float[] pretrained(String array, Function<String, float[]> tensors) {
        String matrix = array.substring(0, array.lastIndexOf('.'));
        return selection.trains(matrix)
                ? selection.of(matrix).read(tensors.apply(matrix))
                : Tuning.super.pretrained(array, tensors);
    }

    /** Returns the name of the trained array of a matrix. */
    static String name(Slices slices) {
        return slices.matrix() + (slices.axis() == Axis.ROW ? ".rows" : ".columns");
    }

    /** What rows and columns share: the numbers S {@code [k, length]} and their gradient. */
    private abstract static class Trained implements Adaptation {
        final int[] indices;
        private final TrainedArray array;
        private @Nullable Array value;
        private @Nullable Array gradient;

        Trained(Slices slices, TrainedArray array) {
            this.indices = slices.indices();
            this.array = array;
        }

        @Override
        public List<TrainedArray> trained() {
            return List.of(array);
        }

        @Override
        public void bind(Bindings bindings) {
            value = bindings.value(array.name());
            gradient = bindings.gradient(array.name());
        }

        /**
         * Returns scratch of a number for each slice and each row of {@code x}: {@code [k, M]}, because BLAS is up to twice as fast
         * with thin products that lie that way. The patch embedding has fewer rows.
         */
        Array scratch(Buffers buffers, Array x) {
            return buffers.shared("slices", indices.length, x.size(0));
        }

        Array value() {
            return Objects.requireNonNull(value, array.name());
        }

        Array gradient() {
            return Objects.requireNonNull(gradient, array.name());
        }
    }

    private static final class Rows extends Trained {
        private @Nullable Array gathered; // dy[:,R]', from backward to inputGradient

        Rows(Slices slices, TrainedArray array) {
            super(slices, array);
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
            Array part = scratch(buffers, x);
            kernels.gemm(false, value(), true, x, 1, 0, part);
            kernels.addRowsToColumns(part, indices, y);
        }

        @Override
        public Array merged(Kernels kernels, Buffers buffers, Array frozen) {
            Array sum = Adaptation.copy(kernels, buffers, frozen);
            for (int i = 0; i < indices.length; i++) {
                kernels.add(row(value(), i), row(sum, indices[i]));
            }
            return sum;
        }

        private static Array row(Array of, int index) {
            return of.rows(index, index + 1L);
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
            Array part = scratch(buffers, x);
            kernels.columnsToRows(dy, indices, part);
            kernels.gemm(false, part, false, x, 1, 0, gradient());
            gathered = part;
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, Array dy, Array dx) {
            kernels.gemm(true, Objects.requireNonNull(gathered), false, value(), 1, 1, dx);
        }
    }

    private static final class Columns extends Trained {
        Columns(Slices slices, TrainedArray array) {
            super(slices, array);
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
            Array part = scratch(buffers, x);
            kernels.columnsToRows(x, indices, part);
            kernels.gemm(true, part, false, value(), 1, 1, y);
        }

        @Override
        public Array merged(Kernels kernels, Buffers buffers, Array frozen) {
            Array sum = Adaptation.copy(kernels, buffers, frozen);
            kernels.addRowsToColumns(value(), indices, sum);
            return sum;
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
            Array part = scratch(buffers, x);
            kernels.columnsToRows(x, indices, part);
            kernels.gemm(false, part, false, dy, 1, 0, gradient());
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, Array dy, Array dx) {
            Array part = scratch(buffers, dy);
            kernels.gemm(false, value(), true, dy, 1, 0, part);
            kernels.addRowsToColumns(part, indices, dx);
        }
    }
}
