package dev.grft.vit;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.CpuKernels;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Where each trained array lies in the one flat vector of trained parameters: stage after stage, row-major. What crosses the
 * network, what the updater holds and what is saved are vectors of this layout. Immutable.
 */
public final class Layout implements Serializable {
    private static final long serialVersionUID = 1L;

    private final List<List<TrainedArray>> stages;
    private final Map<String, Integer> offsets = new LinkedHashMap<>();
    private final Map<String, TrainedArray> arrays = new LinkedHashMap<>();
    private final int size;

    /** Returns the layout of the arrays that each stage of a network trains. */
    public Layout(List<List<TrainedArray>> stages) {
        List<List<TrainedArray>> copies = new ArrayList<>();
        long at = 0;
        for (List<TrainedArray> stage : stages) {
            copies.add(new ArrayList<>(stage));
            for (TrainedArray array : stage) {
                if (arrays.put(array.name(), array) != null) {
                    throw new IllegalArgumentException(array.name() + " is trained twice");
                }
                offsets.put(array.name(), (int) at);
                at += array.size();
            }
        }
        if (at > Integer.MAX_VALUE - 8) {
            throw UserError.of(
                    "tuning: %,d parameters would train, and 2^31 is the most; choose another tuning.method or a smaller"
                            + " selection.budget",
                    at);
        }
        this.stages = copies;
        this.size = (int) at;
    }

    /** Returns the layout of what trains in a network of these sizes, without the network's weights. */
    public static Layout of(VitConfig config, Trainable trainable) {
        return network(config, trainable).layout();
    }

    /** Returns a network that has shapes and no weights. */
    static Vit network(VitConfig config, Trainable trainable) {
        return new Vit(Weights.shapesOnly(config), trainable, new CpuKernels(), Keep.NOTHING);
    }

    /** Returns the arrays of each stage, in order. */
    public List<List<TrainedArray>> stages() {
        return stages;
    }

    /** Returns how many stages, from the first on, have nothing that trains. */
    public int frozenStages() {
        return (int) stages.stream().takeWhile(List::isEmpty).count();
    }

    /** Returns every array by name, in order. */
    public Map<String, TrainedArray> arrays() {
        return arrays;
    }

    /** Returns the number of trained parameters. */
    public int size() {
        return size;
    }

    /** Returns the number of trained parameters in the arrays that match. */
    public long size(Predicate<TrainedArray> wanted) {
        return arrays.values().stream()
                .filter(wanted)
                .mapToLong(TrainedArray::size)
                .sum();
    }

    /** Returns the views of a trained vector {@code [N]}, or of one like it, that are the arrays, by name. */
    public Map<String, Array> views(Array vector) {
        Map<String, Array> views = new LinkedHashMap<>();
        int from = 0;
        for (TrainedArray array : arrays.values()) {
            views.put(array.name(), vector.view(from, array.rows(), array.columns()));
            from += (int) array.size();
        }
        return views;
    }

    /** Returns a copy of the numbers of one array, or null if it is not trained. */
    public float @org.jspecify.annotations.Nullable [] read(float[] vector, String name) {
        Integer from = offsets.get(name);
        TrainedArray array = arrays.get(name);
        if (from == null || array == null) {
            return null;
        }
        return Arrays.copyOfRange(vector, from, from + (int) array.size());
    }

    /**
     * Writes the numbers of one array into a vector.
     *
     * @throws IllegalArgumentException if it is not trained or has another size
     */
    public void write(float[] numbers, String name, float[] vector) {
        Integer from = offsets.get(name);
        TrainedArray array = arrays.get(name);
        if (from == null || array == null || numbers.length != array.size()) {
            throw new IllegalArgumentException(
                    numbers.length + " numbers for " + (array == null ? "unknown " + name : array.toString()));
        }
        System.arraycopy(numbers, 0, vector, from, numbers.length);
    }
}
