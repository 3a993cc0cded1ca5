package dev.grft.vit;

import java.util.LinkedHashMap;
import java.util.Map;

/** Looks at the weights that nobody may write. */
public final class Frozen {
    private Frozen() {}

    /** Returns a copy of every number of the weights, by timm name. */
    public static Map<String, float[]> copy(Weights weights) {
        Map<String, float[]> numbers = new LinkedHashMap<>();
        for (String name : weights.config().tensors().keySet()) {
            numbers.put(name, weights.array(name).floats());
        }
        return numbers;
    }
}
