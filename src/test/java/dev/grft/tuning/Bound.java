package dev.grft.tuning;

import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.LinkedHashMap;
import java.util.Map;

/** A network without DL4J, in float or double: a tuning, its trained arrays and their gradients. */
final class Bound {
    final Vit vit;
    final Layout layout;
    final Map<String, Array> values = new LinkedHashMap<>();
    private final Map<String, Array> gradients = new LinkedHashMap<>();
    private final Trainable trainable;
    private final Kernels kernels;
    private final DataType type;

    Bound(Weights weights, Tuning tuning, Kernels kernels) {
        this(weights, tuning, kernels, Keep.ALL);
    }

    Bound(Weights weights, Tuning tuning, Kernels kernels, Keep keep) {
        this.kernels = kernels;
        this.type = weights.type();
        this.trainable = tuning.trainable();
        this.vit = new Vit(weights, trainable, kernels, keep);
        this.layout = vit.layout();
        layout.arrays().forEach((name, array) -> {
            values.put(name, Machine.zeros(type, array.rows(), array.columns()));
            gradients.put(
                    name, Machine.zeros(type, array.rows(), array.columns()).fill(Double.NaN));
        });
        vit.bind(new Bindings(values, gradients));
    }

    /** Sets the seeds of the examples, from which random numbers are drawn. */
    void begin(long... seeds) {
        trainable.begin(seeds);
    }

    /** Takes over a trained vector. */
    void load(float[] trained) {
        values.forEach((name, value) -> {
            value.write(Tiny.doubles(Tuning.read(layout, trained, name)));
        });
        vit.refresh();
    }

    double[] logits(int from, int to) {
        return Tiny.doubles(vit.forward(Tiny.images(from, to, type)));
    }

    /** Computes the gradients of the summed cross-entropy of some golden examples; returns the losses. */
    double[] backward(int from, int to) {
        Array logits = vit.forward(Tiny.images(from, to, type));
        float[] classes = new float[(to - from) * Tiny.CONFIG.classes()];
        int[] labels = Tiny.batch(from, to).labels();
        for (int b = 0; b < labels.length; b++) {
            classes[b * Tiny.CONFIG.classes() + labels[b]] = 1;
        }
        Array targets = Machine.array(type, classes, to - from, Tiny.CONFIG.classes());
        Array losses = Machine.zeros(type, to - from);
        Array dlogits = Machine.zeros(logits.type(), logits.shape());
        kernels.crossEntropy(logits, targets, losses, dlogits);
        vit.backward(dlogits);
        return Tiny.doubles(losses);
    }

    double[] gradient(String name) {
        Array gradient = gradients.get(name);
        if (gradient == null) {
            throw new AssertionError(name + " is not trained, only " + gradients.keySet());
        }
        return Tiny.doubles(gradient);
    }
}
