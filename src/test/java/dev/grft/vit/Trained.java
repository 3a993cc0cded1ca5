package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Machine;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Trained arrays that start at 0, and gradients that start as NaN, so that a backward has to write them. */
final class Trained {
    final Map<String, Array> values = new LinkedHashMap<>();
    final Map<String, Array> gradients = new LinkedHashMap<>();

    Trained(List<TrainedArray> arrays, DataType type) {
        for (TrainedArray array : arrays) {
            values.put(array.name(), Machine.zeros(type, array.rows(), array.columns()));
            gradients.put(
                    array.name(),
                    Machine.zeros(type, array.rows(), array.columns()).fill(Double.NaN));
        }
    }

    /** Returns the trained arrays of a network, tied to it. */
    static Trained of(Vit vit, DataType type) {
        Trained trained = new Trained(List.copyOf(vit.layout().arrays().values()), type);
        vit.bind(trained.bindings());
        return trained;
    }

    Bindings bindings() {
        return new Bindings(values, gradients);
    }

    double[] gradient(String name) {
        Array gradient = gradients.get(name);
        if (gradient == null) {
            throw new AssertionError(name + " is not trained, only " + gradients.keySet());
        }
        return Machine.values(gradient);
    }
}
