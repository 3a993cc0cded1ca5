package dev.grft;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The numbers that a merged delta has replaced: enough to take it out again, bit for bit, which subtracting it would not be. Of
 * slices they are as many as the delta has; of parameters that train whole or get an addition, the parameter.
 */
public final class Replaced {
    private final Delta delta;
    private final Map<String, float[]> slices = new LinkedHashMap<>();
    private final Map<String, float[]> whole = new LinkedHashMap<>();
    private final float @Nullable [] headWeight;
    private final float @Nullable [] headBias;

    private Replaced(Delta delta, Map<String, float[]> weights) {
        this.delta = delta;
        delta.selection().slices().forEach((matrix, some) -> {
            float[] values = weights.get(matrix);
            if (values != null && values.length == some.shape().size()) { // else the merge refuses it
                slices.put(matrix, some.read(values));
            }
        });
        for (String parameter : delta.changed()) {
            float[] values = weights.get(parameter);
            if (!delta.selection().trains(parameter) && values != null) {
                whole.put(parameter, values.clone());
            }
        }
        this.headWeight = weights.get(Delta.HEAD_WEIGHT);
        this.headBias = weights.get(Delta.HEAD_BIAS);
    }

    /**
     * Merges a delta as {@link Delta#mergeInto} does, and returns what takes it out again.
     *
     * @throws UserError as that does; nothing is changed then
     */
    public static Replaced merge(Delta delta, Map<String, float[]> weights) {
        Replaced replaced = new Replaced(delta, weights);
        delta.mergeInto(weights);
        return replaced;
    }

    /**
     * Puts the numbers back, in place, and the head that was there, if any. Of several deltas in one copy the last is taken
     * out first.
     *
     * @param weights into which the delta was merged
     */
    public void restore(Map<String, float[]> weights) {
        slices.forEach((matrix, values) -> delta.selection().of(matrix).write(values, present(weights, matrix)));
        whole.forEach(
                (parameter, values) -> System.arraycopy(values, 0, present(weights, parameter), 0, values.length));
        put(weights, Delta.HEAD_WEIGHT, headWeight);
        put(weights, Delta.HEAD_BIAS, headBias);
    }

    /** Returns how many numbers are kept beside the head's. */
    public long size() {
        return slices.values().stream().mapToLong(values -> values.length).sum()
                + whole.values().stream().mapToLong(values -> values.length).sum();
    }

    private static float[] present(Map<String, float[]> weights, String parameter) {
        return Objects.requireNonNull(weights.get(parameter), parameter);
    }

    private static void put(Map<String, float[]> weights, String parameter, float @Nullable [] values) {
        if (values == null) {
            weights.remove(parameter);
        } else {
            weights.put(parameter, values);
        }
    }
}
