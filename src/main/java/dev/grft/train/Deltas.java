package dev.grft.train;

import dev.grft.Delta;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.data.Batch;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Flat;
import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.ops.transforms.Transforms;

/**
 * Several deltas on one pretrained model, each with a head of its own. The weights are in memory once and are never written: to
 * load, use or remove a delta takes what the delta takes. For one thread at a time.
 *
 * <p>What the deltas have in common is computed once for a batch: its images, and the stages of the network before the first in
 * which a delta trains something. The probabilities have the bits that the delta alone would have.
 */
public final class Deltas implements AutoCloseable {
    private final Weights weights;
    private final Kernels kernels;
    private final @Nullable Checkpoint pretrained; // null: the weights are somebody else's
    private final Map<String, Loaded> loaded = new LinkedHashMap<>();

    private record Loaded(Vit vit, Trainable trainable) {
        float[][] probabilities(INDArray x, int examples, int from) {
            return Transforms.softmax(vit.forward(x, examples, from), true).toFloatMatrix();
        }
    }

    private Deltas(Weights weights, Kernels kernels, @Nullable Checkpoint pretrained) {
        this.weights = weights;
        this.kernels = kernels;
        this.pretrained = pretrained;
    }

    /** Returns no deltas yet, on weights that somebody else closes. */
    public Deltas(Weights weights, Kernels kernels) {
        this(weights, kernels, null);
    }

    /** Returns no deltas yet, on a native copy of a pretrained model; to be closed. */
    public static Deltas on(Checkpoint pretrained, Kernels kernels) {
        Weights copy = Weights.copyOf(pretrained.config(), pretrained.tensors(), DataType.FLOAT);
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
        Layout layout = tuning.layout(weights.config().withClasses(classes));
        load(name, tuning, classes, tuning.trained(layout, delta));
    }

    /** Loads what a tuning has trained, a vector in its layout for so many classes. */
    public void load(String name, Tuning tuning, int classes, float[] trained) {
        if (loaded.containsKey(name)) {
            throw new IllegalArgumentException("there is a delta " + name + " already; remove it first");
        }
        Weights own = weights.withHead(classes);
        Trainable trainable = tuning.trainable();
        Vit vit = new Vit(own, trainable, kernels, Keep.NOTHING);
        Layout layout = vit.layout();
        Map<String, INDArray> values = new LinkedHashMap<>();
        layout.arrays()
                .forEach((array, shape) -> values.put(
                        array,
                        Flat.array(Tuning.read(layout, trained, array), own.type(), shape.rows(), shape.columns())));
        vit.bind(new Bindings(values, null));
        loaded.put(name, new Loaded(vit, trainable));
    }

    /** Returns the names of the deltas, in the order in which they were loaded; a copy. */
    public List<String> names() {
        return List.copyOf(loaded.keySet());
    }

    /**
     * Removes a delta.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public void remove(String name) {
        of(name);
        loaded.remove(name);
    }

    /**
     * Returns what one delta says of a batch, the probability of each class for each image, {@code [B][K]}.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public float[][] probabilities(String name, Batch batch) {
        return probabilities(batch, Map.of(name, of(name))).values().iterator().next();
    }

    /** Returns what each delta says of a batch, {@code [B][K]} by name in the order in which they were loaded. */
    public Map<String, float[][]> probabilities(Batch batch) {
        return probabilities(batch, loaded);
    }

    private Map<String, float[][]> probabilities(Batch batch, Map<String, Loaded> some) {
        Map<String, float[][]> all = new LinkedHashMap<>();
        some.keySet().forEach(name -> all.put(name, new float[0][])); // their order
        List<String> left = new ArrayList<>(some.keySet());
        left.sort(Comparator.comparingInt(name -> of(name).vit.frozenStages()));
        some.values().forEach(each -> each.trainable.begin(0));
        INDArray x = Replica.images(batch, weights.type());
        int stage = 0;
        for (String name : left) { // the last has the longest way in common with the others: it computes it for them
            Loaded one = of(name);
            Vit common = of(left.get(left.size() - 1)).vit;
            for (; stage < one.vit.frozenStages(); stage++) {
                x = common.stages().get(stage).forward(x, batch.size());
            }
            all.put(name, one.probabilities(x, batch.size(), stage));
        }
        return all;
    }

    private Loaded of(String name) {
        Loaded found = loaded.get(name);
        if (found == null) {
            throw new IllegalArgumentException("there is no delta " + name + ", only " + Set.copyOf(loaded.keySet()));
        }
        return found;
    }

    /** Forgets all deltas, and frees the weights if they are its own. */
    @Override
    public void close() {
        loaded.clear();
        if (pretrained != null) {
            weights.close();
        }
    }
}
