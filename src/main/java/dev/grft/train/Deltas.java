package dev.grft.train;

import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.data.Batch;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Bindings;
import dev.grft.vit.Buffers;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Several deltas on one pretrained model, each with a head of its own. The weights are in memory once and are never written: to
 * load, use or remove a delta takes what the delta takes. Their networks have their working arrays in common. For one thread at a
 * time.
 *
 * <p>What the deltas have in common is computed once for a batch: its images, and the stages of the network before the first in
 * which a delta trains something. The probabilities have the bits that the delta alone would have.
 */
public final class Deltas implements AutoCloseable {
    private final Weights weights;
    private final Kernels kernels;
    private final Buffers buffers; // of all networks, which run one after the other
    private final @Nullable Checkpoint pretrained; // null: the weights belong to the caller
    private final Map<String, Loaded> loaded = new LinkedHashMap<>();

    private record Loaded(Vit vit, Trainable trainable, Weights weights, Bindings bindings) {
        float[][] probabilities(Array x, int examples, int from) {
            return Predictions.of(weights.config().task(), vit.forward(x, examples, from));
        }

        void close() {
            vit.close();
            bindings.close();
            weights.close();
        }
    }

    private Deltas(Weights weights, Kernels kernels, @Nullable Checkpoint pretrained) {
        this.weights = weights;
        this.kernels = kernels;
        this.buffers = new Buffers(kernels.memory(), weights.type(), Keep.NOTHING);
        this.pretrained = pretrained;
    }

    /** Returns no deltas yet, on weights that the caller closes. */
    public Deltas(Weights weights, Kernels kernels) {
        this(weights, kernels, null);
    }

    /** Returns no deltas yet, on a native copy of a pretrained model; to be closed. */
    public static Deltas on(Checkpoint pretrained, Kernels kernels) {
        Weights copy = Weights.copyOf(pretrained.config(), pretrained.tensors(), DataType.FLOAT, kernels.memory());
        return new Deltas(copy, kernels, pretrained);
    }

    /**
     * Loads a delta.
     *
     * @throws dev.grft.UserError if it was trained on another pretrained model
     * @throws IllegalArgumentException if there is one of that name
     */
    public void load(String name, Delta delta) {
        if (pretrained != null) {
            pretrained.requireFits(delta);
        }
        int classes = delta.labels().size();
        Tuning tuning = Tuning.of(delta);
        Layout layout = tuning.layout(weights.config().withHead(classes, delta.task()));
        load(name, tuning, classes, delta.task(), tuning.trained(layout, delta));
    }

    /** Loads what a tuning has trained, a vector in its layout for so many outputs of a task. */
    public void load(String name, Tuning tuning, int outputs, Task task, float[] trained) {
        if (loaded.containsKey(name)) {
            throw new IllegalArgumentException("there is a delta " + name + " already; remove it first");
        }
        Weights own = weights.withHead(outputs, task);
        Trainable trainable = tuning.trainable();
        Vit vit = new Vit(own, trainable, kernels, buffers);
        Layout layout = vit.layout();
        Map<String, Array> values = new LinkedHashMap<>();
        layout.arrays()
                .forEach((array, shape) -> values.put(
                        array,
                        kernels.memory()
                                .allocate(own.type(), shape.rows(), shape.columns())
                                .write(Tuning.read(layout, trained, array))));
        Bindings bindings = new Bindings(values, null);
        vit.bind(bindings);
        loaded.put(name, new Loaded(vit, trainable, own, bindings));
    }

    /** Returns the names of the deltas, in the order in which they were loaded; a copy. */
    public List<String> names() {
        return List.copyOf(loaded.keySet());
    }

    /**
     * Removes a delta and frees its memory.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public void remove(String name) {
        of(name).close();
        loaded.remove(name);
    }

    /**
     * Returns what one delta says of a batch, the probability of each class for each image or its values, {@code [B][K]}.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public float[][] probabilities(String name, Batch batch) {
        return ofSome(batch, Map.of(name, of(name))).values().iterator().next();
    }

    /** Returns what each delta says of a batch, {@code [B][K]} by name in the order in which they were loaded. */
    public Map<String, float[][]> probabilities(Batch batch) {
        return ofSome(batch, loaded);
    }

    private Map<String, float[][]> ofSome(Batch batch, Map<String, Loaded> some) {
        return Replica.with(batch, () -> probabilities(batch, some));
    }

    private Map<String, float[][]> probabilities(Batch batch, Map<String, Loaded> some) {
        Map<String, float[][]> all = new LinkedHashMap<>();
        some.keySet().forEach(name -> all.put(name, new float[0][])); // their order
        List<String> left = new ArrayList<>(some.keySet());
        left.sort(Comparator.comparingInt(name -> of(name).vit.frozenStages()));
        some.values().forEach(each -> each.trainable.begin(new long[0]));
        Array x = Replica.images(batch, buffers);
        int stage = 0;
        for (String name : left) { // the last has the longest way in common with the others: it computes it for them
            Loaded one = of(name);
            Vit common = of(left.get(left.size() - 1)).vit;
            if (stage < one.vit.frozenStages()) {
                for (; stage < one.vit.frozenStages(); stage++) {
                    x = common.stages().get(stage).forward(x, batch.size());
                }
                x = apart(x);
            }
            all.put(name, one.probabilities(x, batch.size(), stage));
        }
        return all;
    }

    /** Returns a copy of what all networks have computed, which the rest of each would overwrite. */
    private Array apart(Array x) {
        Array copy = buffers.shared("common", x.shape());
        kernels.copyRows(x, 0, copy, 0, (int) x.size(0), 1);
        return copy;
    }

    /** Returns the bytes of native memory that they hold beside the pretrained weights. */
    public long bytes() {
        return buffers.bytes()
                + loaded.values().stream()
                        .mapToLong(one -> one.weights.bytes() + one.bindings.bytes() + one.vit.bytes())
                        .sum();
    }

    private Loaded of(String name) {
        Loaded found = loaded.get(name);
        if (found == null) {
            throw new IllegalArgumentException("there is no delta " + name + ", only " + loaded.keySet());
        }
        return found;
    }

    /** Frees all deltas, and the weights if they are its own. */
    @Override
    public void close() {
        loaded.values().forEach(Loaded::close);
        loaded.clear();
        buffers.close();
        kernels.free();
        if (pretrained != null) {
            weights.close();
        }
    }
}
