package dev.grft;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Two small layers behind a linear map, {@code y + scale (up gelu(down y + c) + d)}: what Adapter Tuning trains (Houlsby et
 * al. 2019, arXiv 1902.00751, figure 2). Cannot be merged: it is not linear.
 */
public final class Bottleneck extends Addition {
    private static final long serialVersionUID = 1L;

    private final double scale;
    private final Map<String, float[]> arrays;

    /**
     * Returns the layers behind a map to {@code out} numbers.
     *
     * @param down {@code [size, out]} row-major
     * @param downBias {@code [size]}
     * @param up {@code [out, size]} row-major
     * @param upBias {@code [out]}
     * @throws IllegalArgumentException if they do not fit each other
     */
    public Bottleneck(
            String matrix,
            MatrixShape shape,
            double scale,
            float[] down,
            float[] downBias,
            float[] up,
            float[] upBias) {
        super(matrix, shape);
        this.scale = scale;
        int size = downBias.length;
        if (size < 1 || down.length != size * shape.out() || up.length != down.length || upBias.length != shape.out()) {
            throw new IllegalArgumentException(matrix + ": layers of " + down.length + ", " + size + ", " + up.length
                    + " and " + upBias.length + " numbers do not fit each other behind " + shape);
        }
        Map<String, float[]> all = new LinkedHashMap<>();
        all.put(name(matrix, "down.weight"), down);
        all.put(name(matrix, "down.bias"), downBias);
        all.put(name(matrix, "up.weight"), up);
        all.put(name(matrix, "up.bias"), upBias);
        this.arrays = all;
    }

    /** Returns the name under which an array of the layers behind a map trains, such as of {@code down.weight}. */
    public static String name(String matrix, String array) {
        return matrix.substring(0, matrix.length() - ".weight".length()) + ".adapter." + array;
    }

    /** Returns how many numbers there are between down and up. */
    public int size() {
        return Objects.requireNonNull(arrays.get(name(matrix, "down.bias"))).length;
    }

    /** Returns the factor of what is added. */
    public double scale() {
        return scale;
    }

    @Override
    public Map<String, float[]> arrays() {
        return Collections.unmodifiableMap(arrays);
    }

    @Override
    public Kind kind() {
        return Kind.BOTTLENECK;
    }

    @Override
    public Mergeable mergeable() {
        throw UserError.of(
                "merge: %s has an adapter behind it, which cannot be merged into a plain ViT; use the delta with"
                        + " evaluate and predict, or a method that merges, such as grft or lora",
                matrix);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Bottleneck layers
                && matrix.equals(layers.matrix)
                && shape.equals(layers.shape)
                && scale == layers.scale
                && arrays.keySet().equals(layers.arrays.keySet())
                && arrays.entrySet().stream()
                        .allMatch(entry -> Arrays.equals(entry.getValue(), layers.arrays.get(entry.getKey())));
    }

    @Override
    public int hashCode() {
        return Objects.hash(matrix, shape, scale, size());
    }

    @Override
    public String toString() {
        return "an adapter of size " + size() + " behind " + matrix;
    }
}
