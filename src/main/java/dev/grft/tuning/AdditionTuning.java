package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Bindings;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.kernels.Array;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** What the methods have in common that add something to some linear maps: how a delta is made of what they train. */
abstract class AdditionTuning implements Tuning {
    private static final long serialVersionUID = 1L;

    private final LinkedHashMap<String, MatrixShape> matrices;

    /**
     * Returns the tuning of these matrices.
     *
     * @param matrices by timm name, in network order
     */
    AdditionTuning(Map<String, MatrixShape> matrices) {
        this.matrices = new LinkedHashMap<>(matrices);
    }

    /** Returns whether it adds to a matrix. */
    final boolean adapts(String matrix) {
        return matrices.containsKey(matrix);
    }

    /** Returns a new adaptation of one of the matrices. */
    abstract Added added(String matrix, MatrixShape shape, OfNetwork network);

    /** Returns what one of the matrices gets by training. */
    abstract Addition addition(String matrix, MatrixShape shape, Layout layout, float[] trained);

    /** Returns how many numbers an adaptation keeps for the backward, with so many rows of inputs. */
    long kept(MatrixShape shape, long rows) {
        return 0;
    }

    /** Returns how many numbers it works with, in arrays that all adaptations share. */
    long working(MatrixShape shape, long rows) {
        return 0;
    }

    @Override
    public long held(ToLongFunction<String> rows, boolean again) {
        Map<String, Long> kept = new HashMap<>();
        long working = 0;
        for (var matrix : matrices.entrySet()) {
            String owner = again ? matrix.getKey().replaceFirst("^blocks\\.\\d+", "block") : matrix.getKey();
            long count = rows.applyAsLong(matrix.getKey());
            kept.merge(owner, kept(matrix.getValue(), count), Math::max);
            working = Math.max(working, working(matrix.getValue(), count));
        }
        return working + kept.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Returns whether a parameter beside the matrices and the head trains whole. */
    boolean trains(String parameter) {
        return false;
    }

    @Override
    public Trainable trainable() {
        return new OfNetwork();
    }

    /** What trains in one network. */
    final class OfNetwork implements Trainable {
        private long[] seeds = {};

        /** Returns the seeds of the examples of the present pass, {@code [B]}; none if it is no training. */
        long[] seeds() {
            return seeds;
        }

        @Override
        public void begin(long[] newSeeds) {
            seeds = newSeeds;
        }

        @Override
        public @Nullable Adaptation adaptation(String matrix, MatrixShape shape) {
            if (!adapts(matrix)) {
                return null;
            }
            if (!shape.equals(matrices.get(matrix))) {
                throw new IllegalArgumentException(
                        matrix + " is " + matrices.get(matrix) + " to the method, but " + shape + " in the model");
            }
            return added(matrix, shape, this);
        }

        @Override
        public boolean whole(String parameter) {
            return Tuning.isHead(parameter) || trains(parameter);
        }
    }

    @Override
    public Delta delta(Layout layout, float[] trained, List<String> labels, String pretrainedSha256) {
        List<Addition> additions = new ArrayList<>();
        matrices.forEach((matrix, shape) -> additions.add(addition(matrix, shape, layout, trained)));
        return new Delta(
                Selection.none(),
                Map.of(),
                Tuning.read(layout, trained, Delta.HEAD_WEIGHT),
                Tuning.read(layout, trained, Delta.HEAD_BIAS),
                labels,
                pretrainedSha256,
                Tuning.whole(layout, trained, this::trains),
                additions);
    }

    /** An adaptation with arrays of its own. */
    abstract static class Added implements Adaptation {
        private final Map<String, TrainedArray> arrays = new LinkedHashMap<>();
        private final Map<String, Array> values = new LinkedHashMap<>();
        private final Map<String, Array> gradients = new LinkedHashMap<>();

        Added(TrainedArray... arrays) {
            for (TrainedArray array : arrays) {
                this.arrays.put(array.name(), array);
            }
        }

        @Override
        public List<TrainedArray> trained() {
            return List.copyOf(arrays.values());
        }

        @Override
        public void bind(Bindings bindings) {
            arrays.keySet().forEach(name -> {
                values.put(name, bindings.value(name));
                Array gradient = bindings.gradient(name);
                if (gradient != null) {
                    gradients.put(name, gradient);
                }
            });
        }

        Array value(String name) {
            return Objects.requireNonNull(values.get(name), name);
        }

        Array gradient(String name) {
            return Objects.requireNonNull(gradients.get(name), name);
        }
    }
}
